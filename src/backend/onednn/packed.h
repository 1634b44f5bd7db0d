/* SPDX-License-Identifier: BSD-3-Clause */
/** @file packed.h  The right side of a matrix product as the library's fastest products
 *  take it, packed by one pass over f32 memory.
 *
 *  The library's own change of layout reads or writes a few bytes a line, and a step
 *  changes the layout of all weights twice, whatever the size of its batch. */
#ifndef ES_PACKED_H
#define ES_PACKED_H

#include <stdbool.h>
#include <stdint.h>

/** B [rows, cols] in panels of `width` columns, one behind the other, each row by row; in
 *  bf16 two rows in turn, [rows / 2][width][2]. Filled with 0 to 16 rows (bf16: 32) and
 *  to whole panels. It comes from a matrix in f32, row by row: B or, `turned`, B'. */
typedef struct es_packed {
  int64_t rows, cols;
  int width; /**< 64, 48, 32 or 16 */
  bool bf16, transposed;
} es_packed;

/** Rows of the given matrix that are packed together. */
int es_packed_strip(const es_packed *p);
/** Pack the strip (or what there is of it) that begins with row `first` of the given
 *  matrix, from where this row lies. Different strips may be packed at the same time. */
void es_packed_put(const es_packed *p, int64_t first, const float *from, void *to);
/** Pack all strips. */
void es_packed_pack(const es_packed *p, int threads, const float *from, void *to);

#endif
