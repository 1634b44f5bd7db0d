/* SPDX-License-Identifier: BSD-3-Clause */
/** @file attribute.h  What is known of a view without any network: numbers of its pixels,
 *  what its augmentations have drawn, the class of its record. */
#ifndef ES_STUDY_ATTRIBUTE_H
#define ES_STUDY_ATTRIBUTE_H

#include "slope.h"

/** Numbers of a view. */
enum {
  ES_HUE_COS,
  ES_HUE_SIN,
  ES_SATURATION,
  ES_LUMINANCE,
  ES_CONTRAST,
  ES_TEMPERATURE,
  ES_SLOPE,
  ES_ORIENTED_COS,
  ES_ORIENTED_SIN,
  ES_EDGES,
  ES_PIXEL_NUMBERS, /**< those above are of the pixels */
  ES_CROP_X = ES_PIXEL_NUMBERS,
  ES_CROP_Y,
  ES_CROP_AREA,
  ES_FLIP,
  ES_VIEW_NUMBERS
};

/** An attribute: some of these numbers together, or the class. */
typedef struct es_attribute {
  const char *name, *doc;
  const char *absent; /**< why it may be the same for all views */
  int first, columns; /**< numbers first .. first + columns - 1; columns = 0: the class */
} es_attribute;
enum { ES_ATTRIBUTES = 12, ES_CLASS = ES_ATTRIBUTES - 1 };
extern const es_attribute es_attribute_table[ES_ATTRIBUTES];

/** Numbers of the pixels of an image, planes R, G, B in [0, 1]: number
 *  [ES_PIXEL_NUMBERS], formulas in attribute.c. plan: of its size. */
void es_attribute_measure(const float *rgb, const es_slope_plan *plan, double *number);

#endif
