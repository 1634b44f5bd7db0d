/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_jitter.c  Brightness, contrast, saturation and hue, in random order,
 *  with probability p: torchvision's ColorJitter, on values that are not rounded.
 *
 *  Factors U(max(0, 1 - b), 1 + b) for the first three, which blend the image with black,
 *  with its mean grey value, with its grey image; hue is turned by U(-h, h) of a turn. */
#include <math.h>

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
    if (order[i] == 0 && j->brightness > 0) es_color_brighten(img, bright);
    if (order[i] == 1 && j->contrast > 0) es_color_contrast(img, steep);
    if (order[i] == 2 && j->saturation > 0) es_color_saturate(img, vivid);
    if (order[i] == 3 && j->hue > 0) es_color_turn_hue(img, turns);
  }
}

const es_augment_ops es_augment_jitter = {
    .name = "jitter",
    .doc = "random brightness, contrast, saturation and hue in random order",
    .params = table,
    .size = sizeof(jitter),
    .apply = apply};
