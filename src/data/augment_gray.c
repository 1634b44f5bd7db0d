/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_gray.c  Grey image (three equal channels) with probability p. */
#include "color.h"
#include "eigenstep/data.h"

typedef struct gray {
  double p;
} gray;

static const es_param table[] = {
    ES_DOUBLE(gray, p, "0.2", 0, 1, "1", "probability of the grey image"), ES_PARAM_END};

static void apply(const void *par, es_rng *r, es_image *img) {
  const gray *g = par;
  if (es_rng_uniform(r) >= g->p) return;
  const int n = img->h * img->w;
  float *red = img->px, *green = red + n, *blue = green + n;
  for (int i = 0; i < n; i++)
    red[i] = green[i] = blue[i] = es_luma(red[i], green[i], blue[i]);
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const gray *g = par;
  if (es_rng_uniform(r) < g->p) (void) es_view_change_add(v, ES_VIEW_GRAY);
}

static void weaken(void *par, double strength) {
  gray *g = par;
  g->p *= strength;
}

const es_augment_ops es_augment_gray = {.name = "gray",
                                        .doc = "random loss of colour",
                                        .params = table,
                                        .size = sizeof(gray),
                                        .weaken = weaken,
                                        .plan = plan,
                                        .apply = apply};
