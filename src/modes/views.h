/* SPDX-License-Identifier: BSD-3-Clause */
/** @file views.h  The views of a run's held-out pairs, made again: by other pipelines
 *  from the same records with the same random numbers, and their attributes. */
#ifndef ES_STUDY_VIEWS_H
#define ES_STUDY_VIEWS_H

#include "attribute.h"
#include "eigenstep/held_out.h"

/** Views of this rank's pairs. */
typedef struct es_study_views {
  es_shape shape;
  float *x; /**< [2 n, C, H, W] first views, then second ones; owned */
} es_study_views;

/** Not collective. Make them by the augmentations of `steps`.
 *  @return ES_OK, ES_ENOMEM, ES_ECONFIG, or the error of a record; the caller frees them,
 *          also after a failure */
es_status es_study_views_make(const es_held_out *h, const es_augment_steps *steps,
                              es_study_views *v);
void es_study_views_free(es_study_views *v);

/** Have the pairs augmentations, that is, are they made from images? */
bool es_study_is_augmented(const es_held_out *h);

/** What is known of all points, on all ranks; owned. */
typedef struct es_study_numbers {
  int64_t pairs;
  double *number;  /**< [ES_VIEW_NUMBERS, 2 pairs]; 0 where there is no such number */
  int64_t *record; /**< [pairs] */
  int64_t *label;  /**< [pairs] -1: none */
} es_study_numbers;

/** Collective. Those of the run's own views, in the colours they have before `normalize`.
 *  @return ES_OK, or as es_study_views_make: the same on all ranks; the caller frees
 *          them, also after a failure */
es_status es_study_numbers_read(const es_comm *c, const es_held_out *h,
                                es_study_numbers *s);
void es_study_numbers_free(es_study_numbers *s);

#endif
