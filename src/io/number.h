/* SPDX-License-Identifier: BSD-3-Clause */
/** @file number.h  Types of numbers in files of other programs; their value as f64. */
#ifndef ES_NUMBER_H
#define ES_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

typedef enum es_number_class {
  ES_NUMBER_FLOAT,  /**< IEEE binary16, 32, 64 */
  ES_NUMBER_BFLOAT, /**< upper half of a binary32 */
  ES_NUMBER_SIGNED,
  ES_NUMBER_UNSIGNED /**< and truth values */
} es_number_class;

typedef struct es_number {
  es_number_class class;
  int size;     /**< bytes: 1, 2, 4 or 8 */
  bool swapped; /**< most significant byte first */
} es_number;

/** Are there numbers of this class and size? */
bool es_number_exists(es_number t);

/** n numbers as f64: exact, but for integers beyond 2^53. */
void es_number_to_f64(es_number t, const void *in, int64_t n, double *out);

#endif
