/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss.h  Self-supervised losses on pairs of embeddings. Variants: loss_list.h.
 *
 *  Mathematics in double on the host: embeddings are the small end of the network. The
 * value and the gradient are those of the *global* batch: summing the ranks' parameter
 * gradients gives the gradient a single rank would have (a sum, not an average). */
#ifndef ES_LOSS_H
#define ES_LOSS_H

#include "eigenstep/comm.h"
#include "eigenstep/param.h"
#include "eigenstep/visit.h"

typedef struct es_loss es_loss;

/** The pairs of embeddings on this rank. Borrowed. */
typedef struct es_loss_batch {
  int n;              /**< pairs here; may differ between ranks, may be 0 */
  const double *z[2]; /**< [n, D] row-major: embeddings of view 1 and of view 2 */
  double *dz[2];      /**< [n, D] out: their gradients; NULL both: not wanted */
  int64_t step;       /**< training step: what a loss draws is a function of (seed, step);
                           0 where pairs are only measured */
} es_loss_batch;

/** The matrix whose eigenvalues grow mode by mode: the transition detector follows it. */
typedef struct es_loss_modes {
  bool cross;     /**< it is the cross-correlation of the views, not the covariance of the
                       embeddings */
  bool unit;      /**< of embeddings divided by their length */
  bool center;    /**< the cross-correlation is of embeddings less their batch mean, */
  bool normalize; /**< divided by their standard deviation over the batch */
  double rate;    /**< from a small start an eigenvalue grows as e^(rate gamma t) */
  double settled; /**< about where the eigenvalue of a learned mode settles */
  double alone;   /**< where the first settles before the second rises (for forecasts of
                       its rise to half of that; it counts as learned above settled / 2);
                       0: at settled, too */
} es_loss_modes;

/** What an evaluation with its gradient exchanges between the ranks, in numbers (double);
 *  beside that a few bytes of agreement. For the cost model (step_model.h). */
typedef struct es_loss_exchange {
  int sums;         /**< sums over all ranks, each waited for */
  double summed;    /**< numbers in all of them together */
  double by_node;   /**< numbers that the ranks of a node sum together, once for all, with
                         those of other nodes */
  double gathered;  /**< numbers that each rank has of all ranks */
  double broadcast; /**< numbers that rank 0 computes and sends to all */
  double spread;    /**< those that it sends once to each node */
  double alone;     /**< operations of rank 0, for which all wait */
} es_loss_exchange;

/** The theory of a loss: loss_theory.h. */
typedef struct es_loss_theory es_loss_theory;

/* --- for authors of a loss ---------------------------------------------------------- */
typedef struct es_loss_ops {
  const char *name, *doc;
  const es_param *params; /**< table of section [loss.NAME] */
  size_t size;            /**< of its parameter struct */
  /** Optional (NULL: nothing to check): are these parameters possible with this batch? */
  es_status (*check)(const void *par, int64_t pairs, int dim);
  /** Bytes of workspace for up to n_max pairs on this rank and `all` on all ranks;
   * optional
   *  (NULL: none). */
  size_t (*workspace)(const void *par, int n_max, int64_t all, int dim);
  int matrices; /**< D x D, that a node holds once (src/ssl/gram.h) */
  bool eigen;   /**< it decomposes one of them (src/ssl/symmetric.h) */
  /** What `eval` exchanges for a batch of `pairs` pairs on all ranks. */
  es_loss_exchange (*exchange)(const void *par, int64_t pairs, int dim);
  /** As es_loss_eval, with n <= n_max. */
  es_status (*eval)(es_loss *l, const es_loss_batch *b, double *value);
  /** dz is not the slope of the value: some of it is held fixed (stop-gradient). */
  bool stop_gradient;
  /** Its running state, part of a checkpoint. It changes in evaluations that want a
   *  gradient. Optional (NULL: the loss has none). */
  es_status (*visit)(es_loss *l, es_visitor *v);
  /** Change in *m what differs from: covariance of the embeddings as they are, not
   *  centred, rate 2, settled at 1. Optional (NULL: nothing does). */
  void (*modes)(const void *par, int dim, es_loss_modes *m);
  /** The matrix C [D, D] of the last batch evaluated, of all ranks, symmetric: the one
   *  whose eigenvalues grow mode by mode, and by which a gradient is preconditioned.
   *  Not collective. Optional (NULL: the loss has none). */
  void (*matrix)(const es_loss *l, double *c);
  const es_loss_theory *theory; /**< optional (NULL: nothing is known) */
} es_loss_ops;

