/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_product.c  Matrix products by cuBLAS.
 *
 *  With one stream and a workspace of its own the library computes the same bits on
 *  every run. Partial sums in bf16 are refused; TF32 is used only if backend.tf32
 *  asks. */
#include "cuda_state.h"

/* What the vendor recommends for Hopper. */
enum { WORKSPACE = 32 << 20 };

static es_status blas_ok(cublasStatus_t e, const char *what) {
  ES_CHECK(e != CUBLAS_STATUS_ALLOC_FAILED, ES_ENOMEM,
           "backend cuda: %s: cuBLAS has no memory left", what);
  ES_CHECK(e == CUBLAS_STATUS_SUCCESS, ES_EDEVICE, "backend cuda: %s: %s", what,
           cublasGetStatusString(e));
  return ES_OK;
}

es_status es_cuda_blas_open(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  const int math = (b->tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) |
                   CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  ES_TRY(blas_ok(cublasCreate(&s->blas), "opening cuBLAS"));
  ES_TRY(blas_ok(cublasSetStream(s->blas, s->stream), "opening cuBLAS"));
  ES_TRY(es_cuda_alloc(b, WORKSPACE, "workspace of cuBLAS", &s->workspace));
  ES_TRY(blas_ok(cublasSetWorkspace(s->blas, s->workspace, WORKSPACE), "opening cuBLAS"));
  return blas_ok(cublasSetMathMode(s->blas, (cublasMath_t) math), "opening cuBLAS");
}

void es_cuda_blas_close(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  if (s->blas != NULL) (void) cublasDestroy(s->blas);
  es_cuda_release(b, &s->workspace);
}

/* The library is column-major: it sees the transposes, and computes C' = B' A'. */
es_status es_cuda_multiply(es_backend *b, const es_cuda_product *p) {
  const cudaDataType_t in = p->bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cudaDataType_t out = p->c_bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const int lda = (int) (p->a_transposed ? p->m : p->k);
  const int ldb = (int) (p->b_transposed ? p->k : p->n);
  const float one = 1.0f;
  if (p->m == 0 || p->n == 0) return ES_OK;
  return blas_ok(
      cublasGemmEx(es_cuda_of(b)->blas, p->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                   p->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, (int) p->n, (int) p->m,
                   (int) p->k, &one, p->b, in, ldb, p->a, in, lda, &p->beta, p->c, out,
                   (int) p->n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "matrix product");
}
