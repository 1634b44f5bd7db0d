/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_product.c  A 1x1 convolution is a matrix product over all pixels:
 *  Y [M, O] = X [M, I] W',  dX [+]= dY W,  dW [+]= dY' X.
 *  With a stride, the pixels under the positions are gathered first, or scattered
 *  afterwards. */
#include <string.h>
#include "conv_algo.h"

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->window.k == 1 && d->window.pad == 0;
}

static int64_t rows_of(const es_op_desc *d, int n) {
  return (int64_t) n * d->out.h * d->out.w;
}

static es_status make(es_conv_algo *w) {
  const es_op_desc *d = &w->desc;
  es_backend *b = w->backend;
  const int64_t rows = rows_of(d, w->n);
  /* rows that are scattered are added while that is done */
  const bool add = w->pass == ES_WEIGHTS || (w->pass == ES_DATA && d->window.stride == 1);
  ES_TRY(es_conv_algo_products(w, rows, d->in.c, d->out.c, add));
  if (d->window.stride == 1) return ES_OK;
  return es_onednn_reserve(b, (size_t) (rows * d->in.c) * es_onednn_size(d));
}

/** Offset of the pixel under output row r (image, y, x), in pixels. */
static int64_t pixel_of(const es_op_desc *d, int64_t r) {
  const int64_t x = r % d->out.w, y = r / d->out.w % d->out.h;
  const int64_t image = r / d->out.w / d->out.h;
  return (image * d->in.h + y * d->window.stride) * d->in.w + x * d->window.stride;
}

static const void *gather(const es_conv_algo *w, const void *x) {
  const es_op_desc *d = &w->desc;
  if (d->window.stride == 1) return x;
  char *to = es_onednn_scratch(w->backend);
  const size_t bytes = (size_t) d->in.c * es_onednn_size(&w->desc);
  const int64_t rows = rows_of(d, w->n);
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int64_t r = 0; r < rows; r++)
    memcpy(to + (size_t) r * bytes, (const char *) x + (size_t) pixel_of(d, r) * bytes,
           bytes);
  return to;
}

/** dx [+]= rows, at the pixels under the positions; the others are 0. */
static void scatter(const es_conv_algo *w, const es_op_args *a) {
  const es_op_desc *d = &w->desc;
  const char *from = es_onednn_scratch(w->backend);
  const size_t bytes = (size_t) d->in.c * es_onednn_size(&w->desc);
  const int64_t rows = rows_of(d, w->n);
  char *dx = a->dx;
  if (!a->add_dx) memset(dx, 0, (size_t) w->n * d->in.h * d->in.w * bytes);
#pragma omp parallel for num_threads(w->backend->threads) schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    char *to = dx + (size_t) pixel_of(d, r) * bytes;
    if (a->add_dx)
      es_onednn_add(w->backend->threads, es_onednn_bf16(d), d->in.c,
                    from + (size_t) r * bytes, to);
    else
      memcpy(to, from + (size_t) r * bytes, bytes);
  }
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  if (w->pass == ES_FORWARD)
    return es_prim_run(w->prim[0], gather(w, a->x), es_conv_algo_packed(w), a->y);
  if (w->pass == ES_WEIGHTS)
    return es_prim_run(w->prim[!a->param.set_dw], a->dy, gather(w, a->x), a->param.dw);
  if (w->desc.window.stride == 1)
    return es_prim_run(w->prim[a->add_dx], a->dy, es_conv_algo_packed(w), a->dx);
  ES_TRY(es_prim_run(w->prim[0], a->dy, es_conv_algo_packed(w),
                     es_onednn_scratch(w->backend)));
  scatter(w, a);
  return ES_OK;
}

const es_conv_algo_ops es_conv_algo_product = {.name = "product",
                                               .doc = "1x1: one matrix product",
                                               .fits = fits,
                                               .size = sizeof(es_conv_algo),
                                               .make = make,
                                               .run = run};
