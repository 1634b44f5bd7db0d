/* SPDX-License-Identifier: BSD-3-Clause */
/** @file product_lt.c  cuBLASLt: products as those of cuBLAS, with a bias. The heuristics
 *  name three algorithms: one of cuBLAS, one that does not support the product, and one
 *  that adds in another order. Operands that are not aligned as they were said to be end
 *  the program. */
#include <stdlib.h>
#include <string.h>
#include "cublasLt.h"
#include "product.h"

enum {
  ALGOS = 3,
  UNSUPPORTED = 1,
  HALVES = 2,
  SIDES = 4,
  ID = 0,
  ALIGNMENT = 1,
  BIAS = 5
};

struct cublasLtContext {
  int unused;
};

struct cublasLtMatmulDesc {
  cublasComputeType_t compute;
  int32_t ta, tb, epilogue;
  const float *bias;
};

struct cublasLtMatrixLayout {
  cudaDataType type;
  int rows, columns, ld;
};

struct cublasLtMatmulPreference {
  uint64_t workspace;
  uint32_t reduction, alignment[SIDES]; /**< of A, B, C, D */
};

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  *handle = NULL;
  if (cuda_host_fails(CUDA_HOST_HANDLE)) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = cuda_host_alloc(sizeof **handle);
  cuda_host_hold(CUDA_HOST_HANDLES, 1);
  return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion(void) {
  const char *const other = getenv("CUDA_HOST_CUBLASLT");
  return other != NULL ? strtoull(other, NULL, 10) : 130000;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  free(handle);
  cuda_host_hold(CUDA_HOST_HANDLES, -1);
  return CUBLAS_STATUS_SUCCESS;
}

static void *held(size_t bytes) {
  cuda_host_hold(CUDA_HOST_DESCRIPTORS, 1);
  return cuda_host_alloc(bytes);
}

