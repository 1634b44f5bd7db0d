/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_direct.c  The library's own convolution on channels-last
 *  activations. */
#include "conv_algo.h"

/* Not for 1x1 with a stride, where oneDNN 2.6's weight gradient writes past its buffers
   if
 * the channels are no multiple of the vector block: that is a product of gathered rows.
 * */
static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV && (d->window.k > 1 || d->window.stride == 1);
}

static size_t input_bytes(const es_conv_algo *w) {
  const es_shape s = w->desc.in;
  return (size_t) w->n * (size_t) s.c * (size_t) s.h * (size_t) s.w *
         es_onednn_size(&w->desc);
}

static es_status make(es_conv_algo *w) {
  const es_op_desc *d = &w->desc;
  es_prim_engine *e = es_conv_algo_engine(w->backend);
  const bool bf16 = es_onednn_bf16(&w->desc);
  const es_prim_tensor plain = es_conv_algo_weights(d);
  es_prim_conv_desc conv = {.pass = w->pass,
                            .x = es_conv_algo_activation(d->in, w->n, bf16),
                            .w = es_conv_algo_free(plain),
                            .y = es_conv_algo_activation(d->out, w->n, bf16),
                            .stride = d->window.stride};
  es_conv_algo_padding(d, conv.pad);
  conv.w.bf16 = bf16 && w->pass != ES_WEIGHTS;
  ES_TRY(es_prim_conv(e, &conv, &w->prim[0]));
  if (w->pass == ES_DATA) ES_TRY(es_onednn_reserve(w->backend, input_bytes(w)));
  if (w->pass != ES_WEIGHTS) return es_conv_algo_room(w, &plain);
  const es_prim_tensor from = {.like = w->prim[0], .arg = 2};
  ES_TRY(es_onednn_reserve(w->backend, es_prim_bytes(w->prim[0], 2)));
  ES_TRY(es_prim_reorder(e, &from, &plain, false, &w->move[0]));
  return es_prim_reorder(e, &from, &plain, true, &w->move[1]);
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  es_backend *b = w->backend;
  void *scratch = es_onednn_scratch(b);
  if (w->pass == ES_FORWARD)
    return es_prim_run(w->prim[0], a->x, es_conv_algo_packed(w), a->y);
  if (w->pass == ES_WEIGHTS) {
    ES_TRY(es_prim_run(w->prim[0], a->x, a->dy, scratch));
    return es_prim_run(w->move[!a->param.set_dw], scratch, NULL, a->param.dw);
  }
  if (!a->add_dx) return es_prim_run(w->prim[0], a->dy, es_conv_algo_packed(w), a->dx);
  ES_TRY(es_prim_run(w->prim[0], a->dy, es_conv_algo_packed(w), scratch));
  es_onednn_add(b->threads, es_onednn_bf16(&w->desc),
                (int64_t) (input_bytes(w) / es_onednn_size(&w->desc)), scratch, a->dx);
  return ES_OK;
}

const es_conv_algo_ops es_conv_algo_direct = {.name = "direct",
                                              .doc = "oneDNN's convolution",
                                              .fits = fits,
                                              .size = sizeof(es_conv_algo),
                                              .make = make,
                                              .run = run};
