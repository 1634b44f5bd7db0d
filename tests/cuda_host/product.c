/* SPDX-License-Identifier: BSD-3-Clause */
/** @file product.c  cuBLAS: matrix products by CBLAS. Elements of bf16 are multiplied and
 *  added in f32 and the result is rounded once. As with the library, sums have another
 *  order where an operand is not aligned to 16 bytes. */
#include <cblas.h>
#include <stdlib.h>
#include "product.h"

struct cublasContext {
  cudaStream_t stream;
  cublasMath_t math;
};

/** A copy in f32, columns of `rows` elements. The caller frees it. */
static float *load(const cuda_host_matrix *x, int rows, int columns, bool tf32) {
  float *const v = cuda_host_alloc((size_t) rows * (size_t) columns * sizeof *v);
  for (int64_t j = 0; j < columns; j++)
    for (int64_t i = 0; i < rows; i++) {
      const float element = cuda_host_load(x->type, x->p, j * x->ld + i);
      v[j * rows + i] = tf32 ? cuda_host_tf32(element) : element;
    }
  return v;
}

static bool is_aligned(const cuda_host_product *p) {
  enum { VECTOR = 16 };
  return (uintptr_t) p->a.p % VECTOR == 0 && (uintptr_t) p->b.p % VECTOR == 0 &&
         (uintptr_t) p->c.p % VECTOR == 0;
}

/** C = alpha op(A) op(B) + beta C over k from `from` to `past`; columns are whole. */
static void multiply(const cuda_host_product *p, const float *a, const float *b, float *c,
                     const int part[2], float beta) {
  const int a_rows = p->ta ? p->k : p->m, b_rows = p->tb ? p->n : p->k;
  const float *const left = a + (p->ta ? part[0] : (int64_t) part[0] * a_rows);
  const float *const right = b + (p->tb ? (int64_t) part[0] * b_rows : part[0]);
  cblas_sgemm(CblasColMajor, p->ta ? CblasTrans : CblasNoTrans,
              p->tb ? CblasTrans : CblasNoTrans, p->m, p->n, part[1] - part[0], p->alpha,
              left, a_rows, right, b_rows, beta, c, p->m);
}

static void run_product(void *payload) {
  const cuda_host_product *const p = payload;
  const int a_rows = p->ta ? p->k : p->m, b_rows = p->tb ? p->n : p->k;
  float *const a = load(&p->a, a_rows, p->ta ? p->m : p->k, p->tf32);
  float *const b = load(&p->b, b_rows, p->tb ? p->k : p->n, p->tf32);
  float *const c = p->beta != 0
                       ? load(&p->c, p->m, p->n, false)
                       : cuda_host_alloc((size_t) p->m * (size_t) p->n * sizeof *c);
  const int half = is_aligned(p) && !p->halves ? p->k : (p->k + 1) / 2;
  if (half < p->k) multiply(p, a, b, c, (const int[2]){half, p->k}, p->beta);
  multiply(p, a, b, c, (const int[2]){0, half}, half < p->k ? 1.0f : p->beta);
  for (int64_t j = 0; j < p->n; j++)
    for (int64_t i = 0; i < p->m; i++)
      cuda_host_store(p->c.type, p->c.p, j * p->c.ld + i,
                      c[j * p->m + i] + (p->bias != NULL ? p->bias[i] : 0));
  free(a);
  free(b);
  free(c);
}

cublasStatus_t cublasCreate(cublasHandle_t *handle) {
  *handle = NULL;
  if (cuda_host_fails(CUDA_HOST_HANDLE)) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = cuda_host_alloc(sizeof **handle);
  cuda_host_hold(CUDA_HOST_HANDLES, 1);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (handle == NULL) return CUBLAS_STATUS_NOT_INITIALIZED;
  free(handle);
  cuda_host_hold(CUDA_HOST_HANDLES, -1);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes) {
  (void) handle;
  return cuda_host_is_device(workspace, bytes) ? CUBLAS_STATUS_SUCCESS
                                               : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

bool cuda_host_product_fits(const cuda_host_product *p) {
  const cuda_host_matrix *const x[] = {&p->a, &p->b, &p->c};
  const int rows[] = {p->ta ? p->k : p->m, p->tb ? p->n : p->k, p->m};
  for (int i = 0; i < 3; i++)
    if (x[i]->ld < rows[i] || x[i]->ld < 1) return false;
  return p->m >= 0 && p->n >= 0 && p->k >= 0 && p->a.type == p->b.type &&
         (p->c.type == CUDA_R_32F || p->c.type == p->a.type);
}

void cuda_host_product_queue(cudaStream_t s, const char *name,
                             const cuda_host_product *p) {
  const cuda_host_work w = {
      .name = name, .run = run_product, .payload = p, .bytes = sizeof *p};
  if (p->m > 0 && p->n > 0) cuda_host_queue(s, &w);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta,
                            cublasOperation_t tb, int m, int n, int k, const void *alpha,
                            const void *a, cudaDataType a_type, int lda, const void *b,
                            cudaDataType b_type, int ldb, const void *beta, void *c,
                            cudaDataType c_type, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t algo) {
  const bool tf32 = (handle->math & CUBLAS_TF32_TENSOR_OP_MATH) != 0;
  const cuda_host_product p = {.ta = ta == CUBLAS_OP_T,
                               .tb = tb == CUBLAS_OP_T,
                               .tf32 = tf32 && a_type == CUDA_R_32F,
                               .m = m,
                               .n = n,
                               .k = k,
                               .alpha = *(const float *) alpha,
                               .beta = *(const float *) beta,
                               .a = {(void *) a, a_type, lda},
                               .b = {(void *) b, b_type, ldb},
                               .c = {c, c_type, ldc}};
  if (cuda_host_fails(CUDA_HOST_PRODUCT)) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!cuda_host_product_fits(&p) || compute != CUBLAS_COMPUTE_32F ||
      algo != CUBLAS_GEMM_DEFAULT)
    return CUBLAS_STATUS_INVALID_VALUE;
  cuda_host_product_queue(handle->stream, "cublasGemmEx", &p);
  return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
  case CUBLAS_STATUS_SUCCESS:
    return "success";
  case CUBLAS_STATUS_NOT_INITIALIZED:
    return "the library was not initialized";
  case CUBLAS_STATUS_ALLOC_FAILED:
    return "the resource allocation failed";
  case CUBLAS_STATUS_INVALID_VALUE:
    return "an invalid value was passed";
  case CUBLAS_STATUS_NOT_SUPPORTED:
    return "the requested functionality is not supported";
  default:
    return "the function failed to launch on the GPU";
  }
}
