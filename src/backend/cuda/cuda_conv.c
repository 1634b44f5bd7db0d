/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_conv.c  Convolution and linear ops: how each pass is computed, packed
 *  weights, bias; cuda_conv.h. */
#include "cuda_conv.h"

#include "eigenstep/mem.h"

static bool uses(const es_op_desc *d, es_cuda_pass pass) {
  return pass == ES_CUDA_FORWARD ||
         (!d->forward_only && (pass != ES_CUDA_DATA || d->need_dx));
}

static void drop(es_cuda_conv_size *s) {
  for (int p = 0; p < ES_CUDA_PASSES; p++) es_cuda_dnn_plan_destroy(&s->dnn[p]);
  s->n = 0;
}

/** How n images are computed, and scratch for it. What cuDNN has no plan for is
 * unrolled. */
static es_status plan_size(es_cuda_conv *c, es_cuda_conv_size *s, int n) {
  es_backend *b = c->op.backend;
  const es_op_desc *d = &c->op.desc;
  s->n = n;
  for (int p = 0; p < ES_CUDA_PASSES && !es_cuda_conv_is_product(d); p++) {
    const es_cuda_pass pass = (es_cuda_pass) p;
    if (!uses(d, pass)) continue;
    const es_status st = es_cuda_dnn_plan_new(b, d, pass, n, &s->dnn[p]);
    if (st != ES_OK && st != ES_ENOTSUP) return st;
    ES_TRY(es_cuda_reserve(b, st == ES_OK ? es_cuda_conv_dnn_bytes(d, pass, n, s->dnn[p])
                                          : es_cuda_conv_unrolled_bytes(d, pass, n)));
  }
  return ES_OK;
}

static es_status size_of(es_cuda_conv *c, int n, const es_cuda_conv_size **out) {
  for (int i = 0; i < ES_CUDA_SIZES; i++) {
    *out = &c->size[i];
    if (c->size[i].n == n) return ES_OK;
  }
  es_cuda_conv_size *s = &c->size[c->oldest];
  c->oldest = (c->oldest + 1) % ES_CUDA_SIZES;
  drop(s);
  *out = s;
  const es_status st = plan_size(c, s, n);
  if (st != ES_OK) drop(s);
  return st;
}

/** Pack the weights, unless these are packed already. */
static es_status ready(es_cuda_conv *c, const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  const int64_t version = a->param.version;
  if (c->packed == NULL ||
      (version != 0 && version == c->packed_version && a->param.w == c->packed_of))
    return ES_OK;
  const es_cuda_filter f = {.o = d->out.c,
                            .i = d->in.c,
                            .taps = (int64_t) d->window.k * d->window.k,
                            .bf16 = es_cuda_bf16(d)};
  c->packed_version = version;
  c->packed_of = a->param.w;
  return es_cuda_ok(
      es_cuda_pack(es_cuda_of(c->op.backend)->stream, &f, a->param.w, c->packed),
      es_cuda_name(d));
}

static es_status run(es_cuda_conv *c, es_cuda_pass pass, const es_op_args *a) {
  const es_cuda_conv_size *s = NULL;
  if (es_cuda_conv_is_product(&c->op.desc)) return es_cuda_conv_product(c, pass, a);
  ES_TRY(size_of(c, a->n, &s));
  return s->dnn[pass] != NULL ? es_cuda_conv_dnn(c, s->dnn[pass], pass, a)
                              : es_cuda_conv_unrolled(c, pass, a);
}

static es_status forward(es_op *op, const es_op_args *a) {
  es_cuda_conv *c = (es_cuda_conv *) op;
  ES_TRY(es_cuda_check(op, a));
  if (a->n == 0) return ES_OK;
  ES_TRY(ready(c, a));
  ES_TRY(run(c, ES_CUDA_FORWARD, a));
  if (!op->desc.bias) return ES_OK;
  const es_cuda_rows g = {a->n, op->desc.out.c, es_cuda_bf16(&op->desc)};
  return es_cuda_ok(
      es_cuda_add_bias(es_cuda_of(op->backend)->stream, &g, a->param.b, a->y),
      es_cuda_name(&op->desc));
}

