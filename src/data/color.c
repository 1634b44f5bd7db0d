/* SPDX-License-Identifier: BSD-3-Clause */
/** @file color.c  Brightness, contrast, saturation and hue, as torchvision defines them,
 *  on values that are not rounded. */
#include "color.h"

#include "clamp.h"

static float clamp(float x) {
  return es_clamp_f32(x, 0, 255);
}

void es_color_brighten(es_image *img, float factor) {
  const int n = 3 * img->h * img->w;
  for (int i = 0; i < n; i++) img->px[i] = clamp(factor * img->px[i]);
}

void es_color_contrast(es_image *img, float factor) {
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

void es_color_saturate(es_image *img, float factor) {
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
void es_color_turn_hue(es_image *img, float turns) {
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
