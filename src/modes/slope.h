/* SPDX-License-Identifier: BSD-3-Clause */
/** @file slope.h  Slope of the power spectrum of an image: least squares of ln P(f) on
 *  ln f, P(f) the mean power in rings f = 1 .. min(h, w) / 2 of the spatial frequency
 *  (cycles over the shorter side), under a Hann window. Natural images have about -2. */
#ifndef ES_STUDY_SLOPE_H
#define ES_STUDY_SLOPE_H

#include "eigenstep/status.h"

/** Transforms for images of one size, and workspace; owned. */
typedef struct es_slope_plan {
  int h, w, rings;
  double *rows, *columns; /**< [2, h, h] cos and sin; [2, w, w] */
  double *image;          /**< [h, w] the image that is measured */
  double *half, *whole;   /**< [2, h, w] */
  double *power;          /**< [2, rings + 1] sums and counts */
} es_slope_plan;

/** @return ES_OK, ES_ENOMEM; the caller frees the plan, also after a failure */
es_status es_slope_plan_open(int h, int w, es_slope_plan *p);
void es_slope_plan_free(es_slope_plan *p);

/** Of plan->image, whose mean is given; it is overwritten. 0 for an image without
 *  contrast, or of fewer than 3 rings. */
double es_slope_measure(const es_slope_plan *p, double mean);

#endif
