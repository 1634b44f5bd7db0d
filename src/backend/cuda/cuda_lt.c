/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_lt.c  Products by cuBLASLt: plans of what was asked for, kept until the
 *  backend is closed, as those of cuDNN are.
 *
 *  The library is column-major: it sees the transposes, and computes C' = B' A'. Partial
 *  sums are added in f32 and in an order of their own, so that every run gives the same
 *  bits. */
#include "cuda_lt.h"

#include <cublasLt.h>
#include <string.h>
#include "eigenstep/mem.h"

enum { VECTOR = 16, SIDES = 3 }; /* A, B and C, as the library names them */

/** What plans are for. */
typedef struct plan_key {
  int64_t m, n, k;
  int flags;
} plan_key;

struct es_cuda_lt_plan {
  plan_key of;
  cublasLtMatmulDesc_t product;       /* owned */
  cublasLtMatrixLayout_t side[SIDES]; /* owned */
  cublasLtMatmulAlgo_t algo[ES_CUDA_LT_ALGOS];
  int n;
};

struct es_cuda_lt {
  cublasLtHandle_t handle; /* owned */
  es_cuda_lt_plan **plan;  /* owned [n] */
  int n, cap;
};

static es_status lt_ok(cublasStatus_t e, const char *what) {
  if (e == CUBLAS_STATUS_SUCCESS) return ES_OK;
  return es_cuda_failed("cuBLASLt", e == CUBLAS_STATUS_ALLOC_FAILED, what,
                        cublasGetStatusString(e));
}

es_status es_cuda_lt_open(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  ES_TRY(ES_NEW(1, &s->blas.lt));
  return lt_ok(cublasLtCreate(&s->blas.lt->handle), "opening cuBLASLt");
}

size_t es_cuda_lt_version(void) {
  return cublasLtGetVersion();
}

static void plan_destroy(es_cuda_lt_plan **p) {
  if (*p == NULL) return;
  if ((*p)->product != NULL) (void) cublasLtMatmulDescDestroy((*p)->product);
  for (int i = 0; i < SIDES; i++)
    if ((*p)->side[i] != NULL) (void) cublasLtMatrixLayoutDestroy((*p)->side[i]);
  es_free(p);
}

void es_cuda_lt_close(es_backend *b) {
  es_cuda_lt *k = es_cuda_of(b)->blas.lt;
  if (k == NULL) return;
  for (int i = 0; i < k->n; i++) plan_destroy(&k->plan[i]);
  es_free(&k->plan);
  if (k->handle != NULL) (void) cublasLtDestroy(k->handle);
  es_free(&es_cuda_of(b)->blas.lt);
}

/* --- planning: after the first failure nothing is done ----------------------------- */

static void set(cublasStatus_t *st, cublasLtMatmulDesc_t d,
                cublasLtMatmulDescAttributes_t name, int32_t value) {
  if (*st == CUBLAS_STATUS_SUCCESS)
    *st = cublasLtMatmulDescSetAttribute(d, name, &value, sizeof value);
}

static void prefer(cublasStatus_t *st, cublasLtMatmulPreference_t q,
                   cublasLtMatmulPreferenceAttributes_t name, uint32_t value) {
  if (*st == CUBLAS_STATUS_SUCCESS)
    *st = cublasLtMatmulPreferenceSetAttribute(q, name, &value, sizeof value);
}

static cublasStatus_t set_bias(cublasLtMatmulDesc_t d, const float *bias) {
  return cublasLtMatmulDescSetAttribute(d, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias,
                                        sizeof bias);
}

/** The product and its sides. The heuristics take the alignment of the bias from its
 *  address, which is not known yet. */
