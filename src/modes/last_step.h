/* SPDX-License-Identifier: BSD-3-Clause */
/** @file last_step.h  What is measured of modes in the last step, and at the start. */
#ifndef ES_STUDY_LAST_STEP_H
#define ES_STUDY_LAST_STEP_H

#include "eigenstep/grid.h"
#include "eigenstep/mode_study.h"
#include "eigenstep/stop.h"
#include "findings.h"

/** A step's network and its modes; borrowed. */
typedef struct es_study_state {
  const es_comm *comm;
  const es_held_out *held_out;
  int value;                  /**< of the network: ES_PROBE_EMBEDDING or the features */
  const es_study_modes *last; /**< of this step */
  es_stop *stop;              /**< requests to stop: ES_STOPPED */
} es_study_state;

/** Collective. Invariance of the learned modes, 2 sum a b / sum (a^2 + b^2) of the
 *  centred coordinates a, b of two views: to the run's views, and to each random
 *  augmentation alone, with the values it has in the run, on whole images. 1: it does not
 *  matter.
 *  @return ES_OK, ES_ENOMEM, ES_STOPPED, or the network's error: the same on all ranks;
 *          the caller frees the table, also after a failure */
es_status es_study_invariance(const es_study_state *s, const es_study_learned *l,
                              es_study_table *t);

/** Collective. Have the records of a run classes that classifier `by` (none: n = 0) can
 *  tell, and can it read them? To be called before long work: without classes it warns.
 *  @return ES_OK, also without classes; ES_EIO, ES_EFORMAT, ES_ECONFIG, ES_ENOMEM (the
 *          records cannot be read): the same on all ranks */
es_status es_study_find_classes(const es_comm *c, const es_held_out *h,
                                const es_accuracy_choice *by, bool *found);

/** Collective. Accuracy of the classifier `by` on the coordinates of the first k, the
 *  last k, k random modes (mean over `draws`) and on mode k alone, for records and whole
 *  images as section [accuracy] has them; es_study_find_classes has found classes.
 *  @param u  zeroed
 *  @return as es_study_invariance, or ES_EFORMAT (a record has no class); the caller
 *          frees u->accuracy, also after a failure */
es_status es_study_classify(const es_study_state *s, const es_study_learned *l,
                            const es_accuracy_choice *by, int draws,
                            es_study_usefulness *u);

/** Collective. The pairs whose first views have the largest and the smallest coordinates,
 *  with pictures of these views, at most 64 pixels a side. Errors as above. */
es_status es_study_find_extremes(const es_study_state *s, const es_study_learned *l,
                                 es_study_extremes *e);

/** Collective. At the start of a run: eigenvalues gamma of Gamma = (1/2n) sum (x x'^T +
 *  x' x^T) of centred views, as pixels and as features, and for each augmentation
 *    d ln gamma_j / d strength = v_j' (dGamma / d strength) v_j / gamma_j
 *  by a quarter of the strength less, with the same random numbers.
 *  @param start  of the network before the first step
 *  @return as es_study_invariance, or as es_modes_create */
es_status es_study_measure_rates(const es_comm *c, const es_held_out *start, int modes,
                                 es_stop *stop, es_study_rates rates[ES_RATES]);

#endif
