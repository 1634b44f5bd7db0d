/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo.c  What the algorithms for convolutions share. */
#include "conv_algo.h"
#include "eigenstep/mem.h"

/* More than a primitive takes: the library does not look whether it got its memory. */
#define GENERATED ((size_t) 16 << 20)

/* Positions of all images up to which data passes keep weights that the update packs.
 * Packing them later, from memory, takes as long as the product of some 40 rows: 7 % of a
 * product of 512 rows, and less of a larger one, which saves the memory. */
enum { FEW = 512 };

static int64_t up64(int64_t n) {
  return (n + 63) / 64 * 64;
}

es_prim_engine *es_conv_algo_engine(const es_backend *b) {
  return ((const es_onednn *) b->impl)->engine;
}

es_status es_conv_algo_for_threads(es_conv_algo *w, int threads) {
  void *p = NULL;
  if (threads > 1)
    ES_TRY(es_blas_alloc(w->backend, 2 * (size_t) (threads - 1) * sizeof *w->team.others,
                         "primitives of threads", &p));
  w->team.others = p;
  w->team.threads = threads;
  for (int i = 0; i < 2 * (threads - 1); i++)
    if (w->prim[i % 2] != NULL) ES_TRY(es_prim_again(w->prim[i % 2], &w->team.others[i]));
  return ES_OK;
}

es_prim *es_conv_algo_prim(const es_conv_algo *w, bool add, int thread) {
  return thread == 0 ? w->prim[add] : w->team.others[2 * (thread - 1) + add];
}

es_status es_conv_algo_create(const es_conv_algo_ops *ops, es_backend *b,
                              const es_op_desc *d, es_pass pass, int n,
                              es_conv_algo **w) {
  void *p = NULL;
  ES_TRY(es_mem_check(GENERATED, "code that oneDNN generates"));
  ES_TRY(es_blas_alloc(b, ops->size, "an algorithm for a convolution", &p));
  es_conv_algo *made = p;
  *made = (es_conv_algo){.ops = ops, .backend = b, .desc = *d, .pass = pass, .n = n};
  made->desc.name = NULL;
  const es_status st = ops->make(made);
  if (st == ES_OK)
    *w = made;
  else
    es_conv_algo_destroy(&made);
  return st;
}

/** Does prim[0] take packed weights? Then weights.form says how. */
static bool in_packed_form(es_conv_algo *w, const es_prim_tensor *from) {
  static const int widths[] = {64, 48, 32, 16};
  if (from->n != 2) return false;
  /* of a row, as of one input channel, both strides are 1 */
  const bool column = from->dim[0] == 1 && from->stride[0] == 1;
  es_prim_tensor t = *from;
  t.bf16 = es_onednn_bf16(&w->desc);
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
    t.block = widths[i];
    if (!es_prim_takes(w->prim[0], 1, &t)) continue;
    w->weights.form = (es_packed){.rows = t.dim[0],
                                  .cols = t.dim[1],
                                  .width = widths[i],
                                  .bf16 = t.bf16,
                                  .transposed = column || from->stride[1] != 1};
    return true;
  }
  return false;
}

es_status es_conv_algo_rooms(es_conv_algo *w, const es_prim_tensor *from, int count) {
  const es_prim_tensor to = es_conv_algo_like(w->prim[0]);
  if (!in_packed_form(w, from))
    ES_TRY(es_prim_reorder(es_conv_algo_engine(w->backend), from, &to, false,
                           &w->weights.pack));
  const size_t bytes = es_prim_bytes(w->prim[0], 1) * (size_t) count;
  const bool few = w->n * es_blas_pixels(w->desc.out) <= FEW;
  w->weights.bytes = bytes;
  if (w->pass != ES_DATA || (few && es_onednn_updates_whole(w->backend)))
    return es_blas_alloc(w->backend, bytes, "packed weights", &w->weights.own);
  return es_onednn_reserve_packed(w->backend, bytes);
}

es_status es_conv_algo_room(es_conv_algo *w, const es_prim_tensor *from) {
  return es_conv_algo_rooms(w, from, 1);
}

void *es_conv_algo_packed(const es_conv_algo *w) {
  const es_onednn *s = w->backend->impl;
  if (w->weights.from_node) return w->weights.node;
  return w->weights.own != NULL ? w->weights.own : s->packed;
}

