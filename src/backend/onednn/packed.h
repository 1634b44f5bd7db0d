/* SPDX-License-Identifier: BSD-3-Clause */
/** @file packed.h  The right side of a matrix product as the library's fastest products
 *  take it, packed by one pass over f32 memory.
 *
 *  The library's own reorder reads or writes a few bytes of each cache line, and a step
 *  packs all weights twice, whatever the size of its batch. */
#ifndef ES_PACKED_H
#define ES_PACKED_H

#include <stdbool.h>
#include <stdint.h>

/** B [rows, cols] in consecutive blocks of `width` columns, each row-major; in bf16 pairs
 *  of rows interleaved, [rows / 2][width][2]. Padded with 0 to a multiple of 16 rows
 *  (bf16: 32) and of `width` columns. It is packed from a row-major f32 matrix: B or, if
 *  `transposed`, B'. */
typedef struct es_packed {
  int64_t rows, cols;
  int width; /**< 64, 48, 32 or 16 */
  bool bf16, transposed;
} es_packed;

/** Rows of the given matrix that are packed together. */
int es_packed_strip(const es_packed *p);
/** Pack the strip (or what the matrix has of it) that begins with row `first`; `from`
 *  points to this row. Different strips may be packed at the same time. */
void es_packed_put(const es_packed *p, int64_t first, const float *from, void *to);
/** Pack all strips. */
void es_packed_pack(const es_packed *p, int threads, const float *from, void *to);

#endif
