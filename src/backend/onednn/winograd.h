/* SPDX-License-Identifier: BSD-3-Clause */
/** @file winograd.h  Transforms of tiles for 3x3 convolutions of stride 1 with fewer
 *  multiplications (Winograd 1980; Lavin, Gray 2016).
 *
 *  A tile is m x m positions of the result, which depend on n x n pixels. Constant
 *  matrices B [n, p], A [p, m] and G [p, 3] (winograd_tiles.h) are such that
 *
 *    y = A' ((G g G') * (B' x B)) A        * element by element, summed over channels
 *    dg = G' ((B' x B) * (A dy A')) G      its adjoint, summed over tiles
 *
 *  so that for each of the p^2 points there is one matrix product of tiles, channels and
 *  filters. Points are matrices [tiles, channels], one after another. */
#ifndef ES_WINOGRAD_H
#define ES_WINOGRAD_H

#include "onednn_state.h"
#include "winograd_tiles.h"

/** Tiles of one side of a convolution, counted through all images. */
typedef struct es_winograd {
  es_tile tile;
  bool bf16;      /**< activations and their points; sums and weights are f32 */
  int h, w;       /**< the map */
  int step;       /**< pixels from one tile to the next */
  int pad;        /**< pixels that those of its first row and column begin before it */
  int rows, cols; /**< of tiles in a map */
  int channels, threads;
} es_winograd;

/** Tiles [first, first + count); those from `end` on are 0. */
typedef struct es_winograd_part {
  int64_t first, count, end;
} es_winograd_part;

/** Elements from one point's matrix of so many rows to the next: an odd number of cache
 *  lines, so that the points of a tile are in different sets of the caches. */
int64_t es_winograd_step(const es_winograd *g, int64_t rows, bool bf16);

/** B' x B of activations x [N, h, w, channels], which are not changed. */
void es_winograd_input(const es_winograd *g, const es_winograd_part *p, void *x,
                       void *points);
/** A dy A'; dy is not changed. */
void es_winograd_spread(const es_winograd *g, const es_winograd_part *p, void *dy,
                        void *points);
/** y [+]= A' M A of points M in f32. */
void es_winograd_output(const es_winograd *g, const es_winograd_part *p, bool add,
                        float *points, void *y);
/** G g G' of weights g [rows, channels, 3, 3], turned by 180 degrees if asked. */
void es_winograd_filter(const es_winograd *g, int64_t rows, bool turned,
                        const float *weights, float *points);
/** dw [rows, channels, 3, 3] [+]= G' S G, where S is the sum of `copies`, one after
 *  another. By g->threads threads; the others by the thread that calls. */
void es_winograd_gradient(const es_winograd *g, int64_t rows, int copies,
                          const float *points, bool add, float *dw);

#endif
