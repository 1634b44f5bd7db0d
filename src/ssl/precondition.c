/* SPDX-License-Identifier: BSD-3-Clause */
/** @file precondition.c  dL/dz (C + eps I)^-1 by eigenvectors of the loss's C (Simon et
 *  al., ICML 2023, propose to speed up small eigendirections; this form is ours).
 *
 *  C is that of the batch before: independent of the noise of dL/dz, so that
 *  E[dz (C + eps I)^-1] vanishes where E[dz] does. With its own C a batch in which C is
 *  large by chance counts less, and eigenvalues end higher than in the plain run: by 7 to
 *  26 % with 512 pairs. Its own C serves a first batch, and one at which eps was raised.
 *
 *  With finite steps an amplitude sqrt(l) below eps grows by the factor
 *  1 + 4 lr gamma/eps a step (Barlow Twins). From one step to the next that gives
 *  gamma_1 back, lr gamma_1 = (sqrt(l'/l) - 1)(m + eps) / (4 (1 - l)), with l and m the
 *  largest eigenvalue of C and of the C that was divided by: the step overshoots by half
 *  or more unless eps >= 2 lr gamma_1. Only growth from below 0.1 (or eps) counts: there
 *  the noise of a batch, some 20 % of l, is below 0.01. */
#include "eigenstep/precondition.h"

#include <math.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "rows.h"
#include "symmetric.h"

enum { BLOCK = 64 }; /* rows multiplied at a time */

typedef es_precondition_params par;
const es_param es_precondition_table[] = {
    ES_DOUBLE(par, eps, "0", 0, 1e6, "1",
              "dL/dz becomes dL/dz (C + eps I)^-1 with the loss's C of the batch before; "
              "0 = off; 2 optim.lr gamma_1 or more"),
    ES_BOOL(par, clip, "true",
            "raise eps to 2 lr gamma_1 as estimated from the growth of C's largest "
            "eigenvalue (/steps/gamma assumes the given eps)"),
    ES_PARAM_END};

struct es_precondition {
  par par;
  const es_loss *loss; /* borrowed */
  const es_comm *comm; /* borrowed: the ranks that hold the same state */
  /* gamma_1, the largest estimate; at the last step: largest eigenvalue of C, lr, eps,
   * and m + eps of what it was divided by; steps */
  double state[6];
  bool warned;
  es_gram *gram;        /* owned: two matrices of the node */
  double *before, *now; /* [D, D] (C + eps I)^-1, of the last batch and this: these two */
  double *value;        /* [D] owned */
  double *rows;         /* [BLOCK, D] owned */
};
enum { GAMMA, TOP, LR, EPS, DIVISOR, STEPS };
#define MARGIN 2.0 /* of eps above lr gamma_1 */

es_status es_precondition_check(const par *p, const es_loss_ops *loss, int dim) {
  ES_CHECK(p->eps == 0 || loss->matrix != NULL, ES_ECONFIG,
           "precondition.eps: got %g with loss %s, expected 0: this loss has no matrix C "
           "to precondition by",
           p->eps, loss->name);
  ES_CHECK(p->eps == 0 || dim <= ES_SYMMETRIC_WIDEST, ES_ECONFIG,
           "precondition.eps: got embeddings of width %d, expected at most %d", dim,
           ES_SYMMETRIC_WIDEST);
  return ES_OK;
}

static es_gram_size gram_size(int dim) {
  return (es_gram_size){.dim = dim, .matrices = 2, .work = es_symmetric_work(dim)};
}

static es_status make(const par *o, const es_loss *loss, const es_comm *comm,
                      es_precondition **p) {
  const size_t d = (size_t) loss->dim;
  ES_TRY(es_precondition_check(o, loss->ops, loss->dim));
  ES_TRY(ES_NEW(1, p));
  (*p)->par = *o;
  (*p)->loss = loss;
  (*p)->comm = comm;
  ES_TRY(ES_NEW(d, &(*p)->value));
  return ES_NEW(BLOCK * d, &(*p)->rows);
}

es_status es_precondition_create(const par *o, const es_loss *loss, const es_comm *comm,
                                 es_precondition **p) {
  es_precondition *made = NULL;
  if (o->eps == 0) {
    *p = NULL;
    return ES_OK;
  }
  const es_gram_size size = gram_size(loss->dim);
  es_status st = es_comm_agree(comm, make(o, loss, comm, &made));
  if (st == ES_OK) st = es_gram_create(comm, comm, &size, &made->gram);
  if (st != ES_OK) {
    es_precondition_destroy(&made);
    return st;
  }
  made->before = es_gram_matrix(made->gram, 0);
  made->now = es_gram_matrix(made->gram, 1);
  *p = made;
  return ES_OK;
}