es_status es_conv_algo_pack(es_conv_algo *w, const float *from) {
  const es_packed *const form = &w->weights.form;
  if (form->width == 0)
    return es_prim_run(w->weights.pack, from, NULL, es_conv_algo_packed(w));
  es_packed_pack(form, w->backend->threads, from, es_conv_algo_packed(w));
  return ES_OK;
}

es_status es_conv_algo_products(es_conv_algo *w, int64_t rows, int64_t in, int64_t out,
                                bool add) {
  es_prim_engine *e = es_conv_algo_engine(w->backend);
  const bool bf16 = es_onednn_bf16(&w->desc);
  const es_prim_tensor x = es_conv_algo_matrix(rows, in, in, bf16);
  const es_prim_tensor y = es_conv_algo_matrix(rows, out, out, bf16);
  const es_prim_tensor plain = es_conv_algo_matrix(out, in, in, false);
  if (w->pass == ES_WEIGHTS) {
    const es_prim_tensor dy = es_conv_algo_transposed(y);
    ES_TRY(es_prim_matmul(e, &dy, &x, &plain, false, &w->prim[0]));
    return add ? es_prim_matmul(e, &dy, &x, &plain, true, &w->prim[1]) : ES_OK;
  }
  const bool forward = w->pass == ES_FORWARD;
  const es_prim_tensor from = forward ? es_conv_algo_transposed(plain) : plain;
  const es_prim_tensor *left = forward ? &x : &y, *result = forward ? &y : &x;
  es_prim_tensor packed = es_conv_algo_free(from);
  packed.bf16 = bf16;
  ES_TRY(es_prim_matmul(e, left, &packed, result, false, &w->prim[0]));
  packed = es_conv_algo_like(w->prim[0]);
  if (add) ES_TRY(es_prim_matmul(e, left, &packed, result, true, &w->prim[1]));
  return es_conv_algo_room(w, &from);
}

/** Do its threads pack strips? */
static bool by_strips(const es_conv_algo *w) {
  return w->weights.form.width > 0 && (w->ops->strip != NULL || w->ops->load == NULL);
}

int64_t es_conv_algo_strips(const es_conv_algo *w) {
  const es_packed *const form = &w->weights.form;
  if (!by_strips(w)) return 0;
  const int64_t rows = form->transposed ? form->cols : form->rows;
  return (rows + es_packed_strip(form) - 1) / es_packed_strip(form);
}

int es_conv_algo_strip_rows(const es_conv_algo *w) {
  return by_strips(w) && w->ops->strip == NULL ? es_packed_strip(&w->weights.form) : 0;
}

void es_conv_algo_pack_strips(const es_conv_algo *w, const float *weights, int64_t first,
                              int64_t end, void *room) {
  const es_packed *const form = &w->weights.form;
  const int64_t length = form->transposed ? form->rows : form->cols;
  for (int64_t s = first; s < end; s++) {
    const int64_t row = s * es_packed_strip(form);
    if (w->ops->strip != NULL)
      w->ops->strip(w, weights, row, room);
    else
      es_packed_put(form, row, weights + row * length, es_conv_algo_packed(w));
  }
}

/** By one algorithm; rows and columns are padded to at most 64. */
static size_t bytes_packed(const es_conv_algo_ops *ops, const es_op_desc *d,
                           es_pass pass) {
  const es_conv_matrices layer = {d->window.k * d->window.k, d->out.c, d->in.c};
  const es_conv_matrices m = ops->matrices != NULL ? ops->matrices(d, pass) : layer;
  return (size_t) (m.count * up64(m.rows) * up64(m.cols)) * es_onednn_size(d);
}

size_t es_conv_algo_most_packed(const es_op_desc *d) {
  const es_conv_algo_ops *const *list;
  const size_t n = es_conv_algo_list(&list);
  size_t bytes = 0;
  for (int pass = 0; pass < ES_PASSES; pass++) {
    size_t most = 0;
    if (pass == ES_WEIGHTS || (pass == ES_DATA && !d->need_dx)) continue;
    for (size_t i = 0; i < n; i++)
      if (list[i]->fits(d, (es_pass) pass) &&
          bytes_packed(list[i], d, (es_pass) pass) > most)
        most = bytes_packed(list[i], d, (es_pass) pass);
    bytes += most;
  }
  return bytes;
}

