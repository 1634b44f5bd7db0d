/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_winograd.c  3x3 convolutions of stride 1 in f32 with fewer products,
 *  by polynomial interpolation on tiles (Winograd 1980; Lavin, Gray 2016); the library's.
 *
 *  It needs layouts of its own, so activations are copied in and out; where maps are
 *  large and channels few, that pays. Rounding is a few times that of the direct sum. */
#include "conv_algo.h"

enum { LINE = 64 };

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV && d->window.k == 3 && d->window.stride == 1 &&
         d->in.h >= 4;
}

static size_t lines(size_t bytes) {
  return (bytes + LINE - 1) / LINE * LINE;
}

/** The place of argument i of the primitive in the scratch. */
static void *place(const es_conv_algo *w, int i) {
  size_t at = 0;
  for (int j = 0; j < i; j++) at += lines(es_prim_bytes(w->prim[0], j));
  return (char *) es_onednn_scratch(w->backend) + at;
}

static es_status move(es_conv_algo *w, es_prim_engine *e, int i,
                      const es_prim_tensor *plain, int arg, bool back, bool add) {
  const es_prim_tensor own = {.like = w->prim[0], .arg = arg};
  return back ? es_prim_reorder(e, &own, plain, add, &w->move[i])
              : es_prim_reorder(e, plain, &own, add, &w->move[i]);
}

static es_status make(es_conv_algo *w) {
  const es_op_desc *d = &w->desc;
  if (es_onednn_bf16(&w->desc)) return ES_ENOTSUP;
  es_prim_engine *e = es_conv_algo_engine(w->backend);
  const es_prim_tensor x = es_conv_algo_activation(d->in, w->n, false);
  const es_prim_tensor y = es_conv_algo_activation(d->out, w->n, false);
  const es_prim_tensor weights = es_conv_algo_weights(d);
  es_prim_conv_desc conv = {.pass = w->pass,
                            .method = ES_PRIM_WINOGRAD,
                            .x = es_conv_algo_free(x),
                            .w = es_conv_algo_free(weights),
                            .y = es_conv_algo_free(y),
                            .stride = 1};
  es_conv_algo_padding(d, conv.pad);
  ES_TRY(es_prim_conv(e, &conv, &w->prim[0]));
  size_t bytes = 0;
  for (int i = 0; i < 3; i++) bytes += lines(es_prim_bytes(w->prim[0], i));
  ES_TRY(es_onednn_reserve(w->backend, bytes));
  if (w->pass == ES_WEIGHTS) {
    ES_TRY(move(w, e, 0, &x, 0, false, false));
    ES_TRY(move(w, e, 1, &y, 1, false, false));
    const es_prim_tensor own = {.like = w->prim[0], .arg = 2};
    ES_TRY(es_prim_reorder(e, &own, &weights, false, &w->pack));
    return move(w, e, 2, &weights, 2, true, true);
  }
  const bool forward = w->pass == ES_FORWARD;
  ES_TRY(move(w, e, 0, forward ? &x : &y, 0, false, false));
  ES_TRY(move(w, e, 1, forward ? &y : &x, 2, true, false));
  if (!forward) ES_TRY(move(w, e, 2, &x, 2, true, true));
  return es_conv_algo_room(w, &weights);
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  void *first = place(w, 0), *second = place(w, 1), *third = place(w, 2);
  if (w->pass == ES_WEIGHTS) {
    ES_TRY(es_prim_run(w->move[0], a->x, NULL, first));
    ES_TRY(es_prim_run(w->move[1], a->dy, NULL, second));
    ES_TRY(es_prim_run(w->prim[0], first, second, third));
    return es_prim_run(a->param.set_dw ? w->pack : w->move[2], third, NULL, a->param.dw);
  }
  const bool forward = w->pass == ES_FORWARD;
  ES_TRY(es_prim_run(w->move[0], forward ? a->x : a->dy, NULL, first));
  ES_TRY(es_prim_run(w->prim[0], first, es_conv_algo_packed(w), third));
  return es_prim_run(w->move[!forward && a->add_dx ? 2 : 1], third, NULL,
                     forward ? a->y : a->dx);
}

const es_conv_algo_ops es_conv_algo_winograd = {
    .name = "winograd",
    .doc = "fewer multiplications, f32, 3x3 of stride 1",
    .fits = fits,
    .size = sizeof(es_conv_algo),
    .make = make,
    .run = run};
