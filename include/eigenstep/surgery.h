/* SPDX-License-Identifier: BSD-3-Clause */
/** @file surgery.h  Section [surgery]: before one step of a training single modes of the
 *  embedding are removed, frozen or boosted. What happens to the others?
 *
 *  Mode k is the direction q_k in the space of outputs, the k-th eigenvector of the
 *  matrix that the loss follows, at that step, of all D; it stays what it is afterwards.
 *    remove  W <- (I - (1 - left) q q') W, once, W the weights of the last layer
 *    freeze  dL/dz <- (I - q q') dL/dz from that step on: neither the last layer nor
 *            those below learn from the mode. Without weight decay q' W stays as it is
 *    boost   dL/dz <- (I + (gain - 1) q q') dL/dz from that step on
 *  Momentum along q is multiplied as W is (remove), or is 0 (freeze).
 *
 *  Order of calls: create -> set, before the step -> move of weights and momentum;
 *  steer in every step. Only es_surgery_record and es_surgery_resume are collective; the
 *  state is the same on all ranks. */
#ifndef ES_SURGERY_H
#define ES_SURGERY_H

#include "eigenstep/loss.h"
#include "eigenstep/traj.h"

/** Section [surgery]. */
typedef struct es_surgery_params {
  int64_t step; /**< before which modes are changed */
  es_list remove, freeze, boost;
  double left, gain;
} es_surgery_params;
extern const es_param es_surgery_table[];

/** What is done to one mode. */
typedef struct es_surgery_entry {
  int mode;    /**< from 1 */
  double left; /**< of W along q; 1: it is not removed */
  double gain; /**< of its gradient; 1: as it is, 0: frozen */
} es_surgery_entry;

enum { ES_SURGERY_MODES = 3 * ES_LIST_MAX };

/** Does the section name a mode? */
bool es_surgery_is_wanted(const es_surgery_params *p);
/** The modes of the three lists, ascending, into entry[ES_SURGERY_MODES]; returns how
 *  many: 0 = no surgery. */
int es_surgery_entries(const es_surgery_params *p, es_surgery_entry *entry);
/** Refuse what is no mode of D outputs, modes both frozen and boosted, steps that are not
 *  made. @param steps  of the run; 0: not known. @return ES_OK, ES_ECONFIG */
es_status es_surgery_check(const es_surgery_params *p, int dim, int64_t steps);

/** Opaque. Functions but for create and destroy take NULL for no surgery. */
typedef struct es_surgery es_surgery;

/** *s <- NULL where the section names no mode. @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_surgery_create(const es_surgery_params *p, int dim, int64_t steps,
                            es_surgery **s);
void es_surgery_destroy(es_surgery **s);

/** Is it to be done before `step`? */
bool es_surgery_is_due(const es_surgery *s, int64_t step);
/** The step before which it was done; INFINITY: it is not done, or there is none. */
double es_surgery_done(const es_surgery *s);
/** The highest mode it needs. */
int es_surgery_modes(const es_surgery *s);
/** The directions, from the leading es_surgery_modes eigenvectors q [modes, D] and
 *  eigenvalues, at effective time t. From now on it is done. */
void es_surgery_set(es_surgery *s, double time, const double *value, const double *q);

/** x [D, columns] <- what becomes of weights, or, `momentum`, of sums of gradients. */
void es_surgery_move(const es_surgery *s, bool momentum, int64_t columns, double *x);
/** dL/dz of a batch, in place, once the surgery is done. */
void es_surgery_steer(const es_surgery *s, const es_loss_batch *b);

/** Collective. Once it is done: a line of the log for each mode, and the table /surgery.
 *  @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_surgery_record(const es_surgery *s, es_traj *t);
/** Collective. A run goes on from a state: where that is from before the surgery, a table
 *  /surgery that is there has no rows any more. @return as es_surgery_record */
es_status es_surgery_resume(const es_surgery *s, es_traj *t);

/** State visitor: the directions, of a state after `steps` steps. */
es_status es_surgery_visit(es_surgery *s, int64_t steps, es_visitor *v);

#endif
