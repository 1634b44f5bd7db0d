/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_jitter.c  Brightness, contrast, saturation and hue, in random order, with
 *  probability p: torchvision's ColorJitter, on values that are not rounded.
 *
 *  Factors U(max(0, 1 - b), 1 + b) for the first three, which blend the image with black,
 *  with its mean grey value, with its grey image; hue is turned by U(-h, h) of a turn. */
#include <math.h>

#include "clamp.h"
#include "color.h"
#include "eigenstep/data.h"

typedef struct jitter {
  double brightness, contrast, saturation, hue, p;
} jitter;

static const es_param table[] = {
    ES_DOUBLE(jitter, brightness, "0.4", 0, 100, "1",
              "half-width of the factor around 1"),
    ES_DOUBLE(jitter, contrast, "0.4", 0, 100, "1", "half-width of the factor around 1"),
    ES_DOUBLE(jitter, saturation, "0.2", 0, 100, "1",
              "half-width of the factor around 1"),
    ES_DOUBLE(jitter, hue, "0.1", 0, 0.5, "turns", "largest turn of the hue"),
    ES_DOUBLE(jitter, p, "0.8", 0, 1, "1", "probability that colours change"),
    ES_PARAM_END};

static float clamp(float x) {
  return es_clamp_f32(x, 0, 255);
}

static void brighten(es_image *img, float factor) {
  const int n = 3 * img->h * img->w;
  for (int i = 0; i < n; i++) img->px[i] = clamp(factor * img->px[i]);
}

static void contrast(es_image *img, float factor) {
  const int n = img->h * img->w;
  const float *red = img->px, *green = red + n, *blue = green + n;
  double sum = 0;
  for (int y = 0; y < img->h; y++) { /* row by row: short sums in f32, long ones in f64 */
    float row = 0;
    for (int i = y * img->w; i < (y + 1) * img->w; i++)
      row += es_luma(red[i], green[i], blue[i]);
    sum += (double) row;
  }
  const float rest = (1 - factor) * (float) (sum / n);
  for (int i = 0; i < 3 * n; i++) img->px[i] = clamp(factor * img->px[i] + rest);
}

static void saturate(es_image *img, float factor) {
  const int n = img->h * img->w;
  float *red = img->px, *green = red + n, *blue = green + n;
  for (int i = 0; i < n; i++) {
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
static void turn_hue(es_image *img, float turns) {
  const int n = img->h * img->w;
  float *restrict red = img->px, *restrict green = red + n, *restrict blue = green + n;
  for (int i = 0; i < n; i++) {
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

/** A random order of 0..3 (Fisher-Yates). */
static void draw_order(es_rng *r, int order[4]) {
  for (int i = 0; i < 4; i++) order[i] = i;
  for (int i = 3; i > 0; i--) {
    const int j = (int) es_rng_below(r, (uint64_t) i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

static float draw_factor(es_rng *r, double half) {
  return (float) es_rng_range(r, fmax(0, 1 - half), 1 + half);
}

static void apply(const void *par, es_rng *r, es_image *img) {
  const jitter *j = par;
  int order[4];
  if (es_rng_uniform(r) >= j->p) return;
  draw_order(r, order);
  const float bright = draw_factor(r, j->brightness), steep = draw_factor(r, j->contrast);
  const float vivid = draw_factor(r, j->saturation);
  const float turns = (float) es_rng_range(r, -j->hue, j->hue);
  for (int i = 0; i < 4; i++) {
    if (order[i] == 0 && j->brightness > 0) brighten(img, bright);
    if (order[i] == 1 && j->contrast > 0) contrast(img, steep);
    if (order[i] == 2 && j->saturation > 0) saturate(img, vivid);
    if (order[i] == 3 && j->hue > 0) turn_hue(img, turns);
  }
}

const es_augment_ops es_augment_jitter = {
    .name = "jitter",
    .doc = "random brightness, contrast, saturation and hue in random order",
    .params = table,
    .size = sizeof(jitter),
    .apply = apply};
