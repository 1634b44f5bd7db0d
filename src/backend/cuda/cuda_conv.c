/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_conv.c  Convolution and linear ops: how each pass is computed, packed
 *  weights, bias; cuda_conv.h. */
#include "cuda_conv.h"

#include "cuda_graph.h"
#include "eigenstep/mem.h"

bool es_cuda_conv_has(const es_op_desc *d, es_pass pass) {
  return pass == ES_FORWARD || (!d->forward_only && (pass != ES_DATA || d->need_dx));
}

/** A plan of cuDNN, or ES_ENOTSUP. */
static es_status plan_dnn(const es_cuda_conv *c, es_pass pass, es_cuda_conv_size *s) {
  es_cuda_dnn_job job = {pass, s->n, c->engines.of[pass]};
  if (job.engine == ES_CUDA_OWN || job.engine >= ES_CUDA_LT) return ES_ENOTSUP;
  const es_op_desc *d = &c->op.desc;
  const es_status st = es_cuda_dnn_plan_find(c->op.backend, d, &job, &s->dnn[pass]);
  if (st != ES_ENOTSUP || job.engine == 0) return st;
  job.engine = 0; /* chosen for another number of images */
  return es_cuda_dnn_plan_find(c->op.backend, d, &job, &s->dnn[pass]);
}

/** A plan of cuBLASLt, or ES_ENOTSUP. Activations and packed weights begin at 16 bytes,
 *  gradients of weights anywhere. */
static es_status plan_lt(const es_cuda_conv *c, es_pass pass, es_cuda_conv_size *s) {
  const es_op_desc *d = &c->op.desc;
  const es_op_args args = {.n = s->n};
  const es_cuda_lt_kind kind = {.bias = es_cuda_conv_lt_bias(d, pass),
                                .c_aligned = pass != ES_WEIGHTS};
  const es_cuda_lt_plan *plan = NULL;
  const int algo = c->engines.of[pass] - ES_CUDA_LT;
  if (algo < 0 || !es_cuda_conv_is_product(d)) return ES_ENOTSUP;
  const es_cuda_product p = es_cuda_conv_as_product(c, pass, &args);
  ES_TRY(es_cuda_lt_plan_find(c->op.backend, &p, kind, &plan));
  if (algo >= es_cuda_lt_count(plan)) return ES_ENOTSUP;
  s->lt[pass] = plan;
  return ES_OK;
}

static es_cuda_conv_size *size_of(es_cuda_conv *c, int n) {
  for (int i = 0; i < ES_CUDA_SIZES; i++)
    if (c->size[i].n == n) return &c->size[i];
  es_cuda_conv_size *s = &c->size[c->oldest];
  c->oldest = (c->oldest + 1) % ES_CUDA_SIZES;
  *s = (es_cuda_conv_size){.n = n};
  return s;
}

es_status es_cuda_conv_plan(es_cuda_conv *c, es_pass pass, int n,
                            const es_cuda_conv_size **size) {
  const es_op_desc *d = &c->op.desc;
  es_cuda_conv_size *s = size_of(c, n);
  *size = s;
  if (s->planned[pass]) return ES_OK;
  es_status st = plan_lt(c, pass, s);
  if (st == ES_ENOTSUP) st = plan_dnn(c, pass, s);
  size_t bytes = 0;
  if (st != ES_OK && st != ES_ENOTSUP) return st;
  if (s->dnn[pass] != NULL)
    bytes = es_cuda_conv_dnn_bytes(d, pass, n, s->dnn[pass]);
  else if (!es_cuda_conv_is_product(d))
    bytes = es_cuda_conv_unrolled_bytes(d, pass, n);
  ES_TRY(es_cuda_reserve(c->op.backend, bytes));
  s->planned[pass] = true;
  return ES_OK;
}

static bool is_packed(const es_cuda_conv *c, const es_op_args *a, int64_t version) {
  return version != 0 && version == c->packed_version && a->param.w == c->packed_of;
}

/** Pack the weights, unless these are packed already. */
static es_status ready(es_cuda_conv *c, const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  if (c->packed == NULL) return ES_OK;
  if (c->trained == a->param.w && is_packed(c, a, a->param.version))
    return es_cuda_graph_relies(c->op.backend, &c->packed_version);
  const int64_t version = es_cuda_graph_version(c->op.backend, a->param.version);
  if (is_packed(c, a, version)) return ES_OK;
  const es_cuda_filter f = es_cuda_conv_filter(d);
  c->packed_version = version;
  c->packed_of = a->param.w;
  return es_cuda_ok(
      es_cuda_pack(es_cuda_of(c->op.backend)->stream, &f, a->param.w, c->packed),
      es_cuda_name(d));
}

/** Unless it has been added. */
static es_status add_bias(const es_cuda_conv *c, const es_cuda_conv_size *s,
                          const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  const bool added = s->lt[ES_FORWARD] != NULL && es_cuda_conv_lt_bias(d, ES_FORWARD);
  const es_cuda_rows g = {a->n, d->out.c, es_cuda_bf16(d)};
  if (!d->bias || added) return ES_OK;
  return es_cuda_ok(
      es_cuda_add_bias(es_cuda_of(c->op.backend)->stream, &g, a->param.b, a->y),
      es_cuda_name(d));
}

