/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_normalize.c  (x / 255 - mean) / std by channel; always applied last.
 *
 *  The pipeline divides by 255 at its end, so here (x - 255 mean) / std. */
#include <string.h>

#include "eigenstep/data.h"

typedef struct normalize {
  int preset;
  es_list mean, std;
} normalize;

static const es_param table[] = {
    ES_CHOICE(normalize, preset, "lists", "lists|imagenet|cifar10|stl10",
              "a data set whose values are used; lists: those of mean and std"),
    ES_LIST(normalize, mean, "0.485, 0.456, 0.406", 0, 1, "1",
            "mean of R, G, B on the scale [0, 1]"),
    ES_LIST(normalize, std, "0.229, 0.224, 0.225", 1e-6, 1e6, "1",
            "standard deviation of R, G, B on the scale [0, 1]"),
    ES_PARAM_END};

static es_status prepare(void *par, const char *section, int *h, int *w) {
  static const double known[][2][3] = {
      {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
      {{0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}},
      {{0.4914, 0.4823, 0.4466}, {0.247, 0.243, 0.261}}};
  normalize *n = par;
  (void) h;
  (void) w;
  if (n->preset > 0) {
    n->mean.n = n->std.n = 3;
    memcpy(n->mean.v, known[n->preset - 1][0], sizeof known[0][0]);
    memcpy(n->std.v, known[n->preset - 1][1], sizeof known[0][1]);
  }
  ES_CHECK(n->mean.n == 3 && n->std.n == 3, ES_ECONFIG,
           "%s: got %d values of mean and %d of std, expected 3 (R, G, B) of each",
           section, n->mean.n, n->std.n);
  return ES_OK;
}

static void apply(const void *par, es_rng *r, es_image *img) {
  const normalize *n = par;
  (void) r;
  const int pixels = img->h * img->w;
  float *px = img->px;
  for (int c = 0; c < 3; c++, px += pixels) {
    const float mean = (float) (255 * n->mean.v[c]), scale = (float) (1 / n->std.v[c]);
    for (int i = 0; i < pixels; i++) px[i] = (px[i] - mean) * scale;
  }
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const normalize *n = par;
  es_view_change *const c = es_view_change_add(v, ES_VIEW_NORMALIZE);
  (void) r;
  for (int k = 0; k < 3; k++) {
    c->value[k] = (float) (255 * n->mean.v[k]);
    c->value[3 + k] = (float) (1 / n->std.v[k]);
  }
}

const es_augment_ops es_augment_normalize = {.name = "normalize",
                                             .doc = "fixed mean and scale by channel",
                                             .params = table,
                                             .size = sizeof(normalize),
                                             .last = true,
                                             .prepare = prepare,
                                             .plan = plan,
                                             .apply = apply};
