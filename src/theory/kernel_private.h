/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_private.h  Values of a kernel, and its matrix in tiles. */
#ifndef ES_THEORY_KERNEL_PRIVATE_H
#define ES_THEORY_KERNEL_PRIVATE_H

#include "eigenstep/kernel.h"

/** Points of m values, and their squared lengths. */
typedef struct es_point_rows {
  int count, m;
  const double *x, *norm; /**< [count][m]; [count] */
} es_point_rows;

/** Not collective. Pairs of `points` on this rank: they are its first ones. */
int64_t es_points_here(const es_pairs *p, es_points points);

/** Not collective. at[count] <- k(x, y) for all rows x, from x'y; yy = y'y.
 *  @return ES_OK, ES_EMATH (not finite) */
es_status es_kernel_column(const es_kernel *k, const es_point_rows *r, const double *y,
                           double yy, double *at);

/** Pairs of one rank that are handled together: their first views, then their second
 *  ones. */
typedef struct es_tile_block {
  int rank, n;  /**< pairs of the block */
  int64_t pair; /**< the first, of all */
  int64_t at;   /**< the first point, in the order of blocks */
} es_tile_block;

/** Points in blocks, in the order of ranks. */
typedef struct es_tile_table {
  int blocks, first, mine; /**< all; those of this rank: first .. first + mine - 1 */
  int64_t points;          /**< 2 (pairs of all blocks) */
  int64_t start, rows;     /**< points start .. start + rows - 1 are on this rank */
  es_tile_block *block;    /**< [blocks] owned */
} es_tile_table;

/** The kernel matrix of points, each pair of blocks once: on a rank that has one of them,
 *  stored or computed anew for each product. Vectors have the order of the blocks. */
typedef struct es_tiles {
  const es_kernel *k;
  const es_comm *comm;
  const es_pairs *p;
  int entry; /**< bytes of a stored entry: 8, 4; 0: none is stored */
  bool formed;
  es_tile_table table;
  double *norm;                    /**< [rows] squared lengths of this rank's points */
  void **stored;                   /**< [mine][blocks] NULL: not here, or not yet */
  double *seen, *seen_norm, *tile; /**< points of the block under way; one tile */
} es_tiles;

/** Collective. Tiles of the pairs `points`, of which each rank takes the first of `share`
 *  equal parts of its own. Nothing is computed before the first product.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_tiles_create(const es_comm *c, const es_kernel_sample *s, int share,
                          int entry, es_tiles **out);
void es_tiles_destroy(es_tiles **t);

/** Of what takes `total`, a product is the next `part` after what is done. */
typedef struct es_tiles_progress {
  double done, part, total;
} es_tiles_progress;

/** Collective. y [b][points] <- K x, both replicated; tells its progress.
 *  @return ES_OK, ES_STOPPED (a signal asked to), ES_EMATH, ES_ENOMEM: the same on all
 *          ranks, as below */
es_status es_tiles_apply(es_tiles *t, int b, const double *x, double *y,
                         es_tiles_progress progress);
/** Collective. y [b][t points] <- K(points of t, points of u) x [b][u points]. */
es_status es_tiles_extend(es_tiles *t, const es_tile_table *u, int b, const double *x,
                          double *y);
/** Collective. y [b][2 fresh] <- K(fresh points, points of t) x [b][t points]; y in the
 *  order of es_points. */
es_status es_tiles_at(es_tiles *t, es_points fresh, int b, const double *x, double *y);

/** Not collective. y [b][rows] <- the other view's rows of x [b][rows], times
 *  `factor`. */
void es_tiles_swap(const es_tile_table *t, int b, double factor, const double *x,
                   double *y);
/** Not collective. y <- x [b][points] in the order of es_points, all first views, then
 *  all second ones; the points start at pair `first`. */
void es_tiles_order(const es_tile_table *t, int64_t first, int b, const double *x,
                    double *y);

/** Not collective. sign[k] of the first of the largest components of x [k][n]: 1 or
 *  -1. */
void es_kernel_signs(int64_t n, int k, const double *x, double *sign);
/** Collective. *out [n, k] <- x [k][n], replicated, whose columns get their signs.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_kernel_columns(const es_grid *g, int64_t n, int k, double *x,
                            const double *sign, es_dmat **out);

/** Collective. Blocks of the pairs; `share` as above. The caller frees t->block. */
es_status es_tile_table_create(const es_comm *c, const es_pairs *p, es_points points,
                               int share, es_tile_table *t);

#endif
