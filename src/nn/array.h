/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array.h  Make room for one more element at the end of an array. */
#ifndef ES_NN_ARRAY_H
#define ES_NN_ARRAY_H

#include <stddef.h>
#include "eigenstep/status.h"

/** Reallocate *array of `size`-byte elements, *cap of them, when `n` fill it. `array` is
 * the address of a pointer. @return ES_OK or ES_ENOMEM (array unchanged) */
es_status es_array_reserve(void *array, int n, int *cap, size_t size, const char *what);

#endif
