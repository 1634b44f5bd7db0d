/* SPDX-License-Identifier: BSD-3-Clause */
/** @file layer.c  Forms, counts and patches of a layer. */
#include "layer.h"

#include <string.h>

static int64_t pixels(es_shape s) {
  return (int64_t) s.h * s.w;
}

/* Gradients are computed anew for each block of other samples that comes round; a block
 * of few samples is the dearest. Counted as if there were two. */
enum { TIMES = 2 };

es_ntk_layer es_ntk_layer_in_form(const es_net_layer *l, es_ntk_form form) {
  const int64_t k = l->kind == ES_OP_CONV ? (int64_t) l->window.k * l->window.k : 1;
  es_ntk_layer p = {.of = *l,
                    .form = form,
                    .positions = pixels(l->out),
                    .patch = k * l->in.c + (l->bias ? 1 : 0),
                    .outputs = l->out.c,
                    .x_size = l->in.c * pixels(l->in),
                    .g_size = l->out.c * pixels(l->out)};
  const double weights = (double) p.patch * (double) p.outputs;
  const double s = (double) p.positions;
  if (form == ES_NTK_CONTRACTED) {
    p.pair = weights;
    p.sample = TIMES * s * weights;
  } else {
    p.pair = s * s * (double) (p.patch + p.outputs);
  }
  return p;
}

es_ntk_layer es_ntk_layer_plan(const es_net_layer *l, double samples) {
  if (l->kind == ES_OP_BN)
    return (es_ntk_layer){.of = *l,
                          .form = ES_NTK_ROWS,
                          .positions = 1,
                          .patch = 1,
                          .outputs = 2 * l->in.c,
                          .g_size = 2 * l->in.c,
                          .pair = 2.0 * l->in.c};
  const es_ntk_layer contracted = es_ntk_layer_in_form(l, ES_NTK_CONTRACTED);
  const es_ntk_layer structured = es_ntk_layer_in_form(l, ES_NTK_STRUCTURED);
  const bool shorter =
      es_ntk_layer_cost(&structured, samples) < es_ntk_layer_cost(&contracted, samples);
  return shorter ? structured : contracted;
}

double es_ntk_layer_cost(const es_ntk_layer *l, double n) {
  return 0.5 * n * (n + 1) * l->pair + n * l->sample;
}

/* One value of the input under the window of an output position; 0 in the padding. */
static float value_at(const es_net_layer *l, const float *map, int row, int col) {
  const bool inside = row >= 0 && row < l->in.h && col >= 0 && col < l->in.w;
  return inside ? map[row * l->in.w + col] : 0.0f;
}

/* Patches of one image: [S, C_in, k, k]. */
static void unroll_conv(const es_net_layer *l, const float *x, float *a) {
  const int k = l->window.k, stride = l->window.stride, pad = l->window.pad;
  for (int y0 = 0; y0 < l->out.h; y0++)
    for (int x0 = 0; x0 < l->out.w; x0++)
      for (int c = 0; c < l->in.c; c++) {
        const float *const map = x + (int64_t) c * pixels(l->in);
        for (int dy = 0; dy < k; dy++)
          for (int dx = 0; dx < k; dx++)
            *a++ = value_at(l, map, y0 * stride + dy - pad, x0 * stride + dx - pad);
      }
}

static void unroll_linear(const es_net_layer *l, const float *x, float *a) {
  for (int c = 0; c < l->in.c; c++) a[c] = x[c];
  if (l->bias) a[l->in.c] = 1.0f;
}

void es_ntk_layer_unroll(const es_ntk_layer *l, int n, const float *x, const float *g,
                         float *a, float *dy) {
  const int64_t s = l->positions, c = l->outputs;
  for (int i = 0; i < n; i++) {
    const float *const from = x + i * l->x_size;
    float *const to = a + i * s * l->patch;
    if (l->of.kind == ES_OP_CONV)
      unroll_conv(&l->of, from, to);
    else
      unroll_linear(&l->of, from, to);
    for (int64_t k = 0; k < c; k++)
      for (int64_t p = 0; p < s; p++)
        dy[(i * s + p) * c + k] = g[i * l->g_size + k * s + p];
  }
}

/* One line of an output map under one place of the window: values stride apart, 0 in the
 * padding on both sides. */
static void copy_line(const es_net_layer *l, const float *line, int shift, float *to) {
  const int stride = l->window.stride, w = l->in.w;
  int x0 = 0;
  for (; x0 < l->out.w && x0 * stride + shift < 0; x0++) to[x0] = 0.0f;
  for (; x0 < l->out.w && x0 * stride + shift < w; x0++)
    to[x0] = line[x0 * stride + shift];
  for (; x0 < l->out.w; x0++) to[x0] = 0.0f;
}

void es_ntk_layer_columns(const es_ntk_layer *layer, const float *x, float *a) {
  const es_net_layer *const l = &layer->of;
  const int k = l->window.k, pad = l->window.pad;
  if (l->kind != ES_OP_CONV) {
    unroll_linear(l, x, a);
    return;
  }
  for (int row = 0; row < l->in.c * k * k; row++) {
    const float *const map = x + (int64_t) (row / (k * k)) * pixels(l->in);
    const int dy = row / k % k - pad, dx = row % k - pad;
    for (int y0 = 0; y0 < l->out.h; y0++, a += l->out.w) {
      const int y = y0 * l->window.stride + dy;
      if (y >= 0 && y < l->in.h)
        copy_line(l, map + (int64_t) y * l->in.w, dx, a);
      else
        memset(a, 0, (size_t) l->out.w * sizeof *a);
    }
  }
}
