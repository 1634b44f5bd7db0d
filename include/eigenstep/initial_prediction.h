/* SPDX-License-Identifier: BSD-3-Clause */
/** @file initial_prediction.h  What theory says of a training run before its first
 *  step.
 *
 *  Order of calls: es_prediction_make (a run from its start) or es_prediction_read (a
 *  resumed one) -> es_prediction_choose_lr -> es_prediction_write ->
 *  es_prediction_print. */
#ifndef ES_INITIAL_PREDICTION_H
#define ES_INITIAL_PREDICTION_H

#include "eigenstep/descent.h"
#include "eigenstep/grid.h"
#include "eigenstep/traj.h"
#include "eigenstep/assembly.h"
#include "eigenstep/transitions.h"

/** The eigenvalues of C at the start beside the noise of a probe of finite size. */
typedef struct es_probe_noise {
  int resolved;        /**< leading eigenvalues above the noise; -1: not known */
  double value, noise; /**< the first that is not, and its noise; NaN: all are resolved */
} es_probe_noise;

/** Collective. Embeddings z = W h of the features h: which eigenvalues of
 *  C = (1/2N) sum (z z'^T + z' z^T) exceed what N pairs of independent views with the
 *  same second moments S would give? In the directions of S from the k-th on these give
 *  a Wigner matrix whose largest eigenvalue is at most about
 *  sqrt(2 sigma_k sum_{j >= k} sigma_j / N), sigma_j the eigenvalues of S.
 *  @param x  [n, m] views of this rank, centred if the loss does
 *  @param w  [d, m] row-major
 *  @return ES_OK, ES_ENOMEM, ES_EMATH: the same on all ranks */
es_status es_probe_noise_of(const es_comm *c, const es_pairs *x, const float *w, int d,
                            es_probe_noise *noise);

/** Modes of the last layer on the features as they are at the start. */
typedef struct es_prediction {
  int modes;       /**< 0: no prediction */
  const char *why; /**< why there is none; NULL: there is one, or it was not looked for */
  int width;       /**< of the features */
  double *gamma;   /**< [modes] descending; owned */
  double *start;   /**< [modes] effective start s_j(0) (flow.h); NULL where times are not
                        known; owned */
  double *moment;  /**< [modes] mean second moment of the features along each; NULL as
                        start; owned */
  double *tau;     /**< [modes] time of half the final value, NaN where not known; NULL
                        before es_prediction_write; owned */
  double *step;    /**< [modes] the step of that time, NaN where not known or, unless the
                        learning rate is constant, beyond the run; NULL as tau; owned */
  es_probe_noise noise;
  int series; /**< of its curves in the trajectory, -1: none */
} es_prediction;

/** Print what loss to expect: at a small start, on the plateaus, how far above them
 *  batches stay; nothing for losses without a theory. */
void es_prediction_print_loss(const es_settings *s, const es_assembly *p);

/** Collective. The last layer alone, on the probe's features as the network gives them
 *  now, follows the linear theory: gamma_j and, where the dynamics of a mode are known,
 *  its start.
 *  Nothing of it depends on the learning rate. It takes one pass over the probe, for
 *  NT-Xent of cosines two, and leading eigenpairs of a matrix of the features' width.
 *  @param f  zeroed; the caller frees it, also after an error
 *  @return ES_OK also without a prediction (f->why); ES_ENOMEM, ES_EMATH: the same on all
 *          ranks */
es_status es_prediction_make(const es_comm *c, const es_grid *g, const es_settings *s,
                             const es_assembly *p, es_prediction *f);
/** Collective. What the first part of a resumed run wrote to /theory: its features are no
 *  longer those of the start. f as for es_prediction_make. */
es_status es_prediction_read(es_traj *t, es_prediction *f);

/** Not collective. optim.lr = auto becomes a number, a quarter of the largest stable
 *  learning rate (of it times (1 - mu) / (1 + mu) with momentum mu), rounded to three
 *  digits, in the settings and in the configuration; another value stays.
 *  @return ES_OK; ES_ECONFIG: nothing is predicted of this training; ES_ENOMEM */
es_status es_prediction_choose_lr(const es_prediction *f, const es_assembly *p,
                                  es_settings *s, es_config *cfg);

/** Collective. Times at the learning rates of the settings, and all of it to /theory; of
 *  a resumed run the curves alone, to the end that it has now. */
es_status es_prediction_write(const es_comm *c, const es_settings *s,
                              const es_assembly *p, es_traj *t, es_prediction *f);

/** Not collective. Print gamma_j, which transitions lie within the run, and warn where
 *  the run cannot show them: a learning rate above the stable one, an end before the
 *  first transition, a probe whose noise exceeds the first eigenvalues. Or why there is
 *  no prediction. */
void es_prediction_print(const es_settings *s, const es_assembly *p,
                         const es_prediction *f);

/** Not collective. Below the table of modes: what the prediction leaves open or is known
 *  to miss. Nothing where there is no prediction. */
void es_prediction_print_limits(const es_settings *s, const es_assembly *p,
                                const es_prediction *f);

/** Not collective. ln(step measured / step predicted from the start) of a mode; NaN where
 *  either is not known. */
double es_prediction_log_ratio(const es_prediction *f, const es_transition *row);

/** Collective. How well the steps of the learned modes among row[n] were predicted:
 *  median and largest |ln(measured / predicted)| of the prediction from the start, and
 *  of the forecasts in the run, printed and written to /score; ln of each mode's ratio
 *  to columns of /steps.
 *  @return ES_OK, ES_ENOMEM, ES_EIO: the same on all ranks */
es_status es_prediction_score(const es_comm *c, es_traj *t, const es_prediction *f,
                              const es_transition *row, int n);

void es_prediction_free(es_prediction *f);

#endif
