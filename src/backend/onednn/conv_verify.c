/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_verify.c  Sampled check of a convolution (conv_verify.h).
 *
 *  Data are multiples of 1/8 from -1 to 7/8, which bf16 holds too, so that products are
 *  exact, as points of `winograd-tiles` in bf16 are, and a sum of K of them errs by its
 *  rounding alone. Of the result, numbers at random places are summed from the
 *  definition in double, half of them in the last channels and at the last positions:
 *  there the tails of vector blocks are. */
#include <math.h>
#include <string.h>
#include "conv_verify.h"
#include "eigenstep/rng.h"

enum { SAMPLES = 48, MARGIN = 4096, SEED = 29, PATTERN = 0x5a };

/** One operand with a margin before and after it. */
typedef struct area {
  char *all, *at; /* all: owned */
  size_t bytes;
} area;

/** Operands of a pass. x and y in f32 as well, for the sums. */
typedef struct check {
  es_conv_algo *w;
  es_rng rng;
  area x, y, dw; /* activations of the input's and output's shape; weights' gradient */
  float *wide_x, *wide_y, *weights; /* owned */
} check;

static es_status make_area(es_backend *b, size_t bytes, area *a) {
  void *p = NULL;
  ES_TRY(es_blas_alloc(b, bytes + 2 * MARGIN, "check of a convolution", &p));
  memset(p, PATTERN, bytes + 2 * MARGIN);
  *a = (area){.all = p, .at = (char *) p + MARGIN, .bytes = bytes};
  return ES_OK;
}

static bool intact(const char *at) {
  for (int i = 0; i < MARGIN; i++)
    if (at[i] != PATTERN) return false;
  return true;
}

static bool margins_intact(const area *a) {
  return intact(a->all) && intact(a->at + a->bytes);
}

/** Four bits of a random number make a value. */
static void draw(es_rng *r, int64_t n, float *x) {
  uint32_t bits = 0;
  for (int64_t i = 0; i < n; i++, bits >>= 4) {
    if (i % 8 == 0) bits = es_rng_u32(r);
    x[i] = (float) (bits & 15) / 8 - 1;
  }
}

static int64_t size_of(es_shape s, int n) {
  return (int64_t) n * s.c * s.h * s.w;
}

static int64_t weights_of(const es_op_desc *d) {
  return (int64_t) d->out.c * d->in.c * d->window.k * d->window.k;
}

static void release(check *c) {
  es_backend *const b = c->w->backend;
  void *owned[] = {c->x.all, c->y.all, c->dw.all, c->wide_x, c->wide_y, c->weights};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
    if (owned[i] != NULL) es_blas_release(b, &owned[i]);
}

static es_status wide(es_backend *b, int64_t n, float **x) {
  void *p = NULL;
  ES_TRY(es_blas_alloc(b, (size_t) n * sizeof **x, "check of a convolution", &p));
  *x = p;
  return ES_OK;
}

static es_status prepare(check *c) {
  es_conv_algo *const w = c->w;
  es_backend *const b = w->backend;
  const es_op_desc *const d = &w->desc;
  const bool bf16 = es_onednn_bf16(d);
  const int64_t in = size_of(d->in, w->n), out = size_of(d->out, w->n);
  ES_TRY(make_area(b, (size_t) in * es_onednn_size(d), &c->x));
  ES_TRY(make_area(b, (size_t) out * es_onednn_size(d), &c->y));
  ES_TRY(make_area(b, (size_t) weights_of(d) * sizeof(float), &c->dw));
  ES_TRY(wide(b, in, &c->wide_x));
  ES_TRY(wide(b, out, &c->wide_y));
  ES_TRY(wide(b, weights_of(d), &c->weights));
  draw(&c->rng, in, c->wide_x);
  draw(&c->rng, out, c->wide_y);
  draw(&c->rng, weights_of(d), c->weights);
  if (w->pass != ES_DATA) es_onednn_narrow(b->threads, bf16, in, c->wide_x, c->x.at);
  if (w->pass != ES_FORWARD) es_onednn_narrow(b->threads, bf16, out, c->wide_y, c->y.at);
  return ES_OK;
}

/** A place of 0 .. n - 1: any, or with `edge` the last or one of the last few. */
static int place(es_rng *r, int n, bool edge) {
  if (!edge) return (int) es_rng_below(r, (uint64_t) n);
  const int few = n < 16 ? n : 16;
  return n - 1 - (int) es_rng_below(r, (uint64_t) few);
}

/** Element of activations, channels last; 0 outside of the map. */
static double act(const float *x, es_shape s, int64_t i, int row, int col, int channel) {
  if (row < 0 || col < 0 || row >= s.h || col >= s.w) return 0;
  return (double) x[((i * s.h + row) * s.w + col) * s.c + channel];
}

static double weight(const check *c, int o, int in, int row, int col) {
  const es_op_desc *const d = &c->w->desc;
  const int k = d->window.k;
  return (double) c->weights[(((int64_t) o * d->in.c + in) * k + row) * k + col];
}

/** y at a place: sum over taps and input channels. */
static double forward_at(const check *c, int64_t i, int row, int col, int o) {
  const es_op_desc *const d = &c->w->desc;
  const es_window v = d->window;
  double sum = 0;
  for (int a = 0; a < v.k; a++)
    for (int b = 0; b < v.k; b++)
      for (int ch = 0; ch < d->in.c; ch++)
        sum +=
            weight(c, o, ch, a, b) * act(c->wide_x, d->in, i, row * v.stride + a - v.pad,
                                         col * v.stride + b - v.pad, ch);
  return sum;
}