es_status es_conv_algo_pack_whole(es_conv_algo *w, const float *weights) {
  const int64_t strips = es_conv_algo_strips(w);
  const int most = w->backend->threads, threads = strips < most ? (int) strips : most;
  char *const room = es_onednn_scratch(w->backend);
  if (strips == 0)
    return w->ops->load != NULL ? w->ops->load(w, weights)
                                : es_conv_algo_pack(w, weights);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; t++)
    es_conv_algo_pack_strips(w, weights, strips * t / threads, strips * (t + 1) / threads,
                             room + (size_t) t * w->weights.room);
  return ES_OK;
}

es_status es_conv_algo_ready(es_conv_algo *w, const float *weights, int64_t version) {
  es_onednn *const s = w->backend->impl;
  es_conv_weights *const p = &w->weights;
  if (w->pass == ES_WEIGHTS) return ES_OK;
  p->from_node = p->node != NULL && version != 0 && p->node_version == version;
  if (p->from_node) return ES_OK;
  const bool loaded = p->own != NULL || s->packed_by == w;
  if (loaded && version != 0 && p->version == version) return ES_OK;
  if (p->own == NULL) s->packed_by = NULL; /* until it is done */
  ES_TRY(es_conv_algo_pack_whole(w, weights));
  if (p->own == NULL) s->packed_by = w;
  p->version = version;
  return ES_OK;
}

void es_conv_algo_destroy(es_conv_algo **w) {
  if (*w == NULL) return;
  es_backend *b = (*w)->backend;
  es_onednn *s = b->impl;
  if (s->packed_by == *w) s->packed_by = NULL;
  if ((*w)->weights.node != NULL) es_onednn_node_remove(b, *w);
  es_prim_destroy(&(*w)->prim[0]);
  es_prim_destroy(&(*w)->prim[1]);
  for (int i = 0; i < 2 * ((*w)->team.threads - 1); i++)
    es_prim_destroy(&(*w)->team.others[i]);
  void *others = (*w)->team.others;
  es_blas_release(b, &others);
  es_prim_destroy(&(*w)->weights.pack);
  for (int i = 0; i < 2; i++) es_prim_destroy(&(*w)->move[i]);
  es_blas_release(b, &(*w)->weights.own);
  void *p = *w;
  es_blas_release(b, &p);
  *w = NULL;
}

es_prim_tensor es_conv_algo_matrix(int64_t rows, int64_t cols, int64_t ld, bool bf16) {
  return (es_prim_tensor){.n = 2, .dim = {rows, cols}, .stride = {ld, 1}, .bf16 = bf16};
}

es_prim_tensor es_conv_algo_transposed(es_prim_tensor m) {
  es_prim_tensor t = m;
  t.dim[0] = m.dim[1];
  t.dim[1] = m.dim[0];
  t.stride[0] = m.stride[1];
  t.stride[1] = m.stride[0];
  return t;
}

es_prim_tensor es_conv_algo_free(es_prim_tensor t) {
  t.free = true;
  return t;
}

es_prim_tensor es_conv_algo_like(const es_prim *p) {
  return (es_prim_tensor){.like = p, .arg = 1};
}

es_prim_tensor es_conv_algo_activation(es_shape s, int n, bool bf16) {
  const int64_t c = s.c, h = s.h, w = s.w;
  return (es_prim_tensor){
      .n = 4, .dim = {n, c, h, w}, .stride = {h * w * c, 1, w * c, c}, .bf16 = bf16};
}

es_prim_tensor es_conv_algo_weights(const es_op_desc *d) {
  const int64_t o = d->out.c, i = d->in.c, k = d->window.k;
  return (es_prim_tensor){
      .n = 4, .dim = {o, i, k, k}, .stride = {i * k * k, k * k, k, 1}};
}

/** Padding below and to the right: what the last position needs, and no more. */
static int padding_after(const es_op_desc *d, int size, int positions) {
  return (positions - 1) * d->window.stride + d->window.k - size - d->window.pad;
}

void es_conv_algo_padding(const es_op_desc *d, int pad[4]) {
  pad[0] = pad[1] = d->window.pad;
  pad[2] = padding_after(d, d->in.h, d->out.h);
  pad[3] = padding_after(d, d->in.w, d->out.w);
}
