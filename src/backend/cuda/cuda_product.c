/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_product.c  Matrix products by cuBLAS.
 *
 *  With one stream and a workspace of its own the library computes the same bits on
 *  every run, but takes other kernels for operands of another alignment. Without tuning
 *  they are all aligned, by copies where it must be: a shard of images, whose place
 *  depends on the number of ranks, then gives the same bits at any place. Partial sums in
 *  bf16 are refused; TF32 is used only if backend.tf32 asks. */
#include "cuda_state.h"

enum { ALIGN = 256, VECTOR = 16, OPERANDS = 3 };

static es_status blas_ok(cublasStatus_t e, const char *what) {
  if (e == CUBLAS_STATUS_SUCCESS) return ES_OK;
  return es_cuda_failed("cuBLAS", e == CUBLAS_STATUS_ALLOC_FAILED, what,
                        cublasGetStatusString(e));
}

es_status es_cuda_blas_open(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  const int math = (b->tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) |
                   CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
  ES_TRY(blas_ok(cublasCreate(&s->blas.handle), "opening cuBLAS"));
  ES_TRY(blas_ok(cublasSetStream(s->blas.handle, s->stream), "opening cuBLAS"));
  ES_TRY(es_cuda_alloc(b, ES_CUDA_WORKSPACE, "workspace of cuBLAS", &s->blas.workspace));
  ES_TRY(blas_ok(cublasSetWorkspace(s->blas.handle, s->blas.workspace, ES_CUDA_WORKSPACE),
                 "opening cuBLAS"));
  return blas_ok(cublasSetMathMode(s->blas.handle, (cublasMath_t) math),
                 "opening cuBLAS");
}

void es_cuda_blas_close(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  if (s->blas.handle != NULL) (void) cublasDestroy(s->blas.handle);
  es_cuda_release(b, &s->blas.workspace);
  es_cuda_release(b, &s->blas.copies);
}

/* The library is column-major: it sees the transposes, and computes C' = B' A'. */
static es_status multiply(es_backend *b, const es_cuda_product *p) {
  const cudaDataType_t in = p->bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cudaDataType_t out = p->c_bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const int lda = (int) (p->a_transposed ? p->m : p->k);
  const int ldb = (int) (p->b_transposed ? p->k : p->n);
  const float one = 1.0f;
  return blas_ok(cublasGemmEx(es_cuda_of(b)->blas.handle,
                              p->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                              p->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, (int) p->n,
                              (int) p->m, (int) p->k, &one, p->b, in, ldb, p->a, in, lda,
                              &p->beta, p->c, out, (int) p->n, CUBLAS_COMPUTE_32F,
                              CUBLAS_GEMM_DEFAULT),
                 "matrix product");
}

static bool is_aligned(const void *p) {
  return (uintptr_t) p % VECTOR == 0;
}

static size_t rounded(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static es_status reserve_copies(es_backend *b, size_t bytes) {
  es_cuda_blas *k = &es_cuda_of(b)->blas;
  if (bytes <= k->copies_size) return ES_OK;
  es_cuda_release(b, &k->copies);
  k->copies_size = 0;
  ES_TRY(es_cuda_alloc(b, bytes, "operands of matrix products", &k->copies));
  k->copies_size = bytes;
  return ES_OK;
}

static es_status move(es_backend *b, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return ES_OK;
  return es_cuda_ok(
      cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, es_cuda_of(b)->stream),
      "matrix product");
}

/** The product with copies of the operands that are not aligned. */
static es_status multiply_copies(es_backend *b, const es_cuda_product *p) {
  es_cuda_product q = *p;
  const size_t in = es_cuda_size(p->bf16), out = es_cuda_size(p->c_bf16);
  const size_t bytes[OPERANDS] = {(size_t) (p->m * p->k) * in,
                                  (size_t) (p->k * p->n) * in,
                                  (size_t) (p->m * p->n) * out};
  const void *const from[OPERANDS] = {p->a, p->b, p->c};
  void *at[OPERANDS];
  size_t room = 0;
  for (int i = 0; i < OPERANDS; i++)
    if (!is_aligned(from[i])) room += rounded(bytes[i]);
  ES_TRY(reserve_copies(b, room));
  char *next = es_cuda_of(b)->blas.copies;
  for (int i = 0; i < OPERANDS; i++) {
    at[i] = (void *) (uintptr_t) from[i];
    if (is_aligned(from[i])) continue;
    at[i] = next;
    next += rounded(bytes[i]);
    if (i < 2 || p->beta != 0.0f) ES_TRY(move(b, at[i], from[i], bytes[i]));
  }
  q.a = at[0];
  q.b = at[1];
  q.c = at[2];
  ES_TRY(multiply(b, &q));
  return q.c == p->c ? ES_OK : move(b, p->c, q.c, bytes[2]);
}

es_status es_cuda_multiply(es_backend *b, const es_cuda_product *p) {
  if (p->m == 0 || p->n == 0) return ES_OK;
  const bool aligned = is_aligned(p->a) && is_aligned(p->b) && is_aligned(p->c);
  return aligned || b->tune ? multiply(b, p) : multiply_copies(b, p);
}
