/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_sizes.c  What a network takes on a GPU, in every build: the sizes of
 *  activations, and which of them backward reads. The table that stands for the backend
 *  where only these are asked for (es_backend_options.sizes_only) and CUDA is missing. */
#include "cuda_sizes.h"

#include "backend/blas/blas.h"
#include "eigenstep/mem.h"

size_t es_cuda_act_bytes(es_backend *b, es_act_type t, int n) {
  (void) b;
  const size_t image = (size_t) t.shape.c * (size_t) t.shape.h * (size_t) t.shape.w;
  return (size_t) n * image * (t.precision == ES_BF16 ? 2 : sizeof(float));
}

/** Batch norm without a residual knows from x where the ReLU was open. */
es_op_needs es_cuda_needs(const es_op_desc *d) {
  es_op_needs n = es_blas_needs(d);
  n.y = n.y && (d->kind != ES_OP_BN || d->bn.residual);
  return n;
}

bool es_cuda_has_bf16(void) {
  return true;
}

static es_status open_sizes(es_backend *b, const es_comm *comm) {
  (void) b;
  (void) comm;
  return ES_OK;
}

static void close_sizes(es_backend *b) {
  (void) b;
}

/** Never called: that it is there says that the backend makes views. */
static es_status views(es_backend *b, es_precision precision, const es_views *v,
                       es_act dst) {
  (void) b;
  (void) precision;
  (void) v;
  (void) dst;
  return ES_ENOTSUP;
}

const es_backend_ops es_backend_gpu_sizes = {.name = "cuda",
                                             .doc = "sizes of backend cuda",
                                             .reads = ES_CUDA_READS,
                                             .bf16 = ES_CUDA_BF16,
                                             .has_bf16 = es_cuda_has_bf16,
                                             .open = open_sizes,
                                             .close = close_sizes,
                                             .act_bytes = es_cuda_act_bytes,
                                             .views = views,
                                             .needs = es_cuda_needs};
