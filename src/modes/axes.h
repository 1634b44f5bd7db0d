/* SPDX-License-Identifier: BSD-3-Clause */
/** @file axes.h  Modes of embeddings: their principal components, as functions on the
 *  points and as directions of the embedding space. Nothing is collective. */
#ifndef ES_STUDY_AXES_H
#define ES_STUDY_AXES_H

#include <stdint.h>
#include "eigenstep/status.h"

/** Modes of embeddings of `points` points in d dimensions, largest variance first; all
 *  owned. */
typedef struct es_study_modes {
  int points, d, k;
  double *mean;  /**< [d] */
  double *axis;  /**< [k, d] orthonormal; 0 beyond the rank */
  double *q;     /**< [k, points] coordinates on them, centred, of length 1 */
  double *value; /**< [k] variances of the coordinates (divided by points) */
} es_study_modes;

/** From embeddings z [points, d]. Signs: the largest component of an axis is positive.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (a value is not finite); the caller frees them,
 *          also after a failure */
es_status es_study_modes_find(int points, int d, const double *z, int k,
                              es_study_modes *m);
void es_study_modes_free(es_study_modes *m);

/** Directions in which the embeddings z of `last` show given modes: w [k, d], the least
 *  squares of q [k, points] on the coordinates of `last`, so that (z - mean) w' is
 *  nearest to q; kept [k]: the share of q that it is.
 *  @return ES_OK, ES_ENOMEM */
es_status es_study_directions(const es_study_modes *last, int k, const double *q,
                              double *w, double *kept);

/** Directions of a space of embeddings; borrowed. */
typedef struct es_study_frame {
  int d, k;
  const double *mean; /**< [d] */
  const double *w;    /**< [k, d] */
} es_study_frame;

/** Coordinates of n embeddings z [n, d] on them: to [n, k] = (z - mean) w'. */
void es_study_project(const es_study_frame *f, int64_t n, const double *z, double *to);

#endif
