/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_memory.c  The buffers of the BLAS library (blas_memory.h). */
#include "eigenstep/blas_memory.h"

#include <cblas.h>
#include "eigenstep/mem.h"

/* OpenBLAS's BUFFER_SIZE on x86-64; on others it is smaller. */
static const size_t buffer = (size_t) 128 << 20;

es_status es_blas_memory_check(int threads) {
  return es_mem_check(buffer * (size_t) threads, "the buffers of the BLAS library");
}

es_status es_blas_memory_reserve(void) {
  enum { N = 192 }; /* small products would do without the buffer */
  double *a = NULL;
  ES_TRY(es_blas_memory_check(1));
  ES_TRY(ES_NEW(2 * N * N, &a));
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, a, N, 0,
              a + N * N, N);
  es_free(&a);
  return ES_OK;
}
