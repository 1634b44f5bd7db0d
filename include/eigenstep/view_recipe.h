/* SPDX-License-Identifier: BSD-3-Clause */
/** @file view_recipe.h  Views as what is to be done to records: all random numbers are
 *  drawn, the pixels are left to a device (es_backend_ops.views). */
#ifndef ES_VIEW_RECIPE_H
#define ES_VIEW_RECIPE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/** Changes of an image of values in [0, 255], as the augmentations of the same names make
 *  them. */
typedef enum es_view_kind {
  ES_VIEW_FLIP,       /**< left and right */
  ES_VIEW_BRIGHTNESS, /**< value[0]: factor; so for the next two */
  ES_VIEW_CONTRAST,
  ES_VIEW_SATURATION,
  ES_VIEW_HUE,      /**< value[0]: turns */
  ES_VIEW_GRAY,     /**< three equal channels */
  ES_VIEW_BLUR,     /**< value[0]: standard deviation in pixels */
  ES_VIEW_SOLARIZE, /**< value[0]: threshold */
  ES_VIEW_NORMALIZE /**< (x - value[c]) value[3 + c] */
} es_view_kind;

enum { ES_VIEW_VALUES = 6, ES_VIEW_CHANGES = 12 };
typedef struct es_view_change {
  es_view_kind kind;
  float value[ES_VIEW_VALUES];
} es_view_change;

/** A window of a record. */
typedef struct es_view_window {
  int y, x, h, w;
} es_view_window;

/** One view: the window of a record [h, w, 3] u8, resized with antialiasing (resample.h)
 *  unless it has the size of the view; n changes, in their order; all divided by 255. */
typedef struct es_view_recipe {
  int64_t record; /**< where the record begins among es_views.records */
  int h, w;       /**< of the record */
  es_view_window window;
  bool bicubic; /**< else bilinear */
  int n;
  es_view_change change[ES_VIEW_CHANGES];
} es_view_recipe;

/** Views of n records each: image v n + i is made by recipe[v][i]. All in memory of the
 *  host. */
typedef struct es_views {
  int n, views; /**< views: 1 or 2 */
  int side;     /**< of all views, in pixels */
  const uint8_t
      *records; /**< those of recipes i, i + 1, ... follow each other; both views
                               of a pair are of one record */
  const es_view_recipe *recipe[2];
} es_views;

/** The largest that a run asks for. */
typedef struct es_views_most {
  int n, views, side; /**< as in es_views */
  int h;              /**< rows of the highest record */
  int64_t record;     /**< bytes of the largest */
} es_views_most;

/** Bytes of the record of a recipe. */
static inline int64_t es_view_record_bytes(const es_view_recipe *r) {
  return 3 * (int64_t) r->h * r->w;
}

/** The next change of a recipe; the caller fills in its values. */
static inline es_view_change *es_view_change_add(es_view_recipe *r, es_view_kind kind) {
  assert(r->n < ES_VIEW_CHANGES); /* each augmentation is listed once */
  es_view_change *const c = &r->change[r->n++];
  *c = (es_view_change){.kind = kind};
  return c;
}

#endif
