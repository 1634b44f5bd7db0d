/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_unrolled.c  Windows gathered into rows, then matrix products:
 *  forward   Y [M, O] = col(X) [M, K] P',      P [O, K] the weights, taps outermost
 *  weights   dP [O, K] = dY' col(X), then to dw
 *  data      stride 1: dX = col(dY) F, F [taps O, I] the weights rotated by 180
 *            degrees;
 *            else      dY P in f32, scattered back to the pixels.
 *  As many images at a time as keep the gathered rows near the caches. */
#include <string.h>
#include "conv_algo.h"

enum { COL_BYTES = 4 << 20 }; /* of gathered rows: they are read once, soon after */

typedef struct unrolled {
  es_conv_algo algo;
  es_blas_window x, dy; /**< over the input; over the output (stride 1) */
  int images;           /**< at a time; divides n */
  int64_t rows, k;      /**< of the gathered matrix, a time */
  size_t col_bytes;     /**< of it, rounded up to whole cache lines */
  bool scattered;       /**< data pass with a stride */
} unrolled;

static bool fits(const es_op_desc *d, es_pass pass) {
  (void) pass;
  return d->kind == ES_OP_CONV;
}

/** Largest divisor of n that is at most `most`. */
static int divisor(int n, int64_t most) {
  int best = 1;
  for (int i = 1; i <= n && i <= most; i++)
    if (n % i == 0) best = i;
  return best;
}

static void set_sizes(unrolled *u) {
  const es_op_desc *d = &u->algo.desc;
  es_blas_windows(d, &u->x, &u->dy);
  const int taps = u->x.kh * u->x.kw;
  const bool data = u->algo.pass == ES_DATA;
  u->scattered = data && d->window.stride > 1;
  const bool over_dy = data && !u->scattered;
  const es_shape at = over_dy ? d->in : d->out;
  const int64_t positions = es_blas_pixels(at);
  u->k = (int64_t) taps * (over_dy ? d->out.c : d->in.c);
  const size_t size = u->scattered ? sizeof(float) : es_onednn_size(&u->algo.desc);
  const size_t an_image = (size_t) (positions * u->k) * size;
  u->images = divisor(u->algo.n, (int64_t) (COL_BYTES / an_image));
  u->rows = u->images * positions;
  u->col_bytes = ((size_t) (u->rows * u->k) * size + 63) / 64 * 64;
}

/** The scratch: in `run` gathered rows and what follows them, in `load` the weights with
 *  taps outermost, and once more rotated. */
static size_t scratch_bytes(const unrolled *u) {
  const es_op_desc *d = &u->algo.desc;
  const size_t taps = (size_t) (u->x.kh * u->x.kw);
  const size_t weights = (size_t) d->out.c * taps * (size_t) d->in.c * sizeof(float);
  const size_t images =
      (size_t) u->images * (size_t) (es_blas_pixels(d->in) * d->in.c) * sizeof(float);
  const bool rotated = u->algo.pass == ES_DATA && !u->scattered;
  const size_t load = rotated ? 2 * weights : weights;
  if (u->algo.pass == ES_WEIGHTS) return u->col_bytes + weights;
  const size_t run = u->col_bytes + (u->scattered ? images : 0);
  return run > load ? run : load;
}

static es_status make_data(unrolled *u, es_prim_engine *e, bool bf16) {
  es_conv_algo *w = &u->algo;
  const es_op_desc *d = &w->desc;
  const int64_t in = d->in.c, out = d->out.c;
  if (u->scattered) { /* [rows, O] P [O, K] = f32 rows to scatter */
    const es_prim_tensor dy = es_conv_algo_matrix(u->rows, out, out, bf16);
    const es_prim_tensor col = es_conv_algo_matrix(u->rows, u->k, u->k, false);
    const es_prim_tensor p =
        es_conv_algo_free(es_conv_algo_matrix(out, u->k, u->k, bf16));
    const es_prim_tensor from = es_conv_algo_matrix(out, u->k, u->k, false);
    ES_TRY(es_prim_matmul(e, &dy, &p, &col, false, &w->prim[0]));
    return es_conv_algo_room(w, &from);
  }
  const es_prim_tensor col = es_conv_algo_matrix(u->rows, u->k, u->k, bf16);
  const es_prim_tensor dx = es_conv_algo_matrix(u->rows, in, in, bf16);
  const es_prim_tensor f = es_conv_algo_free(es_conv_algo_matrix(u->k, in, in, bf16));
  const es_prim_tensor from = es_conv_algo_matrix(u->k, in, in, false);
  ES_TRY(es_prim_matmul(e, &col, &f, &dx, false, &w->prim[0]));
  const es_prim_tensor same = es_conv_algo_like(w->prim[0]);
  ES_TRY(es_prim_matmul(e, &col, &same, &dx, true, &w->prim[1]));
  return es_conv_algo_room(w, &from);
}

