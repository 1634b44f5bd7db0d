/* SPDX-License-Identifier: BSD-3-Clause */
/** @file way_direct.c  The library's own convolution on channels-last activations. */
#include "way.h"

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV;
}

/** Activations as the library sees them: [N, C, H, W] by name, last C in memory. */
static es_prim_tensor activation(es_shape s, int n, bool bf16) {
  const int64_t c = s.c, h = s.h, w = s.w;
  return (es_prim_tensor){
      .n = 4, .dim = {n, c, h, w}, .stride = {h * w * c, 1, w * c, c}, .bf16 = bf16};
}

static es_prim_tensor weights_of(const es_op_desc *d) {
  const int64_t o = d->out.c, i = d->in.c, k = d->k;
  return (es_prim_tensor){
      .n = 4, .dim = {o, i, k, k}, .stride = {i * k * k, k * k, k, 1}};
}

static size_t input_bytes(const es_way *w) {
  const es_shape s = w->desc.in;
  return (size_t) w->n * (size_t) s.c * (size_t) s.h * (size_t) s.w *
         es_onednn_size(w->backend);
}

/** Padding below and to the right: what the last position needs, and no more. */
static int behind(const es_op_desc *d, int size, int positions) {
  return (positions - 1) * d->stride + d->k - size - d->pad;
}

static es_status make(es_way *w) {
  const es_op_desc *d = &w->desc;
  es_prim_engine *e = es_way_engine(w->backend);
  const bool bf16 = es_onednn_bf16(w->backend);
  const es_prim_tensor x = activation(d->in, w->n, bf16), plain = weights_of(d);
  const es_prim_tensor y = activation(d->out, w->n, bf16);
  const int pad[4] = {d->pad, d->pad, behind(d, d->in.h, d->out.h),
                      behind(d, d->in.w, d->out.w)};
  es_prim_tensor packed = es_way_free(plain);
  packed.bf16 = bf16 && w->pass != ES_WEIGHTS;
  ES_TRY(es_prim_conv(e, w->pass, &x, &packed, &y, d->stride, pad, &w->prim[0]));
  if (w->pass == ES_DATA) ES_TRY(es_onednn_reserve(w->backend, input_bytes(w)));
  if (w->pass != ES_WEIGHTS) return es_way_room(w, e, &plain);
  const es_prim_tensor from = {.like = w->prim[0], .arg = 2};
  ES_TRY(es_onednn_reserve(w->backend, es_prim_bytes(w->prim[0], 2)));
  return es_prim_reorder(e, &from, &plain, true, &w->pack);
}

static es_status create(es_backend *b, const es_op_desc *d, es_pass pass, int n,
                        es_way **out) {
  es_way *w = NULL;
  ES_TRY(es_way_new(&es_way_direct, sizeof *w, b, d, pass, n, &w));
  const es_status st = make(w);
  if (st == ES_OK)
    *out = w;
  else
    es_way_destroy(&w);
  return st;
}

static es_status load(es_way *w, const float *weights) {
  return es_prim_run(w->pack, weights, NULL, w->packed);
}

static es_status run(es_way *w, const es_op_args *a) {
  es_backend *b = w->backend;
  void *scratch = es_onednn_scratch(b);
  if (w->pass == ES_FORWARD) return es_prim_run(w->prim[0], a->x, w->packed, a->y);
  if (w->pass == ES_WEIGHTS) {
    ES_TRY(es_prim_run(w->prim[0], a->x, a->dy, scratch));
    return es_prim_run(w->pack, scratch, NULL, a->dw);
  }
  if (!a->add_dx) return es_prim_run(w->prim[0], a->dy, w->packed, a->dx);
  ES_TRY(es_prim_run(w->prim[0], a->dy, w->packed, scratch));
  es_onednn_add(b, (int64_t) (input_bytes(w) / es_onednn_size(b)), scratch, a->dx);
  return ES_OK;
}

const es_way_ops es_way_direct = {.name = "direct",
                                  .doc = "oneDNN's convolution",
                                  .fits = fits,
                                  .create = create,
                                  .load = load,
                                  .run = run};
