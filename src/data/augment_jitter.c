/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_jitter.c  Brightness, contrast, saturation and hue, in random order,
 *  with probability p: torchvision's ColorJitter, on values that are not rounded.
 *
 *  Factors U(max(0, 1 - b), 1 + b) for the first three, which blend the image with black,
 *  with its mean grey value, with its grey image; hue is rotated by U(-h, h) of a full
 *  turn. */
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
    ES_DOUBLE(jitter, hue, "0.1", 0, 0.5, "turns", "largest rotation of the hue"),
    ES_DOUBLE(jitter, p, "0.8", 0, 1, "1", "probability that colours change"),
    ES_PARAM_END};

/** A random order of the four kinds (Fisher-Yates). */
static void draw_order(es_rng *r, es_color_kind order[4]) {
  for (int i = 0; i < 4; i++) order[i] = (es_color_kind) i;
  for (int i = 3; i > 0; i--) {
    const int j = (int) es_rng_below(r, (uint64_t) i + 1);
    const es_color_kind kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

static float draw_value(es_rng *r, es_color_kind kind, double width) {
  if (kind == ES_HUE) return (float) es_rng_range(r, -width, width);
  return (float) es_rng_range(r, fmax(0, 1 - width), 1 + width);
}

/** The changes of a view. @return their number */
static int draw_changes(const jitter *j, es_rng *r, es_color change[4]) {
  const double width[4] = {[ES_BRIGHTNESS] = j->brightness,
                           [ES_CONTRAST] = j->contrast,
                           [ES_SATURATION] = j->saturation,
                           [ES_HUE] = j->hue};
  es_color_kind order[4];
  float value[4];
  int n = 0;
  if (es_rng_uniform(r) >= j->p) return 0;
  draw_order(r, order);
  for (int k = 0; k < 4; k++) value[k] = draw_value(r, (es_color_kind) k, width[k]);
  for (int i = 0; i < 4; i++)
    if (width[order[i]] > 0) change[n++] = (es_color){order[i], value[order[i]]};
  return n;
}

static void apply(const void *par, es_rng *r, es_image *img) {
  es_color change[4];
  const int n = draw_changes(par, r, change);
  if (n > 0) es_color_change(img, change, n);
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  static const es_view_kind kind[4] = {[ES_BRIGHTNESS] = ES_VIEW_BRIGHTNESS,
                                       [ES_CONTRAST] = ES_VIEW_CONTRAST,
                                       [ES_SATURATION] = ES_VIEW_SATURATION,
                                       [ES_HUE] = ES_VIEW_HUE};
  es_color change[4];
  const int n = draw_changes(par, r, change);
  for (int i = 0; i < n; i++)
    es_view_change_add(v, kind[change[i].kind])->value[0] = change[i].value;
}

static void weaken(void *par, double strength) {
  jitter *j = par;
  j->brightness *= strength;
  j->contrast *= strength;
  j->saturation *= strength;
  j->hue *= strength;
}

const es_augment_ops es_augment_jitter = {
    .name = "jitter",
    .doc = "random brightness, contrast, saturation and hue in random order",
    .params = table,
    .size = sizeof(jitter),
    .weaken = weaken,
    .plan = plan,
    .apply = apply};
