/* SPDX-License-Identifier: BSD-3-Clause */
/** @file precondition.h  Preconditioned gradient: dL/dz (C + eps I)^-1 in place of dL/dz,
 *  with the loss's C of the batch before, between loss and backward.
 *
 *  In the linear model with Barlow Twins an eigenvalue of C then follows
 *  dl/dt = 8 gamma l (1 - l)/(l + eps) instead of 8 gamma l (1 - l): no exponential wait
 *  above eps. */
#ifndef ES_PRECONDITION_H
#define ES_PRECONDITION_H

#include "eigenstep/loss.h"
#include "eigenstep/visit.h"

/** Section [precondition]. */
typedef struct es_precondition_params {
  double eps; /**< 0 = off */
  bool clip;
} es_precondition_params;
extern const es_param es_precondition_table[];

typedef struct es_precondition es_precondition;

/** Refuse a loss that has no C, and embeddings too wide for it. */
es_status es_precondition_check(const es_precondition_params *par,
                                const es_loss_ops *loss, int dim);

/** Not collective. Bytes of rank 0, which has about 32 D^2 of its own beside its part of
 *  the 16 D^2 that `node` ranks share; and what a node takes of /dev/shm for that. */
double es_precondition_bytes(int dim, int node);
double es_precondition_shared(int dim, int node);

/** Not collective. What rank 0 computes in a step, in operations that take as long at the
 *  rate of matrix products: 25 D^3 for the 10 D^3 that are done. */
double es_precondition_operations(const es_precondition_params *par, double dim);

/** Collective. *p is NULL if eps is 0. Memory: es_precondition_bytes.
 *  @param loss  borrowed, must outlive
 *  @param comm  borrowed, must outlive: the ranks that apply it together. The loss's own
 *               communicator is smaller where each rank evaluates all rows
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM: the same on all ranks */
es_status es_precondition_create(const es_precondition_params *par, const es_loss *loss,
                                 const es_comm *comm, es_precondition **p);
/** Collective, as what the ranks of a node share may be freed. */
void es_precondition_destroy(es_precondition **p);

/** Collective, after es_loss_eval with gradients: b->dz [n, D] <- dz (C + eps I)^-1 in
 *  place, of both views; b->z is not read. Negative eigenvalues of C, which a
 *  cross-correlation of a batch may have, count as 0, so that no gain exceeds 1/eps.
 *  Rank 0 decomposes C, about 10 D^3 operations, and sends to each node the D^2 numbers
 *  that its ranks multiply by, 4 n D^2: the same on ranks of unlike processors.
 *
 *  Where C's largest eigenvalue, while below 0.1 or eps, grows in a step so fast that
 *  2 lr gamma_1 > eps, a warning says so once, and with `clip` eps is raised to that from
 *  then on.
 *  @param p   NULL: nothing happens
 *  @param lr  learning rate of the step this gradient is for
 *  @return ES_OK, also where C is not finite: then dz stays; ES_EMATH (LAPACK fails): the
 *          same on all ranks */
es_status es_precondition_apply(es_precondition *p, double lr, const es_loss_batch *b);

/** eps in force at learning rate lr. */
double es_precondition_eps(const es_precondition *p, double lr);

/** To be called after a step without an update: C does not grow until the next step,
 *  which is no estimate of gamma_1. p may be NULL. */
void es_precondition_forget(es_precondition *p);

/** State visitor: "precondition/state", what is known of the growth, and
 *  "precondition/inverse", that of the batch before [D, D]. p may be NULL. */
es_status es_precondition_visit(es_precondition *p, es_visitor *v);

#endif
