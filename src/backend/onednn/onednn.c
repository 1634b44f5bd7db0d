/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn.c  The fast CPU backend: convolutions and matrix products by oneDNN, the
 *  rest by loops of our own, in f32 or bf16. This file: the table. Vectors and memory are
 *  those of `blas`. */
#include "config.h"

#include "eigenstep/mem.h"
#include "eigenstep/thread.h"
#include "tune.h"

static es_status open_onednn(es_backend *b, const es_comm *comm) {
  (void) comm;
  es_onednn *s = NULL;
  ES_TRY(es_blas_set_threads(b)); /* losses and spectra use it */
  ES_TRY(ES_NEW(1, &s));
  es_status st = es_prim_engine_create(false, &s->engine);
  if (st == ES_OK) st = es_prim_engine_create(true, &s->alone);
  if (st != ES_OK) {
    es_prim_engine_destroy(&s->engine);
    es_free(&s);
    return st;
  }
  char name[96];
  es_prim_engine_name(name, sizeof name);
  b->impl = s;
  es_thread_set_openmp(b->threads); /* the library takes what OpenMP has */
  es_phase("backend onednn: %s", name);
  return ES_OK;
}

static void close_onednn(es_backend *b) {
  es_onednn *s = b->impl;
  es_choices_destroy(&s->tuned);
  es_choices_destroy(&s->checked);
  es_free(&s->trained.weights);
  es_blas_release(b, &s->scratch);
  es_blas_release(b, &s->packed);
  es_onednn_node_free(s);
  es_onednn_products_free(&s->products);
  es_prim_engine_destroy(&s->engine);
  es_prim_engine_destroy(&s->alone);
  es_free(&b->impl);
}

/** As in `blas`, but batch norm knows without its output where the ReLU was open. */
static es_op_needs needs(const es_op_desc *d) {
  es_op_needs n = es_blas_needs(d);
  n.y = n.y && d->kind != ES_OP_BN;
  return n;
}

const es_backend_ops es_backend_onednn = {
    .name = "onednn",
    .doc = "CPU: oneDNN and fused loops, channels last, f32 or bf16",
    .host = true,
    .most_threads = 1024, /* 2.6 to 3.5 keep a table of that size on the stack */
    .bf16 = "AVX-512",
    .has_bf16 = es_prim_engine_bf16,
    .open = open_onednn,
    .close = close_onednn,
    .alloc = es_blas_alloc,
    .release = es_blas_release,
    .upload = es_blas_upload,
    .download = es_blas_download,
    .copy = es_blas_copy,
    .zero = es_blas_zero,
    .download64 = es_blas_download64,
    .sync = es_blas_sync,
    .record = es_blas_record,
    .wait = es_blas_wait,
    .act_bytes = es_onednn_act_bytes,
    .act_write = es_onednn_act_write,
    .act_read = es_onednn_act_read,
    .dot = es_blas_dot,
    .gram = es_blas_gram,
    .scale = es_blas_scale,
    .sgd = es_onednn_sgd,
    .adamw = es_onednn_adamw,
    .add = es_blas_add,
    .orthogonalize = es_blas_orthogonalize,
    .narrow = es_onednn_narrow_all,
    .multiply = es_onednn_multiply,
    .allreduce = es_blas_allreduce,
    .treesum = es_blas_treesum,
    .pack = es_onednn_pack,
    .packed_bytes = es_onednn_packed_bytes,
    .tune = es_onednn_tune,
    .needs = needs,
    .plan = {[ES_OP_CONV] = es_onednn_plan_conv,
             [ES_OP_BN] = es_onednn_plan_bn,
             [ES_OP_LINEAR] = es_onednn_plan_linear,
             [ES_OP_RELU] = es_onednn_plan_relu,
             [ES_OP_MAXPOOL] = es_onednn_plan_maxpool,
             [ES_OP_AVGPOOL] = es_onednn_plan_avgpool,
             [ES_OP_FLATTEN] = es_onednn_plan_flatten},
};
