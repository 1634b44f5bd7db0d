/* SPDX-License-Identifier: BSD-3-Clause */
/** @file resample.h  Resizing a plane with an antialiasing filter. */
#ifndef ES_RESAMPLE_H
#define ES_RESAMPLE_H

#include <stddef.h>

typedef enum es_filter { ES_BILINEAR, ES_BICUBIC } es_filter;

/** A rectangle of a plane: rows of `stride` values, h x w of them used from (y, x) on. */
typedef struct es_window {
  int y, x, h, w, stride;
} es_window;

/** Floats of scratch that es_resample_plan needs for n_in -> n_out in one direction. */
size_t es_resample_work(int n_in, int n_out);

/** Weights of each output value: a filter centred on it, as wide in the input as needed
 *  to take every input value in. out[i] = sum_k weight[i most + k] in[first[i] + k]. */
typedef struct es_resample {
  int n_in, n_out, most;
  int *first, *taps; /**< [n_out] */
  float *weight;     /**< [n_out, most], taps[i] used in row i; rows sum to 1 */
} es_resample;

es_resample es_resample_plan(es_filter f, int n_in, int n_out, float *work);

/** Rows that are resampled together: as columns of a strip, so that the inner loop runs
 *  along memory. */
enum { ES_RESAMPLE_LANES = 32 };

/** Each row of a window of `in`, n_in = window.w -> out [window.h, n_out].
 *  @param work  ES_RESAMPLE_LANES (window.w + n_out) floats */
void es_resample_along(const es_resample *r, const float *in, es_window window,
                       float *work, float *out);

/** Each column of in [n_in, width] -> out [n_out, width]. */
void es_resample_across(const es_resample *r, const float *in, int width, float *out);

#endif
