/* SPDX-License-Identifier: BSD-3-Clause */
/** @file way.c  What the ways of computing a convolution share. */
#include "way.h"

static const es_way_ops *const ways[] = {
#define ES_WAY(n) &es_way_##n,
#include "way_list.h"
#undef ES_WAY
};

size_t es_way_list(const es_way_ops *const **list) {
  *list = ways;
  return sizeof ways / sizeof ways[0];
}

es_prim_engine *es_way_engine(const es_backend *b) {
  return ((const es_onednn *) b->impl)->engine;
}

es_status es_way_new(const es_way_ops *ops, size_t size, es_backend *b,
                     const es_op_desc *d, es_pass pass, int n, es_way **w) {
  void *p = NULL;
  ES_TRY(es_blas_alloc(b, size, "a way of computing a convolution", &p));
  es_way *made = p;
  *made = (es_way){.ops = ops, .backend = b, .desc = *d, .pass = pass, .n = n};
  made->desc.name = NULL;
  *w = made;
  return ES_OK;
}

es_status es_way_room(es_way *w, es_prim_engine *e, const es_prim_tensor *from) {
  const es_prim_tensor to = es_way_like(w->prim[0]);
  ES_TRY(es_prim_reorder(e, from, &to, false, &w->pack));
  const size_t bytes = es_prim_bytes(w->prim[0], 1);
  if (w->pass != ES_DATA)
    return es_blas_alloc(w->backend, bytes, "packed weights", &w->packed);
  es_onednn *s = w->backend->impl;
  if (bytes <= s->packed_size) return ES_OK;
  es_blas_release(w->backend, &s->packed);
  s->packed_size = 0;
  s->packed_by = NULL;
  ES_TRY(es_blas_alloc(w->backend, bytes, "packed weights", &s->packed));
  s->packed_size = bytes;
  return ES_OK;
}

void *es_way_packed(const es_way *w) {
  const es_onednn *s = w->backend->impl;
  return w->pass == ES_DATA ? s->packed : w->packed;
}

es_status es_way_ready(es_way *w, const float *weights, int64_t version) {
  es_onednn *s = w->backend->impl;
  if (w->pass == ES_WEIGHTS) return ES_OK;
  const bool there = w->pass != ES_DATA || s->packed_by == w;
  if (there && version != 0 && w->version == version) return ES_OK;
  if (w->pass == ES_DATA) s->packed_by = NULL; /* until it is done */
  ES_TRY(w->ops->load(w, weights));
  if (w->pass == ES_DATA) s->packed_by = w;
  w->version = version;
  return ES_OK;
}

void es_way_destroy(es_way **w) {
  if (*w == NULL) return;
  es_backend *b = (*w)->backend;
  es_onednn *s = b->impl;
  if (s->packed_by == *w) s->packed_by = NULL;
  es_prim_destroy(&(*w)->prim[0]);
  es_prim_destroy(&(*w)->prim[1]);
  es_prim_destroy(&(*w)->pack);
  for (int i = 0; i < 3; i++) es_prim_destroy(&(*w)->move[i]);
  es_blas_release(b, &(*w)->packed);
  void *p = *w;
  es_blas_release(b, &p);
  *w = NULL;
}

es_prim_tensor es_way_matrix(int64_t rows, int64_t cols, int64_t apart, bool bf16) {
  return (es_prim_tensor){
      .n = 2, .dim = {rows, cols}, .stride = {apart, 1}, .bf16 = bf16};
}

es_prim_tensor es_way_turned(es_prim_tensor m) {
  es_prim_tensor t = m;
  t.dim[0] = m.dim[1];
  t.dim[1] = m.dim[0];
  t.stride[0] = m.stride[1];
  t.stride[1] = m.stride[0];
  return t;
}

es_prim_tensor es_way_free(es_prim_tensor t) {
  t.free = true;
  return t;
}

es_prim_tensor es_way_like(const es_prim *p) {
  return (es_prim_tensor){.like = p, .arg = 1};
}

es_prim_tensor es_way_activation(es_shape s, int n, bool bf16) {
  const int64_t c = s.c, h = s.h, w = s.w;
  return (es_prim_tensor){
      .n = 4, .dim = {n, c, h, w}, .stride = {h * w * c, 1, w * c, c}, .bf16 = bf16};
}

es_prim_tensor es_way_weights(const es_op_desc *d) {
  const int64_t o = d->out.c, i = d->in.c, k = d->k;
  return (es_prim_tensor){
      .n = 4, .dim = {o, i, k, k}, .stride = {i * k * k, k * k, k, 1}};
}

/** Padding below and to the right: what the last position needs, and no more. */
static int behind(const es_op_desc *d, int size, int positions) {
  return (positions - 1) * d->stride + d->k - size - d->pad;
}

void es_way_padding(const es_op_desc *d, int pad[4]) {
  pad[0] = pad[1] = d->pad;
  pad[2] = behind(d, d->in.h, d->out.h);
  pad[3] = behind(d, d->in.w, d->out.w);
}