static cublasStatus_t drop(void *descriptor) {
  cuda_host_hold(CUDA_HOST_DESCRIPTORS, -1);
  free(descriptor);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *product,
                                        cublasComputeType_t compute, cudaDataType scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_INVALID_VALUE;
  *product = held(sizeof **product);
  (*product)->compute = compute;
  (*product)->epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  return drop(product);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes) {
  void *to = &product->epilogue;
  size_t size = sizeof product->epilogue;
  if (name == CUBLASLT_MATMUL_DESC_TRANSA) to = &product->ta;
  if (name == CUBLASLT_MATMUL_DESC_TRANSB) to = &product->tb;
  if (name == CUBLASLT_MATMUL_DESC_BIAS_POINTER) {
    to = &product->bias;
    size = sizeof product->bias;
  }
  if (bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(to, value, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout,
                                          cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  *layout = held(sizeof **layout);
  **layout = (struct cublasLtMatrixLayout){type, (int) rows, (int) columns, (int) ld};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return drop(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  enum { ALL = 7, TYPICAL = 256 };
  cublasLtMatmulPreference_t p = held(sizeof *p);
  p->reduction = ALL;
  for (int i = 0; i < SIDES; i++) p->alignment[i] = TYPICAL;
  *preference = p;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return drop(preference);
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                     cublasLtMatmulPreferenceAttributes_t name,
                                     const void *value, size_t bytes) {
  const bool size = name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
  if (bytes != (size ? sizeof preference->workspace : sizeof preference->reduction))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (size)
    memcpy(&preference->workspace, value, bytes);
  else if (name == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
    memcpy(&preference->reduction, value, bytes);
  else
    memcpy(&preference->alignment[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES],
           value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/** The product that the descriptors are of, without addresses. */
static cuda_host_product product_of(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                                    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c) {
  const bool ta = d->ta == CUBLAS_OP_T, tb = d->tb == CUBLAS_OP_T;
  return (cuda_host_product){.ta = ta,
                             .tb = tb,
                             .tf32 = d->compute == CUBLAS_COMPUTE_32F_FAST_TF32,
                             .m = c->rows,
                             .n = c->columns,
                             .k = ta ? a->rows : a->columns,
                             .a = {NULL, a->type, a->ld},
                             .b = {NULL, b->type, b->ld},
                             .c = {NULL, c->type, c->ld}};
}

/** Do the sides fit each other, and does the library take them? */
static bool fits(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                 cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c) {
  const cuda_host_product p = product_of(d, a, b, c);
  const bool bias = d->epilogue == CUBLASLT_EPILOGUE_BIAS;
  return (p.ta ? a->columns : a->rows) == p.m && (p.tb ? b->rows : b->columns) == p.n &&
         (p.tb ? b->columns : b->rows) == p.k && cuda_host_product_fits(&p) &&
         (!bias || c->type == CUDA_R_32F); /* else the bias, too, would be in bf16 */
}

/** Of an address, to 16 bytes; none: the most. */
static uint64_t alignment_of(const void *p) {
  const uint64_t vector = 16, at = (uintptr_t) p;
  return at % vector == 0 ? vector : at & (~at + 1);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                               cublasLtMatmulPreference_t preference, int wanted,
                               cublasLtMatmulHeuristicResult_t found[], int *n) {
  *n = 0;
  if (handle == NULL || c != d || !fits(product, a, b, c))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const uint32_t outputs =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (preference->reduction != outputs)
    cuda_host_mistake("cuBLASLt may add partial sums that are rounded to the output");
  for (; *n < wanted && *n < ALGOS; (*n)++) {
    cublasLtMatmulHeuristicResult_t *const r = &found[*n];
    *r = (cublasLtMatmulHeuristicResult_t){.workspaceSize = preference->workspace};
    r->state = *n == UNSUPPORTED ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
    r->algo.data[ID] = (uint64_t) *n;
    for (int i = 0; i < SIDES; i++)
      r->algo.data[ALIGNMENT + i] = preference->alignment[i];
    r->algo.data[BIAS] = alignment_of(product->bias);
  }
  return CUBLAS_STATUS_SUCCESS;
}

static void check_alignment(const cublasLtMatmulAlgo_t *algo, const void *const *side,
                            const float *bias) {
  for (int i = 0; i < SIDES; i++)
    if ((uintptr_t) side[i] % algo->data[ALIGNMENT + i] != 0)
      cuda_host_mistake("cublasLtMatmul: operand %d is not aligned to %d bytes", i,
                        (int) algo->data[ALIGNMENT + i]);
  if ((uintptr_t) bias % algo->data[BIAS] != 0)
    cuda_host_mistake(
        "cublasLtMatmul: the bias is less aligned than when it was planned");
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                              const void *alpha, const void *a, cublasLtMatrixLayout_t la,
                              const void *b, cublasLtMatrixLayout_t lb, const void *beta,
                              const void *c, cublasLtMatrixLayout_t lc, void *d,
                              cublasLtMatrixLayout_t ld, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t bytes, cudaStream_t stream) {
  const void *const side[SIDES] = {a, b, c, d};
  if (cuda_host_fails(CUDA_HOST_PRODUCT)) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (handle == NULL || c != d || lc != ld || !fits(product, la, lb, lc) ||
      algo->data[ID] == UNSUPPORTED || !cuda_host_is_device(workspace, bytes))
    return CUBLAS_STATUS_INVALID_VALUE;
  check_alignment(algo, side, product->bias);
  cuda_host_product p = product_of(product, la, lb, lc);
  p.alpha = *(const float *) alpha;
  p.beta = *(const float *) beta;
  p.a.p = (void *) (uintptr_t) a;
  p.b.p = (void *) (uintptr_t) b;
  p.c.p = d;
  p.halves = algo->data[ID] == HALVES;
  if (product->epilogue == CUBLASLT_EPILOGUE_BIAS) p.bias = product->bias;
  cuda_host_product_queue(stream, "cublasLtMatmul", &p);
  return CUBLAS_STATUS_SUCCESS;
}