struct es_loss {
  const es_loss_ops *ops;
  const es_comm *comm;   /* borrowed; must outlive: the ranks that share the rows */
  const es_comm *decide; /* likewise: those that must go on alike, comm or all replicas */
  int n_max, dim;
  uint64_t seed;
  void *par;            /* owned: the variant's parameter struct */
  double *work;         /* owned */
  struct es_gram *gram; /* owned: its matrices; NULL: none */
};

size_t es_loss_list(const es_loss_ops *const **list);

/* --- for users ---------------------------------------------------------------------- */
/** Section [loss]. */
typedef struct es_loss_params {
  es_string name;
} es_loss_params;
extern const es_param es_loss_table[];

/** Sections loss and loss.NAME of all variants, appended to s[max]; returns how many. */
size_t es_loss_sections(es_section *s, size_t max);

/** A loss and the values of its section [loss.NAME]. */
typedef struct es_loss_choice {
  const es_loss_ops *ops;
  void *par; /**< [ops->size] bytes; NULL: the defaults */
} es_loss_choice;
/** Look up by name, without values. @return ES_OK, ES_ECONFIG */
es_status es_loss_find(const char *name, const es_loss_ops **ops);

/** How many embeddings a loss is to be made for. */
typedef struct es_loss_size {
  int n_max;     /**< pairs on this rank, at most */
  int64_t pairs; /**< of the global batch: for checks */
  int dim;       /**< width of the embeddings */
  uint64_t seed; /**< of what the loss draws */
  const es_comm
      *replicas; /**< ranks that each evaluate all of it on the same rows, at the
                                same time (row_layout.h); borrowed. NULL: none */
} es_loss_size;
/** Collective. Make a loss; the values are copied, comm is borrowed and must outlive it.
 *  @return ES_OK; ES_ECONFIG (values impossible with these sizes), ES_EARG, ES_ENOMEM:
 *          the same on all ranks */
es_status es_loss_create(const es_loss_choice *which, const es_loss_size *size,
                         const es_comm *comm, es_loss **l);
/** Collective, as what the ranks of a node share may be freed. */
void es_loss_destroy(es_loss **l);
/** Bytes that es_loss_create would take on rank 0, which has the most, where all ranks
 *  have `all` pairs together (size->n_max of them here) and a node has `node` ranks; for
 *  dry runs. which->par must be given. */
double es_loss_bytes(const es_loss_choice *which, const es_loss_size *size, int64_t all,
                     int node);

/** What the ranks of a node hold together, of which these are a part: bytes of its
 *  /dev/shm. */
double es_loss_shared(const es_loss_choice *which, const es_loss_size *size, int node);

/** What an evaluation of size->pairs pairs exchanges; which->par must be given. */
es_loss_exchange es_loss_exchange_of(const es_loss_choice *which,
                                     const es_loss_size *size);

/** Not collective. State visitor: the running state, if the loss has one. */
es_status es_loss_visit(es_loss *l, es_visitor *v);

/** What is followed of it, also before it is made; which->par must be given. */
es_loss_modes es_loss_modes_of(const es_loss *l);
es_loss_modes es_loss_modes_with(const es_loss_choice *which, int dim);

/** Collective. L and dL/dz of the global batch: the pairs of all ranks.
 *  @param b      0 <= b->n <= n_max; b->dz gets the gradient of the global L
 *  @param value  L, the same on all ranks (may be infinite or NaN: the caller decides)
 *  @return ES_OK, ES_EARG */
es_status es_loss_eval(es_loss *l, const es_loss_batch *b, double *value);

#endif
