/* SPDX-License-Identifier: BSD-3-Clause */
/** @file shape.h  Shape of one image or activation. */
#ifndef ES_SHAPE_H
#define ES_SHAPE_H

typedef struct es_shape {
  int c, h, w;
} es_shape;

#endif
