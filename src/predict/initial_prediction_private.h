/* SPDX-License-Identifier: BSD-3-Clause */
/** @file initial_prediction_private.h  What the files of the initial prediction share. */
#ifndef ES_INITIAL_PREDICTION_PRIVATE_H
#define ES_INITIAL_PREDICTION_PRIVATE_H

#include "eigenstep/assembly.h"
#include "eigenstep/initial_prediction.h"
#include "eigenstep/loss_theory.h"

/** Largest stable learning rate (es_loss_theory.stable_lr), NaN where it is not known,
 *  and the part of it that training takes well. */
double es_prediction_stable_lr(const es_prediction *f, const es_assembly *p,
                               const es_loss_setup *s);
double es_prediction_safe_lr(double stable, double momentum);

/** Sentences, in text[ES_PREDICTION_LIMITS], on what the prediction leaves open or is
 *  known to miss; returns how many. */
enum { ES_PREDICTION_LIMITS = ES_LOSS_CAUTIONS + 1 };
int es_prediction_limits(const es_assembly *p, const es_loss_setup *s,
                         const es_prediction *f, const char **text);

#endif
