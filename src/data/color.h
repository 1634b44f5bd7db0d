/* SPDX-License-Identifier: BSD-3-Clause */
/** @file color.h  Colour changes of a working image, in place. */
#ifndef ES_COLOR_H
#define ES_COLOR_H

#include "eigenstep/data.h"

/** ITU-R 601 luma with Pillow's 16-bit weights, (19595 R + 38470 G + 7471 B) / 2^16; not
 *  rounded, as the working image is not. */
static inline float es_luma(float r, float g, float b) {
  return (19595.0f / 65536) * r + (38470.0f / 65536) * g + (7471.0f / 65536) * b;
}

/** factor x + (1 - factor) y, clamped to [0, 255], where y is black, the image's mean
 *  grey value, the grey image. */
void es_color_brighten(es_image *img, float factor);
void es_color_contrast(es_image *img, float factor);
void es_color_saturate(es_image *img, float factor);

/** The hue of each pixel turned by `turns` in [-1/2, 1/2]. */
void es_color_turn_hue(es_image *img, float turns);

#endif
