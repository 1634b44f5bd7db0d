/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array.c  Growing arrays, while a network is built. */
#include "array.h"

#include <string.h>

#include "eigenstep/mem.h"

es_status es_array_reserve(void *array, int n, int *cap, size_t size, const char *what) {
  if (n < *cap) return ES_OK;
  const int room = *cap > 0 ? 2 * *cap : 64;
  void *old, *fresh;
  memcpy(&old, array, sizeof old); /* the caller's pointer, whatever its type */
  ES_TRY(es_alloc_n((size_t) room, size, what, &fresh));
  if (n > 0) memcpy(fresh, old, (size_t) n * size);
  es_free(&old);
  memcpy(array, &fresh, sizeof fresh);
  *cap = room;
  return ES_OK;
}
