/* SPDX-License-Identifier: BSD-3-Clause */
/** @file nested.h  Modes in the order in which they were learned, and what the halves of
 *  the pairs say of them. Nothing is collective.
 *
 *  Modes that have been learned have nearly equal eigenvalues, so that principal
 *  components mix them. When mode k has just been learned, the first k components span
 *  the modes 1 .. k: mode k is the direction of that span which is orthogonal, as a
 *  function on the points, to the modes that were learned before. */
#ifndef ES_STUDY_NESTED_H
#define ES_STUDY_NESTED_H

#include "axes.h"

/** Mode k, from 0, of the components m.
 *  @param before  [k, points] the modes learned before, of length 1
 *  @param q       [points] <- its coordinates, of length 1
 *  @param w       [d] <- the direction with (z - mean) . w = q
 *  @return ES_OK, ES_ENOMEM */
es_status es_study_nested(const es_study_modes *m, int k, const double *before, double *q,
                          double *w);

/** Components of either half of the pairs, which are parted at random (points i and i +
 *  points / 2 are of one pair); owned. */
typedef struct es_study_halves {
  es_study_modes of[2];
  int *point[2]; /**< [of.points] numbers among all points */
} es_study_halves;

/** Of embeddings z [points, d]. @return as es_study_modes_find; the caller frees them,
 *  also after a failure */
es_status es_study_halves_find(const es_study_modes *m, const double *z, uint64_t seed,
                               es_study_halves *h);
void es_study_halves_free(es_study_halves *h);

/** Split-half reproducibility: |correlation| over all points of z on the axes of
 *  component k of both halves; NaN: there is none. */
double es_study_halves_component(const es_study_halves *h, int points, const double *z,
                                 int k);
/** The same of mode k as in es_study_nested. @return ES_OK, ES_ENOMEM */
es_status es_study_halves_nested(const es_study_halves *h, int points, const double *z,
                                 int k, const double *before, double *agree);

#endif
