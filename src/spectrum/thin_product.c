/* SPDX-License-Identifier: BSD-3-Clause */
/** @file thin_product.c  See thin_product.h. ROWS of some results stay in the cache while
 *  the columns of A above them go by, TOGETHER at a time, each in the order of memory. */
#include "thin_product.h"

#include <string.h>

/* OpenBLAS has it; other libraries need not. */
int openblas_get_num_threads(void) __attribute__((weak));

enum {
  LANES = 8,           /* numbers of a vector register, of which there are 32 */
  TOGETHER = 16,       /* columns of A */
  RESULTS = 16,        /* columns of C */
  ROWS = 2048,         /* of C at a time */
  LEAD = ROWS + LANES, /* no power of two, whose columns would share cache lines */
  MOST = 2 * RESULTS,  /* vectors */
  LARGE = 1 << 22      /* elements of A: beyond the caches */
};

typedef double vec __attribute__((vector_size(LANES * sizeof(double))));

bool es_thin_pays(const es_product *p) {
  return ES_THIN_REGISTERS && p->ta == 'N' && p->n <= MOST &&
         (int64_t) p->m * p->k >= LARGE && openblas_get_num_threads != NULL &&
         openblas_get_num_threads() == 1;
}

/** y += A b for `lanes` rows, `count` columns of A and n columns of y and b; A + ahead is
 *  what comes next. */
static inline __attribute__((always_inline)) void
add_vector(const es_product *p, const double *a, size_t ahead, int n, const double *b,
           double *y, const int count, const int lanes) {
  vec x[TOGETHER];
  for (int j = 0; j < count; j++) {
    x[j] = (vec){0};
    __builtin_prefetch(a + (size_t) j * (size_t) p->lda + ahead, 0, 2);
    memcpy(&x[j], a + (size_t) j * (size_t) p->lda, (size_t) lanes * sizeof *a);
  }
  for (int c = 0; c < n; c++) {
    vec sum;
    memcpy(&sum, y + c * LEAD, sizeof sum);
    for (int j = 0; j < count; j++) sum += x[j] * b[c * TOGETHER + j];
    memcpy(y + c * LEAD, &sum, sizeof sum);
  }
}

static inline __attribute__((always_inline)) void
add_rows(const es_product *p, const double *a, size_t ahead, int rows, int n,
         const double *b, double *y, const int count) {
  int i = 0;
  for (; i + LANES <= rows; i += LANES)
    add_vector(p, a + i, ahead, n, b, y + i, count, LANES);
  if (i < rows) add_vector(p, a + i, ahead, n, b, y + i, count, rows - i);
}

/** y [n][LEAD] = rows [first, first + rows) of A B, columns [column, column + n). */
static void multiply(const es_product *p, int first, int rows, int column, int n,
                     double *y) {
  double b[RESULTS * TOGETHER];
  memset(y, 0, sizeof *y * (size_t) (n * LEAD));
  for (int j = 0; j < p->k; j += TOGETHER) {
    const int count = p->k - j < TOGETHER ? p->k - j : TOGETHER;
    const double *const a = p->a + (size_t) j * (size_t) p->lda + first;
    for (int c = 0; c < n; c++)
      memcpy(b + c * TOGETHER, p->b + (size_t) (column + c) * (size_t) p->ldb + j,
             (size_t) count * sizeof *b);
    const size_t next = TOGETHER * (size_t) p->lda;
    if (count == TOGETHER)
      add_rows(p, a, j + 2 * TOGETHER <= p->k ? next : 0, rows, n, b, y, TOGETHER);
    else
      for (int t = 0; t < count; t++)
        add_rows(p, a + (size_t) t * (size_t) p->lda, 0, rows, n, b + t, y, 1);
  }
}

void es_thin_product(const es_product *p) {
  _Alignas(64) double y[RESULTS * LEAD];
  for (int first = 0; first < p->m; first += ROWS)
    for (int column = 0; column < p->n; column += RESULTS) {
      const int rows = p->m - first < ROWS ? p->m - first : ROWS;
      const int n = p->n - column < RESULTS ? p->n - column : RESULTS;
      multiply(p, first, rows, column, n, y);
      for (int c = 0; c < n; c++) {
        double *to = p->c + (size_t) (column + c) * (size_t) p->ldc + first;
        for (int i = 0; i < rows; i++)
          to[i] = p->alpha * y[c * LEAD + i] + (p->beta != 0 ? p->beta * to[i] : 0);
      }
    }
}
