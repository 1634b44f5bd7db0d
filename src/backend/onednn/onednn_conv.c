/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_conv.c  Convolutions and linear layers (1x1 on a map of one pixel): each
 *  pass by the algorithm chosen for it.
 *
 *  Algorithms are planned for an exact number of images: that of the plan at once, others
 *  (the last part of a probe, a shard) on first use; a few of them are kept. */
#include <string.h>
#include "conv_verify.h"
#include "eigenstep/mem.h"
#include "tune.h"

enum {
  SIZES = 4,
  ROWS = 64 /* of weights updated and packed together: those of a strip (packed.h) */
};

/** The algorithms for one number of images. */
typedef struct size_plan {
  int n; /**< 0 = free */
  es_conv_algo *algo[ES_PASSES];
} size_plan;

/** What an algorithm is planned for. */
typedef struct size_pass {
  int n;
  es_pass pass;
} size_pass;

typedef struct conv {
  es_op op;
  size_plan size[SIZES];
  int oldest;           /**< to be replaced next */
  int trained;          /**< images of the last backward; 0: none yet */
  const float *weights; /**< that are packed on update; NULL: not yet */
  bool has_room;        /**< among those */
  double *sums;         /* owned: of the bias gradient [2 O]; NULL without bias */
} conv;

static void drop(size_plan *s) {
  for (int p = 0; p < ES_PASSES; p++) es_conv_algo_destroy(&s->algo[p]);
  s->n = 0;
}

static void destroy(es_op *op) {
  conv *c = (conv *) op;
  es_backend *b = op->backend;
  for (int i = 0; i < SIZES; i++) drop(&c->size[i]);
  es_onednn_weights_remove(b, op);
  if (c->has_room) es_onednn_weights_release(b);
  void *sums = c->sums, *self = c;
  es_blas_release(b, &sums);
  es_blas_release(b, &self);
}

/** What is chosen is of rank 0's processor and library, or was timed on all. */
static void report_other(const es_conv_algo *w, const char *name,
                         const es_conv_algo_ops *chosen) {
  const es_comm *const c = w->backend->comm;
  es_warn_local("rank %d, %s: this processor lacks the algorithm '%s'; taking '%s'",
                c != NULL ? c->rank : 0, name, chosen->name, w->ops->name);
}

/** Has this algorithm been found right for this pass and number of images? */
static bool is_checked(const es_conv_algo *w) {
  const es_choices *const c = ((const es_onednn *) w->backend->impl)->checked;
  char key[ES_CHOICE_KEY];
  es_onednn_key(w->backend, &w->desc, w->pass, key);
  const es_choice *const row = c != NULL ? es_choices_find(c, key, w->n) : NULL;
  return row != NULL && row->n == w->n && strcmp(row->algo, w->ops->name) == 0;
}

static es_status keep_checked(const es_conv_algo *w) {
  es_onednn *const s = w->backend->impl;
  char key[ES_CHOICE_KEY];
  if (s->checked == NULL) ES_TRY(es_onednn_choices(&s->checked));
  es_onednn_key(w->backend, &w->desc, w->pass, key);
  return es_choices_add(s->checked, key, w->n, w->ops->name);
}

/** @param verify  ES_ENOTSUP, too, if the library computes it wrongly */
static es_status try_algo(const es_conv_algo_ops *ops, es_backend *b, const es_op_desc *d,
                          const size_pass *of, bool verify, es_conv_algo **w) {
  bool right = true;
  es_status st = es_conv_algo_create(ops, b, d, of->pass, of->n, w);
  if (st != ES_OK || !verify || is_checked(*w)) return st;
  st = es_conv_verify(*w, &right);
  if (st == ES_OK && !right) {
    es_conv_report_wrong(*w);
    st = ES_ENOTSUP;
  }
  if (st == ES_OK) st = keep_checked(*w);
  if (st != ES_OK) es_conv_algo_destroy(w);
  return st;
}

/** The chosen algorithm, or the first other that this processor has. What a rule chose is
 *  checked when it is planned for the network's number of images. */
static es_status make_algo(es_backend *b, const es_op_desc *d, es_pass pass, int n,
                           es_conv_algo **w) {
  const es_conv_algo_ops *const *list;
  const size_t count = es_conv_algo_list(&list);
  const char *const name = d->name != NULL ? d->name : es_op_kind_name(d->kind);
  const size_pass of = {n, pass};
  bool timed;
  const es_conv_algo_ops *const chosen = es_onednn_choice(b, d, pass, &timed);
  const bool verify = !timed && n == d->max_n;
  es_status st = try_algo(chosen, b, d, &of, verify, w);
  for (size_t i = 0; i < count && st == ES_ENOTSUP; i++)
    if (list[i] != chosen && list[i]->fits(d, pass))
      st = try_algo(list[i], b, d, &of, verify, w);
  ES_CHECK(st != ES_ENOTSUP, ES_ENOTSUP,
           "%s: this oneDNN cannot compute it on this processor; backend.name = blas can",
           name);
  if (st == ES_OK && (*w)->ops != chosen) report_other(*w, name, chosen);
  return st;
}

