/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_pool.c  Maximum over windows, and global mean; f32 or bf16.
 *
 *  Both gather: every element of the result is added up in f32 and written once. */
#include "onednn_state.h"
#include "onednn_type.h"

/* --- maximum ------------------------------------------------------------------------ */

/* The plan's work space: unsigned char winner [max_n, oh, ow, bytes_of(c)], the tap that
 * won. */

enum { MOST = 15 * 15 }; /* taps of a window */

/** Winners of a pixel: whole vectors. */
static int64_t bytes_of(int c) {
  return (c + ES_LANES - 1) / ES_LANES * ES_LANES;
}

/** Pixels connected with one: the taps of an output inside the map, or the outputs whose
 *  windows contain an input. */
typedef struct links {
  int n;
  int64_t pixel[MOST]; /**< in the image */
  unsigned tap[MOST];
} links;

static void add_link(links *m, int64_t pixel, int tap) {
  m->pixel[m->n] = pixel;
  m->tap[m->n++] = (unsigned) tap;
}

static void taps_of_output(const es_op_desc *d, int y, int x, links *m) {
  const int top = y * d->window.stride - d->window.pad,
            left = x * d->window.stride - d->window.pad;
  m->n = 0;
  for (int ky = 0; ky < d->window.k; ky++)
    for (int kx = 0; kx < d->window.k; kx++) {
      const int iy = top + ky, ix = left + kx;
      if (iy < 0 || iy >= d->in.h || ix < 0 || ix >= d->in.w) continue;
      add_link(m, (int64_t) iy * d->in.w + ix, ky * d->window.k + kx);
    }
}

static void outputs_of_input(const es_op_desc *d, int y, int x, links *m) {
  const int last_y = (y + d->window.pad) / d->window.stride,
            last_x = (x + d->window.pad) / d->window.stride;
  m->n = 0;
  for (int oy = last_y;
       oy >= 0 && y + d->window.pad - oy * d->window.stride < d->window.k; oy--)
    for (int ox = last_x;
         ox >= 0 && x + d->window.pad - ox * d->window.stride < d->window.k; ox--) {
      if (oy >= d->out.h || ox >= d->out.w) continue;
      const int ky = y + d->window.pad - oy * d->window.stride,
                kx = x + d->window.pad - ox * d->window.stride;
      add_link(m, (int64_t) oy * d->out.w + ox, ky * d->window.k + kx);
    }
}

/** The first of equals wins, as in PyTorch; a NaN wins over all. */
ES_BODY void max_vector(const links *m, int width, const void *x, int64_t c, const int n,
                        void *y, unsigned char *winner, const bool bf16) {
  es_vec best = es_get(bf16, x, m->pixel[0] * width + c, n);
  es_words won = (es_words){0} + m->tap[0];
  for (int i = 1; i < m->n; i++) {
    const es_vec v = es_get(bf16, x, m->pixel[i] * width + c, n);
    const es_ints wins = (v > best) | (v != v);
    best = (es_vec) ((wins & (es_ints) v) | (~wins & (es_ints) best));
    won = ((es_words) wins & m->tap[i]) | (~(es_words) wins & won);
  }
  es_put(bf16, y, c, best, n);
  es_put_bytes(winner + c, won);
}

static es_status max_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const es_op_desc *d = &op->desc;
  const bool bf16 = es_onednn_bf16(&op->desc);
  const int c_all = d->in.c, rows = a->n * d->out.h;
  const int64_t in = es_blas_pixels(d->in) * c_all;
  unsigned char *winners = ((es_blas_op *) op)->work;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int r = 0; r < rows; r++) {
    const void *x = es_from(bf16, a->x, r / d->out.h * in);
    for (int ox = 0; ox < d->out.w; ox++) {
      const int64_t pixel = (int64_t) r * d->out.w + ox;
      void *y = es_to(bf16, a->y, pixel * c_all);
      unsigned char *winner = winners + pixel * bytes_of(c_all);
      links m;
      taps_of_output(d, r % d->out.h, ox, &m);
      ES_EITHER_TYPE(
          bf16, ES_BY_VECTORS(0, c_all, max_vector(&m, c_all, x, c, N, y, winner, T)));
    }
  }
  return ES_OK;
}

