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

/** Half a kernel, kernel[0] its centre. @return its last index */
static int fill_kernel(double sigma, int n, float *kernel) {
  const int wanted = (int) ceil(4 * sigma), reach = wanted < n ? wanted : n - 1;
  double sum = -1;
  for (int k = 0; k <= reach; k++) sum += 2 * exp(-0.5 * k * k / (sigma * sigma));
  for (int k = 0; k <= reach; k++)
    kernel[k] = (float) (exp(-0.5 * k * k / (sigma * sigma)) / sum);
  return reach;
}

/** Rows of px -> tmp, through a row padded by reflection. */
static void along(es_image *img, const float *kernel, int reach, float *padded) {
  const int w = img->w;
  float *middle = padded + reach;
  for (int y = 0; y < 3 * img->h; y++) {
    const float *in = img->px + (size_t) y * (size_t) w;
    float *restrict out = img->tmp + (size_t) y * (size_t) w;
    memcpy(middle, in, (size_t) w * sizeof *in);
    for (int k = 1; k <= reach; k++) {
      middle[-k] = in[reflect(-k, w)];
      middle[w - 1 + k] = in[reflect(w - 1 + k, w)];
    }
    for (int x = 0; x < w; x++) out[x] = kernel[0] * in[x];
    for (int k = 1; k <= reach; k++)
      for (int x = 0; x < w; x++) out[x] += kernel[k] * (middle[x - k] + middle[x + k]);
  }
}

/** Columns of tmp -> px, row by row. */
static void across(es_image *img, const float *kernel, int reach) {
  const int w = img->w, h = img->h;
  for (int plane = 0; plane < 3; plane++) {
    const float *in = img->tmp + (size_t) plane * (size_t) h * (size_t) w;
    for (int y = 0; y < h; y++) {
      float *restrict out = img->px + (size_t) (plane * h + y) * (size_t) w;
      const float *here = in + (size_t) y * (size_t) w;
      for (int x = 0; x < w; x++) out[x] = kernel[0] * here[x];
      for (int k = 1; k <= reach; k++) {
        const float *up = in + (size_t) reflect(y - k, h) * (size_t) w;
        const float *down = in + (size_t) reflect(y + k, h) * (size_t) w;
        for (int x = 0; x < w; x++) out[x] += kernel[k] * (up[x] + down[x]);
      }
    }
  }
}

static void apply(const void *par, es_rng *r, es_image *img) {
  const blur *b = par;
  if (es_rng_uniform(r) >= b->p) return;
  const double sigma = es_rng_range(r, b->sigma_min, b->sigma_max);
  float *kernel = img->work; /* at most w, then h values; the padded row behind it */
  int reach = fill_kernel(sigma, img->w, kernel);
  along(img, kernel, reach, kernel + reach + 1);
  reach = fill_kernel(sigma, img->h, kernel);
  across(img, kernel, reach);
}

const es_augment_ops es_augment_blur = {.name = "blur",
                                        .doc = "random Gaussian blur",
                                        .params = table,
                                        .size = sizeof(blur),
                                        .prepare = prepare,
                                        .apply = apply};