/** Do updates pack its weights, for this process or for its node? */
static bool is_needed(const conv *c, const size_plan *s) {
  bool needed = s->n > 0 && s->n == c->trained;
  for (int p = 0; p < ES_PASSES; p++)
    needed = needed || (s->algo[p] != NULL && s->algo[p]->weights.node != NULL);
  return needed;
}

static size_plan *plan_of(conv *c, int n) {
  for (int i = 0; i < SIZES; i++)
    if (c->size[i].n == n) return &c->size[i];
  while (is_needed(c, &c->size[c->oldest])) c->oldest = (c->oldest + 1) % SIZES;
  size_plan *s = &c->size[c->oldest];
  c->oldest = (c->oldest + 1) % SIZES;
  drop(s);
  s->n = n;
  return s;
}

/** The algorithm of a pass for n images, with the weights of the call loaded. */
static es_status algo_of(conv *c, const es_op_args *a, es_pass pass, es_conv_algo **out) {
  es_conv_algo **w = &plan_of(c, a->n)->algo[pass];
  if (*w == NULL) ES_TRY(make_algo(c->op.backend, &c->op.desc, pass, a->n, w));
  ES_TRY(es_conv_algo_ready(*w, a->param.w, a->param.version));
  *out = *w;
  return ES_OK;
}

/** y += bias, row by row in f32. */
static void add_bias(const es_op *op, const es_op_args *a) {
  const int out = op->desc.out.c;
  const bool bf16 = es_onednn_bf16(&op->desc);
  float *row = es_onednn_scratch(op->backend);
  for (int64_t i = 0; i < a->n; i++) {
    char *y = (char *) a->y + (size_t) (i * out) * es_onednn_size(&op->desc);
    es_onednn_widen(op->backend->threads, bf16, out, y, row);
    for (int o = 0; o < out; o++) row[o] += a->param.b[o];
    es_onednn_narrow(op->backend->threads, bf16, out, row, y);
  }
}

/** Moments of y by group, while y is in the cache. */
static void take_moments(const es_op *op, const es_op_args *a) {
  const int out = op->desc.out.c;
  const int64_t rows = a->n / a->groups * es_blas_pixels(op->desc.out);
  memset(a->moments, 0, (size_t) (2 * (int64_t) a->groups * out) * sizeof(double));
  for (int g = 0; g < a->groups; g++) {
    double *sum = a->moments + 2 * (int64_t) g * out;
    const char *y =
        (const char *) a->y + (size_t) (g * rows * out) * es_onednn_size(&op->desc);
    es_onednn_moments(op->backend->threads, es_onednn_bf16(&op->desc), rows, out, y, sum);
  }
}

static es_status forward(es_op *op, const es_op_args *a) {
  conv *c = (conv *) op;
  ES_TRY(es_blas_check(op, a));
  if (a->n > 0) {
    es_conv_algo *w = NULL;
    ES_TRY(algo_of(c, a, ES_FORWARD, &w));
    ES_TRY(w->ops->run(w, a));
    if (op->desc.bias) add_bias(op, a);
  }
  if (a->moments != NULL) take_moments(op, a);
  return ES_OK;
}

static void gradient_of_bias(const conv *c, const es_op_args *a) {
  const int out = c->op.desc.out.c;
  memset(c->sums, 0, 2 * (size_t) out * sizeof *c->sums);
  es_onednn_moments(c->op.backend->threads, es_onednn_bf16(&c->op.desc), a->n, out, a->dy,
                    c->sums);
  for (int o = 0; o < out; o++)
    a->param.db[o] = (a->param.set_dw ? 0.0f : a->param.db[o]) + (float) c->sums[o];
}

static int64_t weights_of(const es_op_desc *d) {
  return (int64_t) d->out.c * d->in.c * d->window.k * d->window.k;
}

/** Gradients of no images. */
static es_status no_images(const es_op *op, const es_op_args *a) {
  const es_op_desc *d = &op->desc;
  if (!a->param.set_dw) return ES_OK;
  memset(a->param.dw, 0, (size_t) weights_of(d) * sizeof *a->param.dw);
  if (d->bias) memset(a->param.db, 0, (size_t) d->out.c * sizeof *a->param.db);
  return ES_OK;
}

/** An algorithm of the last backward that packs weights; NULL for other passes. */
static es_conv_algo *algo_trained(const es_op *op, int pass) {
  const conv *c = (const conv *) op;
  es_conv_algo *found = NULL;
  for (int i = 0; i < SIZES && pass != ES_WEIGHTS; i++)
    if (c->size[i].n == c->trained) found = c->size[i].algo[pass];
  return found;
}

/** One that keeps them. */
static es_conv_algo *packs(const es_op *op, int pass) {
  es_conv_algo *const found = algo_trained(op, pass);
  return found != NULL && found->weights.own != NULL ? found : NULL;
}

