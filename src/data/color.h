/* SPDX-License-Identifier: BSD-3-Clause */
/** @file color.h  Grey value of a colour: the one definition all steps use. */
#ifndef ES_COLOR_H
#define ES_COLOR_H

/** ITU-R 601 luma with Pillow's 16-bit weights, (19595 R + 38470 G + 7471 B) / 2^16; not
 *  rounded, as the working image is not. */
static inline float es_luma(float r, float g, float b) {
  return (19595.0f / 65536) * r + (38470.0f / 65536) * g + (7471.0f / 65536) * b;
}

#endif
