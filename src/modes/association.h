/* SPDX-License-Identifier: BSD-3-Clause */
/** @file association.h  How much of a mode an attribute explains, R^2, and how much by
 *  chance.
 *
 *  R^2 of an attribute of several numbers is that of their least squares, with a
 *  constant; of the class it is eta^2, the share of the variance between classes. The
 *  null: pairs exchange their attributes at random, both views of a pair together, and
 *  the largest R^2 of any mode is taken, so that a mode above the 99th percentile is rare
 *  even among many. */
#ifndef ES_STUDY_ASSOCIATION_H
#define ES_STUDY_ASSOCIATION_H

#include "views.h"

/** Orthonormal regressors of all attributes, centred where they are numbers; owned. */
typedef struct es_study_regressors {
  int points, all;
  int first[ES_ATTRIBUTES + 1]; /**< rows first[a] .. first[a + 1] - 1 are of attribute a:
                                     none where it is the same for all points */
  double *row;                  /**< [all, points] */
} es_study_regressors;

/** Not collective. @return ES_OK, ES_ENOMEM; the caller frees them, also after a
 *  failure */
es_status es_study_regressors_make(const es_study_numbers *s, es_study_regressors *r);
void es_study_regressors_free(es_study_regressors *r);
static inline bool es_study_has(const es_study_regressors *r, int attribute) {
  return r->first[attribute + 1] > r->first[attribute];
}

/** Not collective. r2 [modes, ES_ATTRIBUTES] of modes q [modes, points], orthonormal and
 *  centred; NaN for attributes that do not vary. @return ES_OK, ES_ENOMEM */
es_status es_study_explain(const es_study_regressors *r, int modes, const double *q,
                           double *r2);

/** The largest R^2 by chance, permutation by permutation; owned. */
typedef struct es_study_null {
  int permutations;
  uint64_t seed;
  double *most; /**< [permutations, ES_ATTRIBUTES] */
} es_study_null;
es_status es_study_null_open(int permutations, uint64_t seed, es_study_null *n);
void es_study_null_free(es_study_null *n);
/** Collective. Take further modes into account. @return ES_OK, ES_ENOMEM */
es_status es_study_null_add(const es_comm *c, const es_study_regressors *r, int modes,
                            const double *q, es_study_null *n);
/** level [ES_ATTRIBUTES]: 99th percentile. @return ES_OK, ES_ENOMEM */
es_status es_study_null_level(const es_study_null *n, double *level);
/** Share of permutations, the true order included, whose largest R^2 is at least r2. */
double es_study_null_p(const es_study_null *n, int attribute, double r2);

#endif