static es_status make(es_conv_algo *w) {
  unrolled *u = (unrolled *) w;
  set_sizes(u);
  es_prim_engine *e = es_conv_algo_engine(w->backend);
  const bool bf16 = es_onednn_bf16(&w->desc);
  const int64_t out = w->desc.out.c;
  ES_TRY(es_onednn_reserve(w->backend, scratch_bytes(u)));
  if (w->pass == ES_DATA) return make_data(u, e, bf16);
  const es_prim_tensor col = es_conv_algo_matrix(u->rows, u->k, u->k, bf16);
  const es_prim_tensor y = es_conv_algo_matrix(u->rows, out, out, bf16);
  const es_prim_tensor plain = es_conv_algo_matrix(out, u->k, u->k, false);
  if (w->pass == ES_WEIGHTS) {
    const es_prim_tensor dy = es_conv_algo_transposed(y);
    ES_TRY(es_prim_matmul(e, &dy, &col, &plain, false, &w->prim[0]));
    if (u->images == w->n) return ES_OK;
    return es_prim_matmul(e, &dy, &col, &plain, true, &w->prim[1]);
  }
  es_prim_tensor p = es_conv_algo_free(es_conv_algo_transposed(plain));
  p.bf16 = bf16;
  const es_prim_tensor from = es_conv_algo_transposed(plain);
  ES_TRY(es_prim_matmul(e, &col, &p, &y, false, &w->prim[0]));
  return es_conv_algo_room(w, &from);
}

static es_status load(es_conv_algo *w, const float *weights) {
  const unrolled *u = (const unrolled *) w;
  const int threads = w->backend->threads;
  float *p = es_onednn_scratch(w->backend);
  es_blas_pack(&w->desc, &u->x, threads, weights, p);
  if (w->pass == ES_FORWARD || u->scattered) return es_conv_algo_pack(w, p);
  float *f = p + (int64_t) w->desc.out.c * u->x.kh * u->x.kw * w->desc.in.c;
  es_blas_rotate(&w->desc, &u->x, threads, p, f);
  return es_conv_algo_pack(w, f);
}

/** Element `i` of an activation. */
static char *element(const es_conv_algo *w, es_act x, int64_t i) {
  return (char *) x + (size_t) i * es_onednn_size(&w->desc);
}

static es_status run_weights(unrolled *u, const es_op_args *a) {
  es_conv_algo *w = &u->algo;
  const es_op_desc *d = &w->desc;
  const int threads = w->backend->threads;
  char *col = es_onednn_scratch(w->backend);
  float *dp = (float *) (void *) (col + u->col_bytes);
  for (int64_t first = 0; first < w->n / u->images * u->rows; first += u->rows) {
    es_blas_gather(&u->x, es_onednn_size(&w->desc), threads, a->x,
                   (es_blas_span){first, (int) u->rows}, col);
    ES_TRY(es_prim_run(w->prim[first > 0], element(w, a->dy, first * d->out.c), col, dp));
  }
  es_blas_unpack(d, &u->x, threads, dp, !a->param.set_dw, a->param.dw);
  return ES_OK;
}

/** dx of some images [+]= the rows scattered. In f32 in place, else through a copy. */
static void scatter(unrolled *u, const es_op_args *a, int64_t image) {
  es_conv_algo *w = &u->algo;
  const es_shape s = w->desc.in;
  const int64_t count = u->images * es_blas_pixels(s) * s.c;
  char *scratch = es_onednn_scratch(w->backend);
  const float *col = (const float *) (const void *) scratch;
  char *dx = element(w, a->dx, image * es_blas_pixels(s) * s.c);
  const bool bf16 = es_onednn_bf16(&w->desc);
  float *to = (float *) (void *) (bf16 ? scratch + u->col_bytes : dx);
  if (bf16 && a->add_dx) es_onednn_widen(w->backend->threads, bf16, count, dx, to);
  if (!a->add_dx) memset(to, 0, (size_t) count * sizeof *to);
  es_blas_scatter(&u->x, col, (es_blas_span){0, (int) u->rows}, to);
  if (bf16) es_onednn_narrow(w->backend->threads, bf16, count, to, dx);
}

static es_status run_data(unrolled *u, const es_op_args *a) {
  es_conv_algo *w = &u->algo;
  const es_op_desc *d = &w->desc;
  char *col = es_onednn_scratch(w->backend);
  for (int i = 0; i < w->n; i += u->images) {
    const int64_t first = i / u->images * u->rows;
    if (u->scattered) {
      ES_TRY(es_prim_run(w->prim[0], element(w, a->dy, first * d->out.c),
                         es_conv_algo_packed(w), col));
      scatter(u, a, i);
      continue;
    }
    es_blas_gather(&u->dy, es_onednn_size(&w->desc), w->backend->threads, a->dy,
                   (es_blas_span){first, (int) u->rows}, col);
    ES_TRY(es_prim_run(w->prim[a->add_dx], col, es_conv_algo_packed(w),
                       element(w, a->dx, first * d->in.c)));
  }
  return ES_OK;
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  unrolled *u = (unrolled *) w;
  if (w->pass == ES_WEIGHTS) return run_weights(u, a);
  if (w->pass == ES_DATA) return run_data(u, a);
  char *col = es_onednn_scratch(w->backend);
  for (int64_t first = 0; first < w->n / u->images * u->rows; first += u->rows) {
    es_blas_gather(&u->x, es_onednn_size(&w->desc), w->backend->threads, a->x,
                   (es_blas_span){first, (int) u->rows}, col);
    ES_TRY(es_prim_run(w->prim[0], col, es_conv_algo_packed(w),
                       element(w, a->y, first * w->desc.out.c)));
  }
  return ES_OK;
}

const es_conv_algo_ops es_conv_algo_unrolled = {
    .name = "unrolled",
    .doc = "windows gathered, then a matrix product",
    .fits = fits,
    .size = sizeof(unrolled),
    .make = make,
    .load = load,
    .run = run};
