/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas.c  The reference backend: OpenBLAS (or any CBLAS) and vectorised loops,
 *  f32. This file: the table, memory and what all plans share. */
#include "config.h"

#include <cblas.h>
#include "blas.h"
#include "eigenstep/blas_memory.h"
#include "eigenstep/mem.h"

enum { HEADER = 64 }; /* before each allocation: its size, and the alignment is kept */

es_status es_blas_alloc(es_backend *b, size_t bytes, const char *what, void **p) {
  ES_CHECK(bytes <= SIZE_MAX - HEADER, ES_ENOMEM, "%s: %zu bytes are too many", what,
           bytes);
  char *base = NULL;
  ES_TRY(es_alloc(bytes + HEADER, what, (void **) &base));
  *(size_t *) (void *) base = bytes;
  b->allocated += bytes;
  *p = base + HEADER;
  return ES_OK;
}

void es_blas_release(es_backend *b, void **p) {
  if (*p == NULL) return;
  char *base = (char *) *p - HEADER;
  b->allocated -= *(size_t *) (void *) base;
  es_free(&base);
  *p = NULL;
}

es_status es_blas_reserve(es_backend *b, size_t n) {
  es_blas *s = b->impl;
  if (n <= s->scratch_size) return ES_OK;
  void *grown = NULL;
  ES_TRY(es_blas_alloc(b, n * sizeof(float), "scratch of the backend", &grown));
  void *old = s->scratch;
  es_blas_release(b, &old);
  s->scratch = grown;
  s->scratch_size = n;
  return ES_OK;
}

float *es_blas_scratch(const es_backend *b) {
  return ((const es_blas *) b->impl)->scratch;
}

static void op_free(es_op *op) {
  void *work = ((es_blas_op *) op)->work, *self = op;
  es_backend *b = op->backend;
  es_blas_release(b, &work);
  es_blas_release(b, &self);
}

es_status es_blas_op_new(es_backend *b, const es_op_desc *d, size_t size, size_t work,
                         es_op **op) {
  void *p = NULL, *room = NULL;
  ES_TRY(es_blas_alloc(b, size, "the plan of an op", &p));
  const es_status st =
      work > 0 ? es_blas_alloc(b, work, "the work space of an op", &room) : ES_OK;
  if (st != ES_OK) {
    es_blas_release(b, &p);
    return st;
  }
  es_blas_op *made = p;
  made->work = room;
  made->op = (es_op){.backend = b, .desc = *d, .destroy = op_free, .bytes = size + work};
  *op = &made->op;
  return ES_OK;
}

const char *es_blas_name(const es_op *op) {
  return op->desc.name != NULL ? op->desc.name : es_op_kind_name(op->desc.kind);
}

es_status es_blas_check(const es_op *op, const es_op_args *a) {
  ES_CHECK(a->n >= 0 && a->n <= op->desc.max_n, ES_EARG,
           "%s: got %d images, expected 0 to %d", es_blas_name(op), a->n, op->desc.max_n);
  return ES_OK;
}

es_op_needs es_blas_needs(const es_op_desc *d) {
  const bool bn = d->kind == ES_OP_BN, relu = d->kind == ES_OP_RELU || (bn && d->bn.relu);
  return (es_op_needs){
      .x = bn || d->kind == ES_OP_CONV || d->kind == ES_OP_LINEAR,
      .y = relu,
      .replay = bn && !d->bn.residual,
  };
}

es_status es_blas_set_threads(const es_backend *b) {
  if (b->threads > 1) ES_TRY(es_blas_memory_check(b->threads - 1));
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
  openblas_set_num_threads(b->threads);
#else
  if (b->threads > 1)
    es_warn(
        "backend.threads = %d applies to the loops; set the threads of this BLAS library "
        "separately",
        b->threads);
#endif
  return ES_OK;
}

static es_status open_blas(es_backend *b, const es_comm *comm) {
  (void) comm;
  es_blas *s = NULL;
  ES_TRY(es_blas_set_threads(b));
  ES_TRY(ES_NEW(1, &s));
  b->impl = s;
  return ES_OK;
}

static void close_blas(es_backend *b) {
  es_blas *s = b->impl;
  void *scratch = s->scratch;
  es_blas_release(b, &scratch);
  es_free(&b->impl);
}

const es_backend_ops es_backend_blas = {
    .name = "blas",
    .doc = "CPU: BLAS and vectorised loops, f32; the reference",
    .host = true,
    .open = open_blas,
    .close = close_blas,
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
    .act_bytes = es_blas_act_bytes,
    .act_write = es_blas_act_write,
    .act_read = es_blas_act_read,
    .dot = es_blas_dot,
    .gram = es_blas_gram,
    .scale = es_blas_scale,
    .sgd = es_blas_sgd,
    .adamw = es_blas_adamw,
    .add = es_blas_add,
    .orthogonalize = es_blas_orthogonalize,
    .allreduce = es_blas_allreduce,
    .treesum = es_blas_treesum,
    .needs = es_blas_needs,
    .plan = {[ES_OP_CONV] = es_blas_plan_conv,
             [ES_OP_BN] = es_blas_plan_bn,
             [ES_OP_LINEAR] = es_blas_plan_linear,
             [ES_OP_RELU] = es_blas_plan_relu,
             [ES_OP_MAXPOOL] = es_blas_plan_maxpool,
             [ES_OP_AVGPOOL] = es_blas_plan_avgpool,
             [ES_OP_FLATTEN] = es_blas_plan_flatten},
};
