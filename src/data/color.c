/* SPDX-License-Identifier: BSD-3-Clause */
/** @file color.c  Brightness, contrast, saturation and hue, as torchvision defines them,
 *  on values that are not rounded.
 *
 *  All changes are made to a strip of pixels while it is in the first cache. Contrast
 *  needs the mean of the whole image before it, hence a second round over the strips. */
#include "color.h"

#include "clamp.h"

enum { STRIP = 512, LANES = 16 };

typedef struct strip {
  float *red, *green, *blue;
  int n;
} strip;

static float clamp(float x) {
  return es_clamp_f32(x, 0, 255);
}

/** factor x + rest. */
static void blend(float *x, int n, float factor, float rest) {
  for (int i = 0; i < n; i++) x[i] = clamp(factor * x[i] + rest);
}

static void saturate(strip s, float factor) {
  float *restrict red = s.red, *restrict green = s.green, *restrict blue = s.blue;
  for (int i = 0; i < s.n; i++) {
    const float rest = (1 - factor) * es_luma(red[i], green[i], blue[i]);
    red[i] = clamp(factor * red[i] + rest);
    green[i] = clamp(factor * green[i] + rest);
    blue[i] = clamp(factor * blue[i] + rest);
  }
}

/** A channel of HSV: `place` is 5, 3, 1 sixths of a turn for red, green, blue. */
static float channel(float hue, float place, float value, float chroma) {
  float k = place + hue;
  k -= k >= 6 ? 6.0f : 0.0f;
  return value - chroma * es_clamp_f32(es_min_f32(k, 4 - k), 0, 1);
}

/** HSV and back, without branches, so that the loop is vectorised. Hue in sixths of a
 *  turn; saturation and value do not change. */
static void turn_hue(strip s, float turns) {
  float *restrict red = s.red, *restrict green = s.green, *restrict blue = s.blue;
  for (int i = 0; i < s.n; i++) {
    const float r = red[i], g = green[i], b = blue[i];
    const float value = es_max_f32(r, es_max_f32(g, b)),
                least = es_min_f32(r, es_min_f32(g, b));
    const float chroma = value - least, scale = 1 / (chroma > 0 ? chroma : 1);
    const float from_red = (g - b) * scale, from_green = 2 + (b - r) * scale;
    const float from_blue = 4 + (r - g) * scale;
    const float other = value == g ? from_green : from_blue;
    float hue = (value == r ? from_red : other) + 6 * turns; /* in [-4, 8] */
    hue += hue < 0 ? 6.0f : 0.0f;
    hue -= hue >= 6 ? 6.0f : 0.0f;
    red[i] = channel(hue, 5, value, chroma);
    green[i] = channel(hue, 3, value, chroma);
    blue[i] = channel(hue, 1, value, chroma);
  }
}

/** Sum of the luma; lane by lane, so that its rounding is the same whatever the compiler
 *  makes of it. */
static double sum_luma(strip s) {
  float lane[LANES] = {0}, sum = 0;
  int i = 0;
  for (; i + LANES <= s.n; i += LANES)
    for (int k = 0; k < LANES; k++)
      lane[k] += es_luma(s.red[i + k], s.green[i + k], s.blue[i + k]);
  for (; i < s.n; i++) sum += es_luma(s.red[i], s.green[i], s.blue[i]);
  for (int k = 0; k < LANES; k++) sum += lane[k];
  return (double) sum;
}

/** grey: mean of the image before a change of contrast. */
static void change_strip(strip s, es_color c, float grey) {
  float *const plane[] = {s.red, s.green, s.blue};
  const float rest = c.kind == ES_CONTRAST ? (1 - c.value) * grey : 0;
  if (c.kind == ES_SATURATION)
    saturate(s, c.value);
  else if (c.kind == ES_HUE)
    turn_hue(s, c.value);
  else
    for (int k = 0; k < 3; k++) blend(plane[k], s.n, c.value, rest);
}

/** Changes from .. to - 1 of every strip. @return the mean luma after them, if wanted */
static float change_all(es_image *img, const es_color *change, int from, int to,
                        float grey, bool mean) {
  const int pixels = img->h * img->w;
  double sum = 0;
  for (int i = 0; i < pixels; i += STRIP) {
    strip s = {.red = img->px + i, .n = pixels - i < STRIP ? pixels - i : STRIP};
    s.green = s.red + pixels;
    s.blue = s.green + pixels;
    for (int k = from; k < to; k++) change_strip(s, change[k], grey);
    if (mean) sum += sum_luma(s);
  }
  return (float) (sum / pixels);
}

void es_color_change(es_image *img, const es_color *change, int n) {
  int split = 0;
  while (split < n && change[split].kind != ES_CONTRAST) split++;
  const bool mean = split < n;
  const float grey = split > 0 || mean ? change_all(img, change, 0, split, 0, mean) : 0;
  if (mean) change_all(img, change, split, n, grey, false);
}