/** db from the column sums of dy, in f64. */
static es_status gradient_of_bias(const es_cuda_conv *c, const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  const es_cuda *s = es_cuda_of(c->op.backend);
  const es_cuda_runs g = {
      .runs = 1, .c = d->out.c, .rows = a->n, .bf16 = es_cuda_bf16(d)};
  const es_cuda_total total = {.groups = 1,
                               .c = d->out.c,
                               .chunks = es_cuda_chunks(&g),
                               .views = 1,
                               .shards = 1,
                               .parts = s->scratch,
                               .sums = c->sums};
  ES_TRY(es_cuda_ok(es_cuda_moments(s->stream, &g, a->dy, s->scratch), es_cuda_name(d)));
  ES_TRY(es_cuda_ok(es_cuda_bn_total(s->stream, &total), es_cuda_name(d)));
  return es_cuda_ok(
      es_cuda_take_sums(s->stream, d->out.c, c->sums, a->param.set_dw, a->param.db),
      es_cuda_name(d));
}

/** Gradients of no images. */
static es_status no_images(const es_op *op, const es_op_args *a) {
  const es_op_desc *d = &op->desc;
  const size_t taps = (size_t) (d->window.k * d->window.k), out = (size_t) d->out.c;
  if (!a->param.set_dw) return ES_OK;
  ES_TRY(es_cuda_zero(op->backend, a->param.dw,
                      out * (size_t) d->in.c * taps * sizeof *a->param.dw));
  return d->bias ? es_cuda_zero(op->backend, a->param.db, out * sizeof *a->param.db)
                 : ES_OK;
}

static es_status backward(es_op *op, const es_op_args *a) {
  es_cuda_conv *c = (es_cuda_conv *) op;
  ES_TRY(es_cuda_check(op, a));
  if (a->n == 0) return no_images(op, a);
  ES_TRY(ready(c, a));
  ES_TRY(run(c, ES_CUDA_WEIGHTS, a));
  if (op->desc.bias) ES_TRY(gradient_of_bias(c, a));
  return op->desc.need_dx ? run(c, ES_CUDA_DATA, a) : ES_OK;
}

static void destroy(es_op *op) {
  es_cuda_conv *c = (es_cuda_conv *) op;
  void *sums = c->sums;
  for (int i = 0; i < ES_CUDA_SIZES; i++) drop(&c->size[i]);
  es_cuda_release(op->backend, &c->packed);
  es_cuda_release(op->backend, &sums);
  es_free(&c);
}

static es_status make(es_backend *b, const es_op_desc *d, es_cuda_conv *c) {
  const size_t weights =
      (size_t) d->out.c * (size_t) d->in.c * (size_t) (d->window.k * d->window.k);
  const es_cuda_conv_size *s = NULL;
  if (es_cuda_bf16(d) || !es_cuda_conv_is_product(d))
    ES_TRY(es_cuda_alloc(b, weights * es_cuda_size(es_cuda_bf16(d)), es_cuda_name(d),
                         &c->packed));
  if (d->bias) {
    const es_cuda_runs all = {.runs = 1, .c = d->out.c, .rows = d->max_n};
    const size_t row = 2 * (size_t) d->out.c * sizeof(double);
    void *sums = NULL;
    ES_TRY(es_cuda_reserve(b, (size_t) es_cuda_most_parts(&all) * row));
    ES_TRY(es_cuda_alloc(b, row + sizeof(double), es_cuda_name(d), &sums));
    c->sums = sums;
  }
  return es_cuda_conv_is_product(d) ? ES_OK : size_of(c, d->max_n, &s);
}

es_status es_cuda_plan_conv(es_backend *b, const es_op_desc *d, es_op **op) {
  es_cuda_conv *c = NULL;
  const size_t before = b->allocated;
  ES_TRY(ES_NEW(1, &c));
  c->op = (es_op){.backend = b,
                  .desc = *d,
                  .forward = forward,
                  .backward = backward,
                  .destroy = destroy,
                  .sets_gradients = true,
                  .flops = 2.0 * (double) es_cuda_pixels(d->out) * d->out.c * d->in.c *
                           d->window.k * d->window.k};
  const es_status st = make(b, d, c);
  c->op.bytes = b->allocated - before;
  if (st == ES_OK)
    *op = &c->op;
  else
    destroy(&c->op);
  return st;
}

es_status es_cuda_plan_linear(es_backend *b, const es_op_desc *d, es_op **op) {
  es_op_desc as_conv = *d;
  as_conv.window = (es_window){.k = 1, .stride = 1};
  return es_cuda_plan_conv(b, &as_conv, op);
}