void es_precondition_destroy(es_precondition **p) {
  if (*p == NULL) return;
  es_free(&(*p)->rows);
  es_free(&(*p)->value);
  es_gram_destroy(&(*p)->gram);
  es_free(p);
}

double es_precondition_eps(const es_precondition *p, double lr) {
  return p->par.clip ? fmax(p->par.eps, MARGIN * lr * p->state[GAMMA]) : p->par.eps;
}

/** The gain of an eigenvalue. */
static double gain(double value, const void *eps) {
  return 1 / (fmax(value, 0) + *(const double *) eps);
}

/** Estimate gamma_1 from the largest eigenvalue `top` of C now and a step ago. */
static void estimate_gamma(es_precondition *p, double top) {
  const double *const s = p->state, before = s[TOP];
  if (s[LR] == 0 || before <= 0 || before > fmax(0.1, s[EPS]) || top <= before) return;
  const double grown = (sqrt(top / before) - 1) * s[DIVISOR];
  const double gamma = grown / (4 * s[LR] * (1 - fmin(before, 0.5)));
  if (gamma > s[GAMMA]) p->state[GAMMA] = gamma;
  if (p->warned || MARGIN * s[LR] * gamma <= p->par.eps) return;
  p->warned = true;
  es_warn(
      "precondition.eps: got %g, expected at least 2 lr gamma_1 = %.3g by the growth of "
      "C's largest eigenvalue from %.3g to %.3g in a step: it overshoots%s",
      p->par.eps, MARGIN * s[LR] * gamma, before, top,
      p->par.clip ? "; raised to that" : " and may diverge");
}

/** dz <- dz A in place, by blocks of rows. */
static void multiply_rows(const es_precondition *p, int n, const double *a, double *dz) {
  const int d = p->loss->dim;
  for (int i = 0; i < n; i += BLOCK) {
    const int count = n - i < BLOCK ? n - i : BLOCK;
    double *const block = dz + (size_t) i * (size_t) d;
    es_rows_times(count, d, 1.0, block, a, p->rows);
    memcpy(block, p->rows, (size_t) count * (size_t) d * sizeof *block);
  }
}

es_status es_precondition_apply(es_precondition *p, double lr, const es_loss_batch *b) {
  if (p == NULL) return ES_OK;
  const int d = p->loss->dim;
  if (p->comm->rank == 0) p->loss->ops->matrix(p->loss, p->now);
  if (!es_symmetric_finite(p->gram, p->now)) return ES_OK; /* the loss says so, too */
  ES_TRY(es_symmetric_eigen(p->gram, p->now, p->value));
  const double top = p->value[d - 1];
  estimate_gamma(p, top);
  const double eps = es_precondition_eps(p, lr);
  es_symmetric_rebuild(p->gram, p->value, (es_symmetric_map){gain, &eps}, p->now);
  const bool own = p->state[STEPS] == 0 || eps > p->state[EPS];
  const double *const inverse = own ? p->now : p->before;
  p->state[DIVISOR] = own ? top + eps : p->state[TOP] + p->state[EPS];
  for (int a = 0; a < 2; a++) multiply_rows(p, b->n, inverse, b->dz[a]);
  double *const previous = p->before;
  p->before = p->now;
  p->now = previous;
  p->state[TOP] = top;
  p->state[LR] = lr;
  p->state[EPS] = eps;
  p->state[STEPS]++;
  return ES_OK;
}

void es_precondition_forget(es_precondition *p) {
  if (p != NULL) p->state[LR] = 0;
}

double es_precondition_bytes(int dim, int node) {
  const es_gram_size size = gram_size(dim);
  return es_gram_bytes(&size, node) + 8.0 * (1 + BLOCK) * dim;
}

double es_precondition_shared(int dim, int node) {
  const es_gram_size size = gram_size(dim);
  return es_gram_shared(&size, node);
}

double es_precondition_operations(const par *p, double dim) {
  return p->eps > 0 ? ES_SYMMETRIC_DECOMPOSE * dim * dim * dim : 0;
}

es_status es_precondition_visit(es_precondition *p, es_visitor *v) {
  if (p == NULL) return ES_OK;
  const int64_t d = p->loss->dim;
  es_item state = {"precondition/state", ES_ITEM_F64, 1, {6}, p->state};
  es_item before = {"precondition/inverse", ES_ITEM_F64, 2, {d, d}, p->before};
  ES_TRY(v->item(v, &state));
  return v->item(v, &before);
}
