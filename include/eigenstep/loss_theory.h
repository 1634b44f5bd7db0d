/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_theory.h  The theory of a loss: a member of the loss's own ops.
 *
 *  The model: embeddings z = W h of features h that stay as they are, W [D, m] trained by
 *  gradient descent from a small start. In a linear model h are the data; in a network
 *  they are what the encoder gives before the first step. t = learning rate x step.
 *  From a small start W obeys dW/dt = W G with a symmetric G [m, m] that the loss makes
 *  of the features: eigenvalue g_j of G is the growth rate of mode j's amplitude, 2 g_j
 *  that of its eigenvalue in the followed matrix (es_loss_modes). */
#ifndef ES_LOSS_THEORY_H
#define ES_LOSS_THEORY_H

#include "eigenstep/dmat.h"
#include "eigenstep/flow.h"
#include "eigenstep/loss.h"
#include "eigenstep/rates.h"

/** The training to which a theory is applied. */
typedef struct es_loss_setup {
  int dim;           /**< D, width of the embeddings */
  int64_t pairs;     /**< N, pairs of a batch */
  int layers;        /**< of the projector; theory is of a single one */
  bool bias;         /**< its last layer has one */
  const char *optim; /**< name of the optimiser */
  double lr, momentum, weight_decay;
  bool nesterov;
  bool constant_lr;    /**< the learning rate is lr in all steps */
  double precondition; /**< eps of the preconditioned gradient, 0: plain gradient */
} es_loss_setup;

/** Where dW/dt = W G holds, and what its eigenvalues are called. */
typedef struct es_loss_linear {
  bool point;   /**< the loss depends on directions only: G holds about a start at which
                     all embeddings are near one point, in the D - 1 directions across it,
                     and along it nothing moves. false: about W = 0 */
  double small; /**< holds while all embedding variances are below this */
  double unit;  /**< gamma_j = unit g_j, where 2 = rate unit with es_loss_modes.rate */
  double noise; /**< relative standard error of G in one evaluation, where the loss draws:
                     G is the mean over many steps; 0: it draws nothing */
} es_loss_linear;

/** One mode of a linear model z = W x at a small start, W = q s v' with unit vectors. */
typedef struct es_loss_mode {
  double gamma;  /**< v' Gamma v: views' cross-correlation along v, symmetrised */
  double moment; /**< v' M2 v: their mean second moment along v */
} es_loss_mode;

/** A solved flow (flow.h): its time and its loss in those of the training. Features are
 *  centred before their modes are computed if es_loss_modes.center. */
typedef struct es_loss_flow {
  es_flow_options options; /**< for es_flow_create */
  double speed;            /**< flow time that passes in a unit of t */
  double scale;            /**< loss = scale x loss of the flow */
} es_loss_flow;

/** The theory of one loss. par: its parameters. Optional members are NULL where
 *  nothing is known; numbers are NaN where the parameters leave the known range. None is
 *  collective but growth_matrix. */
struct es_loss_theory {
  /** The loss at the start: W small or, if es_loss_linear.point, embeddings near one
   *  point. Optional. */
  double (*start)(const void *par, const es_loss_setup *s);
  /** The loss while k of D modes are learned and the views agree, over many pairs: a
   *  plateau. *value: the k equal eigenvalues of the followed matrix there. Optional. */
  double (*plateau)(const void *par, const es_loss_setup *s, int k, double *value);
  /** How far the mean loss of batches of s->pairs pairs lies above the plateau, for
   *  Gaussian embeddings. Optional. */
  double (*batch_bias)(const void *par, const es_loss_setup *s, int k);
  /** Given with growth_matrix. */
  void (*linear)(const void *par, const es_loss_setup *s, es_loss_linear *l);
  /** Collective. G of these features, new [m, m], caller frees. Optional.
   *  @param x       at least 2 pairs, as they are: the loss removes the means it does not
   *                 depend on
   *  @param length  of the point that embeddings are near, > 0; not read unless
   *                 es_loss_linear.point
   *  @return ES_OK, ES_EARG, ES_ENOMEM: the same on all ranks */
  es_status (*growth_matrix)(const void *par, const es_loss_setup *s, const es_grid *grid,
                             const es_pairs *x, double length, es_dmat **g);
  /** One mode alone: -dL/ds at amplitude s, and *value, its eigenvalue in the followed
   *  matrix (mean second moment of the views' embeddings, or their cross-correlation).
   *  Pairs are centred if es_loss_modes.center. NaN where modes do not move alone with
   *  these parameters. Optional. */
  double (*velocity)(const void *par, const es_loss_setup *s, const es_loss_mode *mode,
                     double amplitude, double *value);
  /** The whole dynamics are solved: how es_flow computes them. Its speed contains the
   *  momentum mu as 1 / (1 - mu). Optional. */
  void (*flow)(const void *par, const es_loss_setup *s, es_loss_flow *f);
  /** Learning rate above which plain descent, with the momentum of s, leaves the minimum
   *  where the first mode is learned. Given with flow.
   *  @param gamma  gamma_1 of the features, > 0 */
  double (*stable_lr)(const void *par, const es_loss_setup *s, double gamma);
  /** par, of defaults, <- the parameters with which flow gives a loss of weights like
   *  o's. Given with flow. */
  void (*solved)(void *par, const es_flow_options *o);
  /** A sentence: why growth_matrix and flow do not describe this training; NULL: they do.
   *  es_loss_obstacle checks first what no loss's theory allows. Optional. */
  const char *(*obstacle)(const void *par, const es_loss_setup *s);
  /** A sentence: in what the prediction is known to be inaccurate; NULL: nothing.
   *  Optional. */
  const char *(*caution)(const void *par, const es_loss_setup *s);
};

/** Has this loss a growth matrix, or a solved flow? ops may have no theory at all. */
bool es_loss_has_growth_matrix(const es_loss_ops *ops);
bool es_loss_has_flow(const es_loss_ops *ops);
/** Does it say how one mode moves alone? And with these parameters? */
bool es_loss_has_velocity(const es_loss_ops *ops);
bool es_loss_modes_move_alone(const es_loss *l, const es_loss_setup *s);
/** Is each mode to be followed alone, as no solved flow describes this training: there is
 *  none, or it is of plain descent and this has momentum or a preconditioned gradient? */
bool es_loss_modes_need_each(const es_loss *l, const es_loss_setup *s);

/** Does G of the loss hold about a start at which all embeddings are near one point? */
bool es_loss_is_linear_at_point(const es_loss *l, const es_loss_setup *s);

/** The names of the losses that have one of both, "a, b or c", cut to `size` bytes. */
void es_loss_names_with_theory(char *text, size_t size);

/** Collective. The loss whose solved flow has these weights (what o says of the descent
 *  is not read), with defaults otherwise: the first in the list that has a flow.
 *  @return as es_loss_create */
es_status es_loss_create_solved(const es_flow_options *o, const es_loss_size *size,
                                const es_comm *comm, es_loss **l);

/** A sentence: why nothing can be predicted of this training; NULL: it can. */
const char *es_loss_obstacle(const es_loss *l, const es_loss_setup *s);

/** Sentences about a prediction that can be made but is known to be inaccurate, in
 *  text[ES_LOSS_CAUTIONS]; returns how many.
 *  @param gamma  gamma_1 of the features */
enum { ES_LOSS_CAUTIONS = 2 };
int es_loss_cautions(const es_loss *l, const es_loss_setup *s, double gamma,
                     const char **text);

#endif
