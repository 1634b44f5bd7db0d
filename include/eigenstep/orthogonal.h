/* SPDX-License-Identifier: BSD-3-Clause */
/** @file orthogonal.h  A matrix made orthogonal, as Muon's updates are. */
#ifndef ES_ORTHOGONAL_H
#define ES_ORTHOGONAL_H

#include <stddef.h>
#include <stdint.h>

/** A matrix [rows, cols] that becomes orthogonal: x / (|x|_F + 1e-7), then `iterations`
 *  times x <- a x + (b S + c S S) x with S = x x' (of x' where rows > cols) and
 *  (a, b, c) = (3.4445, -4.7750, 2.0315): singular values come to about 0.7 to 1.2. The
 *  quintic Newton-Schulz iteration of Muon (K. Jordan et al. 2024). */
typedef struct es_orthogonal_args {
  int rows, cols, iterations;
} es_orthogonal_args;
/** Numbers of its workspace. */
static inline size_t es_orthogonal_work(int64_t rows, int64_t cols) {
  const int64_t side = rows < cols ? rows : cols;
  return (size_t) (rows * cols + 2 * side * side);
}

#endif
