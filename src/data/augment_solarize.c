/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_solarize.c  Values from the threshold on inverted, v -> 255 - v, with
 *  probability p. Official Barlow Twins: 0 in view 1, 0.2 in view 2. */
#include "eigenstep/data.h"

typedef struct solarize {
  double p, threshold;
} solarize;

static const es_param table[] = {
    ES_DOUBLE(solarize, p, "0.1", 0, 1, "1", "probability of solarisation"),
    ES_DOUBLE(solarize, threshold, "128", 0, 256, "grey levels",
              "values at or above this are inverted"),
    ES_PARAM_END};

static void apply(const void *par, es_rng *r, es_image *img) {
  const solarize *s = par;
  if (es_rng_uniform(r) >= s->p) return;
  const float threshold = (float) s->threshold;
  const int n = 3 * img->h * img->w;
  float *px = img->px;
  for (int i = 0; i < n; i++) px[i] = px[i] >= threshold ? 255 - px[i] : px[i];
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const solarize *s = par;
  if (es_rng_uniform(r) >= s->p) return;
  es_view_change_add(v, ES_VIEW_SOLARIZE)->value[0] = (float) s->threshold;
}

static void weaken(void *par, double strength) {
  solarize *s = par;
  s->p *= strength;
}

const es_augment_ops es_augment_solarize = {.name = "solarize",
                                            .doc = "random inversion of bright values",
                                            .params = table,
                                            .size = sizeof(solarize),
                                            .weaken = weaken,
                                            .plan = plan,
                                            .apply = apply};
