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

/** Brightness, contrast, saturation: factor x + (1 - factor) y, clamped to [0, 255],
 *  where y is black, the image's mean grey value, the grey image. Hue: that of each pixel
 *  rotated by `value` in [-1/2, 1/2] of a full turn. */
typedef enum es_color_kind {
  ES_BRIGHTNESS,
  ES_CONTRAST,
  ES_SATURATION,
  ES_HUE
} es_color_kind;
typedef struct es_color {
  es_color_kind kind;
  float value; /**< factor or turns */
} es_color;

/** `n` changes one after the other, at most one of them of the contrast. */
void es_color_change(es_image *img, const es_color *change, int n);

#endif
