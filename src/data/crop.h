/* SPDX-License-Identifier: BSD-3-Clause */
/** @file crop.h  The two halves of the random resized crop: which window, and its
 *  resizing. */
#ifndef ES_CROP_H
#define ES_CROP_H

#include "eigenstep/data.h"
#include "resample.h"

/** Parameters of the augmentation `crop`. */
typedef struct es_crop {
  int64_t size;
  int mode, interpolation;
  double scale_min, scale_max;
  es_list ratio;
} es_crop;

/** The window that mode = resized takes of an image of h x w. */
es_window es_crop_draw(const es_crop *c, es_rng *r, int h, int w);

/** The image becomes a window of it, size x size, clamped to [0, 255]. */
void es_crop_resize(es_image *img, es_window win, es_filter f, int size);

#endif
