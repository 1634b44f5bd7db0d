/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_blur.c  Gaussian blur, sigma U(sigma_min, sigma_max), probability p.
 *
 *  The true Gaussian, cut at 4 sigma and normalised, with the image reflected at its
 *  border (the edge pixel is not repeated). Pillow's GaussianBlur (official Barlow Twins)
 *  approaches it by box filters; torchvision's cuts it at a kernel size of its own. Sigma
 *  is in pixels of the view. Official Barlow Twins: p = 1 in view 1, 0.1 in view 2. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "combine.h"
#include "eigenstep/data.h"

typedef struct blur {
  double p, sigma_min, sigma_max;
} blur;

static const es_param table[] = {
    ES_DOUBLE(blur, p, "0.5", 0, 1, "1", "probability of the blur"),
    ES_DOUBLE(blur, sigma_min, "0.1", 1e-3, 100, "pixels", "smallest standard deviation"),
    ES_DOUBLE(blur, sigma_max, "2", 1e-3, 100, "pixels", "largest standard deviation"),
    ES_PARAM_END};

static es_status prepare(void *par, const char *section, int *h, int *w) {
  const blur *b = par;
  (void) h;
  (void) w;
  ES_CHECK(b->sigma_min <= b->sigma_max, ES_ECONFIG,
           "%s.sigma_min: got %g, expected at most sigma_max = %g", section, b->sigma_min,
           b->sigma_max);
  return ES_OK;
}

/** Index outside [0, n) reflected at the first and last value; |i| < 2 n. */
static int reflect(int i, int n) {
  i = abs(i);
  return i < n ? i : 2 * (n - 1) - i;
}

/** The kernel, 2 reach + 1 weights. @return reach, less than n */
static int fill_kernel(double sigma, int n, float *kernel) {
  const int wanted = (int) ceil(4 * sigma), reach = wanted < n ? wanted : n - 1;
  double sum = 0;
  for (int k = -reach; k <= reach; k++) sum += exp(-0.5 * k * k / (sigma * sigma));
  for (int k = -reach; k <= reach; k++)
    kernel[reach + k] = (float) (exp(-0.5 * k * k / (sigma * sigma)) / sum);
  return reach;
}

/** Rows of px -> tmp, through a row padded by reflection. */
static void along(es_image *img, const float *kernel, int reach, float *padded) {
  const int w = img->w;
  for (int y = 0; y < 3 * img->h; y++) {
    const float *in = img->px + (size_t) y * (size_t) w;
    memcpy(padded + reach, in, (size_t) w * sizeof *in);
    for (int k = 1; k <= reach; k++) {
      padded[reach - k] = in[reflect(-k, w)];
      padded[reach + w - 1 + k] = in[reflect(w - 1 + k, w)];
    }
    es_combine(2 * reach + 1, kernel, padded, 1, w, img->tmp + (size_t) y * (size_t) w);
  }
}

/** Weights of the rows that row y becomes a sum of: near the border those outside are
 *  added to the rows they are reflections of. @return their number, from *first on */
static int fold(const float *kernel, int reach, int y, int h, int *first, float *weight) {
  const int from = y > reach ? y - reach : 0;
  const int past = y + reach < h ? y + reach + 1 : h;
  memset(weight, 0, (size_t) (past - from) * sizeof *weight);
  for (int k = -reach; k <= reach; k++)
    weight[reflect(y + k, h) - from] += kernel[reach + k];
  *first = from;
  return past - from;
}

/** Columns of tmp -> px, row by row. weight: [h] */
static void across(es_image *img, const float *kernel, int reach, float *weight) {
  const size_t w = (size_t) img->w, plane = (size_t) img->h * w;
  for (int y = 0; y < img->h; y++) {
    int first;
    const int taps = fold(kernel, reach, y, img->h, &first, weight);
    for (size_t c = 0; c < 3; c++)
      es_combine(taps, weight, img->tmp + c * plane + (size_t) first * w, w, img->w,
                 img->px + c * plane + (size_t) y * w);
  }
}

/** Standard deviation; 0: no blur. */
static double draw_sigma(const blur *b, es_rng *r) {
  if (es_rng_uniform(r) >= b->p) return 0;
  return es_rng_range(r, b->sigma_min, b->sigma_max);
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const double sigma = draw_sigma(par, r);
  if (sigma > 0) es_view_change_add(v, ES_VIEW_BLUR)->value[0] = (float) sigma;
}

static void apply(const void *par, es_rng *r, es_image *img) {
  const double sigma = draw_sigma(par, r);
  if (sigma == 0) return;
  float *kernel = img->work; /* less than 2 w, then 2 h; a padded row, weights after it */
  int reach = fill_kernel(sigma, img->w, kernel);
  along(img, kernel, reach, kernel + 2 * reach + 1);
  reach = fill_kernel(sigma, img->h, kernel);
  across(img, kernel, reach, kernel + 2 * reach + 1);
}

static void weaken(void *par, double strength) {
  blur *b = par;
  b->p *= strength;
}

const es_augment_ops es_augment_blur = {.name = "blur",
                                        .doc = "random Gaussian blur",
                                        .params = table,
                                        .size = sizeof(blur),
                                        .weaken = weaken,
                                        .prepare = prepare,
                                        .plan = plan,
                                        .apply = apply};
