/* SPDX-License-Identifier: BSD-3-Clause */
/** @file attribute.c  Numbers of the pixels of a view, means over all of them:
 *
 *    hue          chroma (cos h, sin h) = (R - (G + B) / 2, sqrt(3) / 2 (G - B)), so that
 *                 grey pixels, which have no hue, do not count
 *    saturation   (max - min) / max of R, G, B
 *    luminance    Y = 0.299 R + 0.587 G + 0.114 B
 *    contrast     standard deviation of Y
 *    temperature  ln of mean R over mean B: warm or cold
 *    slope        of the logarithmic power spectrum of Y (slope.h)
 *    orientation  (<gx^2> - <gy^2>, 2 <gx gy>) / <gx^2 + gy^2> of the gradient g of Y:
 *                 direction of the strongest gradient, twice its angle, by its coherence
 *    edges        share of pixels with |g| above 0.1 a pixel */
#include "attribute.h"

#include <math.h>
#include <stdint.h>

#define EDGE 0.1
#define GREY_LEVEL (1.0 / 255)

static const char no_images[] = "the data are no images of three colours, or all alike";
static const char no_colour[] = "the images have no colour";
static const char no_crop[] = "views are not cropped";

const es_attribute es_attribute_table[ES_ATTRIBUTES] = {
    {"hue", "cosine and sine of the hue, by chroma", no_colour, ES_HUE_COS, 2},
    {"saturation", "mean saturation", no_colour, ES_SATURATION, 1},
    {"luminance", "mean luma", no_images, ES_LUMINANCE, 1},
    {"contrast", "standard deviation of the luma", no_images, ES_CONTRAST, 1},
    {"temperature", "ln of mean red over mean blue", no_colour, ES_TEMPERATURE, 1},
    {"slope", "slope of the logarithmic power spectrum", no_images, ES_SLOPE, 1},
    {"orientation", "dominant orientation, by coherence", no_images, ES_ORIENTED_COS, 2},
    {"edges", "share of pixels on edges", no_images, ES_EDGES, 1},
    {"position", "centre of the crop", no_crop, ES_CROP_X, 2},
    {"area", "share of the image in the crop", no_crop, ES_CROP_AREA, 1},
    {"flip", "left and right exchanged", "views are not flipped", ES_FLIP, 1},
    {"class", "class of the record (eta^2)", "the records have no classes", 0, 0}};

/* Colours, into sums over pixels. */
static void measure_colours(const float *rgb, int pixels, double *number) {
  double mean[3] = {0}, chroma = 0;
  for (int i = 0; i < pixels; i++) {
    const double r = (double) rgb[i], g = (double) rgb[pixels + i],
                 b = (double) rgb[2 * pixels + i];
    const double most = fmax(r, fmax(g, b)), least = fmin(r, fmin(g, b));
    mean[0] += r / pixels;
    mean[1] += g / pixels;
    mean[2] += b / pixels;
    if (most > 0) chroma += (most - least) / most / pixels;
  }
  number[ES_HUE_COS] = mean[0] - (mean[1] + mean[2]) / 2;
  number[ES_HUE_SIN] = sqrt(0.75) * (mean[1] - mean[2]);
  number[ES_SATURATION] = chroma;
  number[ES_TEMPERATURE] =
      log((fmax(mean[0], 0) + GREY_LEVEL) / (fmax(mean[2], 0) + GREY_LEVEL));
}

/* Gradients between the neighbours of each inner pixel. */
static void measure_gradients(const double *luma, int h, int w, double *number) {
  double xx = 0, yy = 0, xy = 0, edges = 0;
  for (int y = 1; y < h - 1; y++)
    for (int x = 1; x < w - 1; x++) {
      const double *const at = luma + (int64_t) y * w + x;
      const double gx = (at[1] - at[-1]) / 2, gy = (at[w] - at[-w]) / 2;
      xx += gx * gx;
      yy += gy * gy;
      xy += gx * gy;
      edges += hypot(gx, gy) > EDGE;
    }
  const double all = xx + yy;
  number[ES_ORIENTED_COS] = all > 0 ? (xx - yy) / all : 0;
  number[ES_ORIENTED_SIN] = all > 0 ? 2 * xy / all : 0;
  number[ES_EDGES] = h > 2 && w > 2 ? edges / ((h - 2.0) * (w - 2.0)) : 0;
}

void es_attribute_measure(const float *rgb, const es_slope_plan *plan, double *number) {
  const int pixels = plan->h * plan->w;
  double *const luma = plan->image;
  double mean = 0, square = 0;
  for (int i = 0; i < pixels; i++) {
    luma[i] = 0.299 * (double) rgb[i] + 0.587 * (double) rgb[pixels + i] +
              0.114 * (double) rgb[2 * pixels + i];
    mean += luma[i] / pixels;
  }
  for (int i = 0; i < pixels; i++) square += (luma[i] - mean) * (luma[i] - mean) / pixels;
  number[ES_LUMINANCE] = mean;
  number[ES_CONTRAST] = sqrt(square);
  measure_colours(rgb, pixels, number);
  measure_gradients(luma, plan->h, plan->w, number);
  number[ES_SLOPE] = es_slope_measure(plan, mean);
}
