/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_flip.c  Left and right exchanged with probability p. */
#include "eigenstep/data.h"

typedef struct flip {
  double p;
} flip;

static const es_param table[] = {
    ES_DOUBLE(flip, p, "0.5", 0, 1, "1", "probability of the mirror image"),
    ES_PARAM_END};

static void apply(const void *par, es_rng *r, es_image *img) {
  const flip *f = par;
  if (es_rng_uniform(r) >= f->p) return;
  float *row = img->px;
  for (int y = 0; y < 3 * img->h; y++, row += img->w)
    for (int x = 0; x < img->w / 2; x++) {
      const float left = row[x];
      row[x] = row[img->w - 1 - x];
      row[img->w - 1 - x] = left;
    }
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const flip *f = par;
  if (es_rng_uniform(r) < f->p) (void) es_view_change_add(v, ES_VIEW_FLIP);
}

static void weaken(void *par, double strength) {
  flip *f = par;
  f->p *= strength;
}

static void draw(const void *par, es_rng *r, int h, int w, es_drawn *d) {
  const flip *f = par;
  (void) h;
  (void) w;
  d->flipped = es_rng_uniform(r) < f->p ? 1 : 0;
}

const es_augment_ops es_augment_flip = {.name = "flip",
                                        .doc = "random mirror image, left to right",
                                        .params = table,
                                        .size = sizeof(flip),
                                        .weaken = weaken,
                                        .plan = plan,
                                        .draw = draw,
                                        .apply = apply};