static cublasStatus_t describe(const es_backend *b, const es_cuda_product *p, bool bias,
                               es_cuda_lt_plan *to) {
  const cudaDataType_t in = p->bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const struct {
    cudaDataType_t type;
    int64_t rows, columns;
  } side[SIDES] = {{in, p->b_transposed ? p->k : p->n, p->b_transposed ? p->n : p->k},
                   {in, p->a_transposed ? p->m : p->k, p->a_transposed ? p->k : p->m},
                   {p->c_bf16 ? CUDA_R_16BF : CUDA_R_32F, p->n, p->m}};
  const float *const anywhere = (const float *) sizeof(float);
  const bool tf32 = b->tf32 && !p->bf16;
  cublasStatus_t st = cublasLtMatmulDescCreate(
      &to->product, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F);
  set(&st, to->product, CUBLASLT_MATMUL_DESC_TRANSA,
      p->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(&st, to->product, CUBLASLT_MATMUL_DESC_TRANSB,
      p->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (bias) set(&st, to->product, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  if (bias && st == CUBLAS_STATUS_SUCCESS) st = set_bias(to->product, anywhere);
  for (int i = 0; i < SIDES && st == CUBLAS_STATUS_SUCCESS; i++)
    st = cublasLtMatrixLayoutCreate(&to->side[i], side[i].type, (uint64_t) side[i].rows,
                                    (uint64_t) side[i].columns, side[i].rows);
  return st;
}

/** What algorithms have to put up with. */
static cublasStatus_t preference(size_t c_alignment, cublasLtMatmulPreference_t *q) {
  const uint64_t workspace = ES_CUDA_WORKSPACE;
  const uint32_t any =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  cublasStatus_t st = cublasLtMatmulPreferenceCreate(q);
  if (st == CUBLAS_STATUS_SUCCESS)
    st = cublasLtMatmulPreferenceSetAttribute(
        *q, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
  prefer(&st, *q, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, any);
  prefer(&st, *q, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, VECTOR);
  prefer(&st, *q, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, VECTOR);
  prefer(&st, *q, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, (uint32_t) c_alignment);
  prefer(&st, *q, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, (uint32_t) c_alignment);
  return st;
}

/** The algorithms that will do. */
static cublasStatus_t choose(const es_backend *b, size_t c_alignment,
                             es_cuda_lt_plan *to) {
  cublasLtMatmulHeuristicResult_t found[ES_CUDA_LT_ALGOS];
  cublasLtMatmulPreference_t q = NULL;
  int n = 0;
  cublasStatus_t st = preference(c_alignment, &q);
  if (st == CUBLAS_STATUS_SUCCESS)
    st = cublasLtMatmulAlgoGetHeuristic(es_cuda_of(b)->blas.lt->handle, to->product,
                                        to->side[0], to->side[1], to->side[2],
                                        to->side[2], q, ES_CUDA_LT_ALGOS, found, &n);
  if (q != NULL) (void) cublasLtMatmulPreferenceDestroy(q);
  for (int i = 0; i < n && st == CUBLAS_STATUS_SUCCESS; i++)
    if (found[i].state == CUBLAS_STATUS_SUCCESS &&
        found[i].workspaceSize <= ES_CUDA_WORKSPACE)
      to->algo[to->n++] = found[i].algo;
  return st;
}

/** Room for one more plan. */
static es_status grow(es_cuda_lt *k) {
  if (k->n < k->cap) return ES_OK;
  es_cuda_lt_plan **grown = NULL;
  ES_TRY(ES_NEW(2 * k->cap + 32, &grown));
  if (k->n > 0) memcpy(grown, k->plan, (size_t) k->n * sizeof *grown);
  es_free(&k->plan);
  k->plan = grown;
  k->cap = 2 * k->cap + 32;
  return ES_OK;
}

static plan_key key_of(const es_cuda_product *p, es_cuda_lt_kind kind) {
  return (plan_key){p->m, p->n, p->k,
                    p->a_transposed | p->b_transposed << 1 | p->bf16 << 2 |
                        p->c_bf16 << 3 | kind.bias << 4 | kind.c_aligned << 5};
}

/** A plan without algorithms is kept, too: nobody asks again. */
es_status es_cuda_lt_plan_find(es_backend *b, const es_cuda_product *p,
                               es_cuda_lt_kind kind, const es_cuda_lt_plan **plan) {
  es_cuda_lt *k = es_cuda_of(b)->blas.lt;
  const plan_key key = key_of(p, kind);
  int i = 0;
  while (i < k->n && (k->plan[i]->of.m != key.m || k->plan[i]->of.n != key.n ||
                      k->plan[i]->of.k != key.k || k->plan[i]->of.flags != key.flags))
    i++;
  if (i == k->n) {
    es_cuda_lt_plan *made = NULL;
    ES_TRY(grow(k));
    ES_TRY(ES_NEW(1, &made));
    made->of = key;
    cublasStatus_t st = describe(b, p, kind.bias, made);
    if (st == CUBLAS_STATUS_SUCCESS)
      st = choose(b, kind.c_aligned ? VECTOR : es_cuda_size(p->c_bf16), made);
    if (st != CUBLAS_STATUS_SUCCESS && st != CUBLAS_STATUS_NOT_SUPPORTED) {
      plan_destroy(&made);
      return lt_ok(st, "planning a matrix product");
    }
    k->plan[k->n++] = made;
  }
  *plan = k->plan[i];
  return k->plan[i]->n > 0 ? ES_OK : ES_ENOTSUP;
}

int es_cuda_lt_count(const es_cuda_lt_plan *plan) {
  return plan->n;
}

es_status es_cuda_lt_run(es_backend *b, const es_cuda_lt_plan *plan, int algo,
                         const es_cuda_product *p, const float *bias) {
  const es_cuda *s = es_cuda_of(b);
  const float one = 1.0f;
  cublasStatus_t st = CUBLAS_STATUS_SUCCESS;
  if (bias != NULL) st = set_bias(plan->product, bias);
  if (st == CUBLAS_STATUS_SUCCESS)
    st = cublasLtMatmul(s->blas.lt->handle, plan->product, &one, p->b, plan->side[0],
                        p->a, plan->side[1], &p->beta, p->c, plan->side[2], p->c,
                        plan->side[2], &plan->algo[algo], s->blas.workspace,
                        ES_CUDA_WORKSPACE, s->stream);
  return lt_ok(st, "matrix product");
}
