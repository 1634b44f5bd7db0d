/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_lt.h  Matrix products by algorithms that cuBLASLt's heuristics name. */
#ifndef ES_CUDA_LT_H
#define ES_CUDA_LT_H

#include "cuda_state.h"

enum { ES_CUDA_LT_ALGOS = 4 }; /* of a product, at most, that are planned */

/** A product of some sizes and types, with the algorithms for it. */
typedef struct es_cuda_lt_plan es_cuda_lt_plan;

/** Open the library for a backend, and close it. @return ES_OK, ES_ENOMEM, ES_EDEVICE */
es_status es_cuda_lt_open(es_backend *b);
void es_cuda_lt_close(es_backend *b);
/** What the algorithms of a product depend on. */
size_t es_cuda_lt_version(void);

/** What a product is of besides its sizes. */
typedef struct es_cuda_lt_kind {
  bool bias;      /**< f32, one number for each column of C, is added; beta is 0 */
  bool c_aligned; /**< C begins at 16 bytes, as A and B do; else at its numbers */
} es_cuda_lt_kind;

/** A plan, which the backend keeps, for the sizes, orders and types of p; its pointers
 *  are not read. Its best algorithm is 0.
 *  @return ES_OK; ES_ENOTSUP without a message: the library has none; ES_ENOMEM,
 *  ES_EDEVICE */
es_status es_cuda_lt_plan_find(es_backend *b, const es_cuda_product *p,
                               es_cuda_lt_kind kind, const es_cuda_lt_plan **plan);
/** How many algorithms. */
int es_cuda_lt_count(const es_cuda_lt_plan *plan);
/** Queue the product p by one of them. @param bias  [p->n], or NULL, as planned */
es_status es_cuda_lt_run(es_backend *b, const es_cuda_lt_plan *plan, int algo,
                         const es_cuda_product *p, const float *bias);

#endif