es_status es_cuda_conv_run(es_cuda_conv *c, es_pass pass, const es_op_args *a) {
  const es_cuda_conv_size *s = NULL;
  ES_TRY(es_cuda_conv_plan(c, pass, a->n, &s));
  ES_TRY(ready(c, a));
  if (s->lt[pass] != NULL)
    ES_TRY(es_cuda_conv_lt(c, s->lt[pass], pass, a));
  else if (s->dnn[pass] != NULL)
    ES_TRY(es_cuda_conv_dnn(c, s->dnn[pass], pass, a));
  else if (es_cuda_conv_is_product(&c->op.desc))
    ES_TRY(es_cuda_conv_product(c, pass, a));
  else
    ES_TRY(es_cuda_conv_unrolled(c, pass, a));
  return pass == ES_FORWARD ? add_bias(c, s, a) : ES_OK;
}

static es_status forward(es_op *op, const es_op_args *a) {
  es_cuda_conv *c = (es_cuda_conv *) op;
  ES_TRY(es_cuda_check(op, a));
  if (a->n == 0) return ES_OK;
  return es_cuda_conv_run(c, ES_FORWARD, a);
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
  es_cuda_trained_add(c, a->param.w);
  ES_TRY(es_cuda_conv_run(c, ES_WEIGHTS, a));
  if (op->desc.bias) ES_TRY(gradient_of_bias(c, a));
  return op->desc.need_dx ? es_cuda_conv_run(c, ES_DATA, a) : ES_OK;
}

static void destroy(es_op *op) {
  es_cuda_conv *c = (es_cuda_conv *) op;
  void *sums = c->sums;
  es_cuda_trained_forget(c);
  es_cuda_release(op->backend, &c->packed);
  es_cuda_release(op->backend, &sums);
  es_free(&c);
}

/** Memory for packed weights, where they differ from the caller's, and of the bias. */
static es_status make(es_cuda_conv *c) {
  const es_op_desc *d = &c->op.desc;
  es_backend *b = c->op.backend;
  const size_t weights =
      (size_t) d->out.c * (size_t) d->in.c * (size_t) (d->window.k * d->window.k);
  bool packs = es_cuda_bf16(d) || !es_cuda_conv_is_product(d);
  for (int p = 0; p < ES_PASSES; p++) packs = packs || c->engines.of[p] != ES_CUDA_OWN;
  if (packs)
    ES_TRY(es_cuda_alloc(b, weights * es_cuda_size(es_cuda_bf16(d)), es_cuda_name(d),
                         &c->packed));
  if (!d->bias) return ES_OK;
  const es_cuda_runs all = {.runs = 1, .c = d->out.c, .rows = d->max_n};
  const size_t row = 2 * (size_t) d->out.c * sizeof(double);
  void *sums = NULL;
  ES_TRY(es_cuda_reserve(b, (size_t) es_cuda_most_parts(&all) * row));
  ES_TRY(es_cuda_alloc(b, row + sizeof(double), es_cuda_name(d), &sums));
  c->sums = sums;
  return ES_OK;
}

es_status es_cuda_conv_new(es_backend *b, const es_op_desc *d,
                           const es_cuda_engines *engines, es_cuda_conv **c) {
  ES_TRY(es_cuda_act_reserve(b, d->in, d->max_n));
  ES_TRY(es_cuda_act_reserve(b, d->out, d->max_n));
  ES_TRY(ES_NEW(1, c));
  es_status st = es_cuda_trained_reserve(b);
  if (st != ES_OK) {
    es_free(c);
    return st;
  }
  (*c)->engines = *engines;
  (*c)->op = (es_op){.backend = b,
                     .desc = *d,
                     .forward = forward,
                     .backward = backward,
                     .destroy = destroy,
                     .sets_gradients = true,
                     .flops = 2.0 * (double) es_cuda_pixels(d->out) * d->out.c * d->in.c *
                              d->window.k * d->window.k};
  st = make(*c);
  if (st == ES_OK) return ES_OK;
  destroy(&(*c)->op);
  *c = NULL;
  return st;
}

static const char *algorithm_of(const es_cuda_conv *c, const es_cuda_conv_size *s,
                                es_pass pass) {
  if (!es_cuda_conv_has(&c->op.desc, pass)) return "not needed";
  if (s->dnn[pass] != NULL) return "cuDNN";
  if (s->lt[pass] != NULL) return "cuBLASLt";
  return es_cuda_conv_is_product(&c->op.desc) ? "product" : "unrolled";
}

es_status es_cuda_plan_conv(es_backend *b, const es_op_desc *d, es_op **op) {
  es_cuda_conv *c = NULL;
  const es_cuda_conv_size *s = NULL;
  const size_t before = b->allocated;
  const es_cuda_engines engines = es_cuda_conv_choice(b, d);
  es_status st = es_cuda_conv_new(b, d, &engines, &c);
  for (int p = 0; p < ES_PASSES && st == ES_OK; p++)
    if (es_cuda_conv_has(d, (es_pass) p))
      st = es_cuda_conv_plan(c, (es_pass) p, d->max_n, &s);
  if (st != ES_OK) {
    if (c != NULL) destroy(&c->op);
    return st;
  }
  c->op.bytes = b->allocated - before;
  es_layer("%s: forward %s, weights %s, data %s", es_cuda_name(d),
           algorithm_of(c, s, ES_FORWARD), algorithm_of(c, s, ES_WEIGHTS),
           algorithm_of(c, s, ES_DATA));
  *op = &c->op;
  return ES_OK;
}

es_status es_cuda_plan_linear(es_backend *b, const es_op_desc *d, es_op **op) {
  const es_op_desc as_conv = es_choices_as_conv(d);
  return es_cuda_plan_conv(b, &as_conv, op);
}