/** Whole strips of both passes. */
static int64_t unit(const es_op *op) {
  const int64_t row = weights_of(&op->desc) / op->desc.out.c;
  int64_t rows = ROWS;
  for (int p = 0; p < ES_PASSES; p++) {
    const es_conv_algo *const w = packs(op, p);
    const int strip = w != NULL ? es_conv_algo_strip_rows(w) : 1;
    if (strip == 0) return weights_of(&op->desc);
    while (rows % strip != 0) rows += ROWS;
  }
  return rows * row;
}

static es_status pack(es_op *op, const float *value, int64_t first, int64_t n) {
  const int64_t all = weights_of(&op->desc), row = all / op->desc.out.c;
  for (int p = 0; p < ES_PASSES; p++) {
    es_conv_algo *const w = packs(op, p);
    if (w != NULL && n == all) ES_TRY(es_conv_algo_ready(w, value, 0));
    if (w == NULL || n == all) continue;
    const int64_t strip = es_conv_algo_strip_rows(w), end = (first + n) / row;
    es_conv_algo_pack_strips(w, value, first / row / strip, (end + strip - 1) / strip,
                             NULL);
  }
  return ES_OK;
}

static void set_version(es_op *op, int64_t version) {
  for (int p = 0; p < ES_PASSES; p++) {
    es_conv_algo *const w = packs(op, p);
    if (w != NULL) w->weights.version = version;
  }
}

/** What is trained will be updated: pack it then. */
static void expect_update(conv *c, const es_op_args *a) {
  c->trained = a->n;
  if (c->weights == a->param.w) return;
  c->weights = a->param.w;
  es_onednn_weights_add(c->op.backend,
                        &(es_onednn_weights){.value = a->param.w,
                                             .count = weights_of(&c->op.desc),
                                             .unit = unit,
                                             .pack = pack,
                                             .set_version = set_version,
                                             .algo = algo_trained,
                                             .op = &c->op});
}

static es_status backward(es_op *op, const es_op_args *a) {
  conv *c = (conv *) op;
  es_conv_algo *w = NULL;
  ES_TRY(es_blas_check(op, a));
  if (a->n == 0) return no_images(op, a);
  expect_update(c, a);
  ES_TRY(algo_of(c, a, ES_WEIGHTS, &w));
  ES_TRY(w->ops->run(w, a));
  if (op->desc.bias) gradient_of_bias(c, a);
  if (!op->desc.need_dx) return ES_OK;
  ES_TRY(algo_of(c, a, ES_DATA, &w));
  return w->ops->run(w, a);
}

/** Plan the algorithms for the largest number of images. */
static es_status plan_algos(conv *c) {
  const es_op_desc *d = &c->op.desc;
  size_plan *s = plan_of(c, d->max_n);
  for (int p = 0; p < ES_PASSES; p++) {
    if (p != ES_FORWARD && d->forward_only) continue;
    if (p == ES_DATA && !d->need_dx) continue;
    ES_TRY(make_algo(c->op.backend, d, (es_pass) p, d->max_n, &s->algo[p]));
  }
  return ES_OK;
}

static es_status make(es_backend *b, const es_op_desc *d, conv *c) {
  const size_t before = b->allocated;
  if (d->bias) {
    void *sums = NULL;
    ES_TRY(es_blas_alloc(b, 2 * (size_t) d->out.c * sizeof(double), "sums", &sums));
    c->sums = sums;
    ES_TRY(es_onednn_reserve(b, (size_t) d->out.c * sizeof(float)));
  }
  ES_TRY(plan_algos(c));
  if (!d->forward_only) {
    ES_TRY(es_onednn_weights_reserve(b));
    c->has_room = true;
  }
  c->op.bytes = b->allocated - before;
  const es_conv_algo *const *w = (const es_conv_algo *const *) c->size[0].algo;
  es_layer("%s: forward %s, weights %s, data %s",
           d->name != NULL ? d->name : es_op_kind_name(d->kind), w[ES_FORWARD]->ops->name,
           w[ES_WEIGHTS] != NULL ? w[ES_WEIGHTS]->ops->name : "not needed",
           w[ES_DATA] != NULL ? w[ES_DATA]->ops->name : "not needed");
  return ES_OK;
}

static es_status plan(es_backend *b, const es_op_desc *d, es_op **op) {
  void *p = NULL;
  ES_TRY(es_blas_alloc(b, sizeof(conv), "the plan of an op", &p));
  conv *c = p;
  c->op = (es_op){.backend = b,
                  .desc = *d,
                  .forward = forward,
                  .backward = backward,
                  .destroy = destroy,
                  .gives_moments = true,
                  .sets_gradients = true,
                  .flops = 2.0 * (double) es_blas_pixels(d->out) * d->out.c * d->in.c *
                           d->window.k * d->window.k};
  const es_status st = make(b, d, c);
  if (st == ES_OK)
    *op = &c->op;
  else
    destroy(&c->op);
  return st;
}

es_status es_onednn_plan_conv(es_backend *b, const es_op_desc *d, es_op **op) {
  return plan(b, d, op);
}

es_status es_onednn_plan_linear(es_backend *b, const es_op_desc *d, es_op **op) {
  const es_op_desc as_conv = es_choices_as_conv(d);
  return plan(b, &as_conv, op);
}