/** dx [+]= the dy of the outputs that this input won. */
ES_BODY void max_back_vector(const links *m, int width, const void *dy,
                             const unsigned char *winner, int64_t c, const int n,
                             bool add, void *dx, const bool bf16) {
  es_vec sum = add ? es_get(bf16, dx, c, n) : (es_vec){0};
  for (int i = 0; i < m->n; i++) {
    const es_words won = es_get_bytes(winner + m->pixel[i] * bytes_of(width) + c);
    const es_vec g = es_get(bf16, dy, m->pixel[i] * width + c, n);
    sum += es_where(won == m->tap[i], g);
  }
  es_put(bf16, dx, c, sum, n);
}

static es_status max_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const es_op_desc *d = &op->desc;
  if (!d->need_dx) return ES_OK;
  const bool bf16 = es_onednn_bf16(&op->desc), add = a->add_dx;
  const int c_all = d->in.c, rows = a->n * d->in.h;
  const int64_t out = es_blas_pixels(d->out);
  const unsigned char *winners = ((es_blas_op *) op)->work;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int r = 0; r < rows; r++) {
    const int64_t image = r / d->in.h;
    const void *dy = es_from(bf16, a->dy, image * out * c_all);
    const unsigned char *winner = winners + image * out * bytes_of(c_all);
    for (int x = 0; x < d->in.w; x++) {
      void *dx = es_to(bf16, a->dx, ((int64_t) r * d->in.w + x) * c_all);
      links m;
      outputs_of_input(d, r % d->in.h, x, &m);
      ES_EITHER_TYPE(
          bf16, ES_BY_VECTORS(0, c_all,
                              max_back_vector(&m, c_all, dy, winner, c, N, add, dx, T)));
    }
  }
  return ES_OK;
}

es_status es_onednn_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op) {
  const int64_t out = es_blas_pixels(d->out);
  const size_t winners = (size_t) d->max_n * (size_t) (out * bytes_of(d->in.c));
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), winners, op));
  (*op)->forward = max_forward;
  (*op)->backward = max_backward;
  (*op)->flops = (double) out * d->in.c * d->window.k * d->window.k;
  return ES_OK;
}

/* --- mean --------------------------------------------------------------------------- */

enum { RUN = 64 }; /* pixels added up at a time, so that no sum has many terms */

ES_BODY void mean_vector(int64_t pixels, int width, const void *x, int64_t c, const int n,
                         void *y, const bool bf16) {
  es_vec total = {0};
  for (int64_t first = 0; first < pixels; first += RUN) {
    const int64_t end = first + RUN < pixels ? first + RUN : pixels;
    es_vec sum = {0};
    for (int64_t p = first; p < end; p++) sum += es_get(bf16, x, p * width + c, n);
    total += sum;
  }
  es_put(bf16, y, c, total / (float) pixels, n);
}

static es_status mean_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const int width = op->desc.in.c;
  const int64_t pixels = es_blas_pixels(op->desc.in);
  const bool bf16 = es_onednn_bf16(&op->desc);
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int i = 0; i < a->n; i++) {
    const void *x = es_from(bf16, a->x, i * pixels * width);
    void *y = es_to(bf16, a->y, (int64_t) i * width);
    ES_EITHER_TYPE(bf16,
                   ES_BY_VECTORS(0, width, mean_vector(pixels, width, x, c, N, y, T)));
  }
  return ES_OK;
}

ES_BODY void spread(int width, float share, const void *dy, bool add, void *dx,
                    const bool bf16) {
  ES_BY_VECTORS(0, width, {
    const es_vec g = share * es_get(bf16, dy, c, N);
    es_put(bf16, dx, c, add ? es_get(bf16, dx, c, N) + g : g, N);
  });
}

static es_status mean_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const int width = op->desc.in.c;
  const int64_t pixels = es_blas_pixels(op->desc.in);
  const bool bf16 = es_onednn_bf16(&op->desc), add = a->add_dx;
  const float share = 1.0f / (float) pixels;
#pragma omp parallel for num_threads(op->backend->threads) schedule(static)
  for (int64_t p = 0; p < a->n * pixels; p++) {
    const void *dy = es_from(bf16, a->dy, p / pixels * width);
    void *dx = es_to(bf16, a->dx, p * width);
    ES_EITHER_TYPE(bf16, spread(width, share, dy, add, dx, T));
  }
  return ES_OK;
}

es_status es_onednn_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), 0, op));
  (*op)->forward = mean_forward;
  (*op)->backward = mean_backward;
  (*op)->flops = (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