/** dx at a place: sum over the taps that see it, and output channels. */
static double data_at(const check *c, int64_t i, int row, int col, int in) {
  const es_op_desc *const d = &c->w->desc;
  const es_window v = d->window;
  double sum = 0;
  for (int a = 0; a < v.k; a++)
    for (int b = 0; b < v.k; b++) {
      const int y = row + v.pad - a, x = col + v.pad - b;
      if (y % v.stride != 0 || x % v.stride != 0) continue;
      for (int o = 0; o < d->out.c; o++)
        sum += weight(c, o, in, a, b) *
               act(c->wide_y, d->out, i, y / v.stride, x / v.stride, o);
    }
  return sum;
}

/** dw of a tap: sum over positions of all images. */
static double weights_at(const check *c, int o, int in, int a, int b) {
  const es_op_desc *const d = &c->w->desc;
  const es_window v = d->window;
  double sum = 0;
  for (int64_t i = 0; i < c->w->n; i++)
    for (int row = 0; row < d->out.h; row++)
      for (int col = 0; col < d->out.w; col++)
        sum += act(c->wide_y, d->out, i, row, col, o) *
               act(c->wide_x, d->in, i, row * v.stride + a - v.pad,
                   col * v.stride + b - v.pad, in);
  return sum;
}

/** Round-off of a sum of `terms` products of about 1/4, and of bf16. */
static bool agrees(const check *c, double terms, double got, double want) {
  const bool rounded = es_onednn_bf16(&c->w->desc) && c->w->pass != ES_WEIGHTS;
  const double noise = (rounded ? 1e-2 : 1e-3) * (sqrt(terms) + fabs(want));
  return fabs(got - want) <= noise;
}

static bool activation_right(check *c, bool edge, const float *got, es_shape s,
                             double terms) {
  const int64_t i = place(&c->rng, c->w->n, edge);
  const int row = place(&c->rng, s.h, edge), col = place(&c->rng, s.w, edge);
  const int channel = place(&c->rng, s.c, edge);
  const double want = c->w->pass == ES_FORWARD ? forward_at(c, i, row, col, channel)
                                               : data_at(c, i, row, col, channel);
  return agrees(c, terms, act(got, s, i, row, col, channel), want);
}

static bool weight_right(check *c, bool edge) {
  const es_op_desc *const d = &c->w->desc;
  const int k = d->window.k, o = place(&c->rng, d->out.c, edge);
  const int in = place(&c->rng, d->in.c, edge), a = place(&c->rng, k, edge);
  const int b = place(&c->rng, k, edge);
  const double terms = (double) size_of(d->out, c->w->n) / d->out.c;
  const float *const got = (const float *) (const void *) c->dw.at;
  return agrees(c, terms, (double) got[(((int64_t) o * d->in.c + in) * k + a) * k + b],
                weights_at(c, o, in, a, b));
}

static bool result_right(check *c) {
  const es_conv_algo *const w = c->w;
  const es_op_desc *const d = &w->desc;
  const bool forward = w->pass == ES_FORWARD, bf16 = es_onednn_bf16(d);
  const es_shape s = forward ? d->out : d->in;
  const double terms =
      (double) (forward ? d->in.c : d->out.c) * d->window.k * d->window.k;
  float *const got = forward ? c->wide_y : c->wide_x; /* not an operand of this pass */
  bool right = margins_intact(&c->x) && margins_intact(&c->y) && margins_intact(&c->dw);
  if (w->pass != ES_WEIGHTS)
    es_onednn_widen(w->backend->threads, bf16, size_of(s, w->n),
                    forward ? c->y.at : c->x.at, got);
  for (int i = 0; i < SAMPLES && right; i++)
    right = w->pass == ES_WEIGHTS ? weight_right(c, i % 2)
                                  : activation_right(c, i % 2, got, s, terms);
  return right;
}

static es_status run(check *c, bool *right) {
  es_conv_algo *const w = c->w;
  es_backend *const b = w->backend;
  const size_t before = ((const es_onednn *) b->impl)->scratch_size;
  const es_op_args a = {.n = w->n,
                        .groups = 1,
                        .x = c->x.at,
                        .y = c->y.at,
                        .dx = c->x.at,
                        .dy = c->y.at,
                        .param.w = c->weights,
                        .param.dw = (float *) (void *) c->dw.at,
                        .param.set_dw = true};
  ES_TRY(es_onednn_reserve(b, before + MARGIN));
  char *const behind = (char *) es_onednn_scratch(b) + before;
  memset(behind, PATTERN, MARGIN);
  ES_TRY(es_conv_algo_ready(w, c->weights, 0));
  ES_TRY(w->ops->run(w, &a));
  *right = intact(behind) && result_right(c);
  return ES_OK;
}

void es_conv_report_wrong(const es_conv_algo *w) {
  const es_op_desc *const d = &w->desc;
  static const char *const names[ES_PASSES] = {"forward pass", "data gradient",
                                               "weight gradient"};
  char library[96];
  es_prim_engine_name(library, sizeof library);
  es_warn_local("%s computes the %s of %d x %d x %d to %d, window %d, stride %d, wrongly "
                "by algorithm '%s': not used",
                library, names[w->pass], d->in.c, d->in.h, d->in.w, d->out.c, d->window.k,
                d->window.stride, w->ops->name);
}

es_status es_conv_verify(es_conv_algo *w, bool *right) {
  check c = {.w = w, .rng = es_rng_at(SEED, ES_STREAM_TEST, 0, 0)};
  es_status st = prepare(&c);
  if (st == ES_OK) st = run(&c, right);
  release(&c);
  return st;
}
