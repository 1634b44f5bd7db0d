/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dmat_qr.c  Transpose and Householder QR factors of distributed matrices
 *  (PBLAS pdtran, ScaLAPACK pdgeqrf and pdorgqr). */
#include <limits.h>
#include <string.h>
#include "eigenstep/dmat.h"
#include "eigenstep/mem.h"
#include "scalapack.h"

static const int one = 1, query = -1;

es_status es_dmat_transpose(const es_dmat *a, es_dmat **t) {
  const double unit = 1, none = 0;
  es_dmat *made = NULL;
  ES_TRY(es_dmat_create(a->grid, a->n, a->m, a->nb, &made));
  pdtran_(&a->n, &a->m, &unit, a->a, &one, &one, a->desc, &none, made->a, &one, &one,
          made->desc);
  *t = made;
  return ES_OK;
}

/* What both routines work with. */
typedef struct work {
  double *tau, *room; /* owned */
  int size;
} work;

static void release(work *w) {
  es_free(&w->tau);
  es_free(&w->room);
}

/* Workspace of the larger of the two queries. */
static es_status reserve(es_dmat *a, es_dmat *q, work *w) {
  double asked[2] = {0};
  int info = 0;
  ES_TRY(ES_NEW(a->ln + 1, &w->tau));
  pdgeqrf_(&a->m, &a->n, a->a, &one, &one, a->desc, w->tau, &asked[0], &query, &info);
  pdorgqr_(&q->m, &q->n, &q->n, q->a, &one, &one, q->desc, w->tau, &asked[1], &query,
           &info);
  const double most = asked[0] > asked[1] ? asked[0] : asked[1];
  ES_CHECK(info == 0 && most <= INT_MAX, ES_EARG,
           "QR factors: got a workspace of %.3g numbers on one rank, expected at most "
           "%d: use more ranks",
           most, INT_MAX);
  w->size = (int) most;
  return ES_NEW(w->size, &w->room);
}

/* The upper triangle of the factored A; its first rows lie as those of R. */
static void copy_r(const es_dmat *a, es_dmat *r) {
  for (int j = 0; j < r->ln; j++)
    for (int i = 0; i < r->lm; i++)
      r->a[(size_t) j * (size_t) r->lld + (size_t) i] =
          es_dmat_row(r, i) <= es_dmat_col(r, j)
              ? a->a[(size_t) j * (size_t) a->lld + (size_t) i]
              : 0;
}

static es_status factor(es_dmat *a, es_dmat *q, es_dmat *r, work *w) {
  int info[2] = {0};
  ES_TRY(es_comm_agree(a->grid->comm, reserve(a, q, w)));
  pdgeqrf_(&a->m, &a->n, a->a, &one, &one, a->desc, w->tau, w->room, &w->size, &info[0]);
  copy_r(a, r);
  memcpy(q->a, a->a, sizeof *q->a * (size_t) q->lld * (size_t) q->ln);
  pdorgqr_(&q->m, &q->n, &q->n, q->a, &one, &one, q->desc, w->tau, w->room, &w->size,
           &info[1]);
  ES_CHECK(info[0] == 0 && info[1] == 0, ES_EMATH,
           "QR factors: got info = %d and %d, expected 0", info[0], info[1]);
  return ES_OK;
}

es_status es_dmat_qr(es_dmat *a, es_dmat **q, es_dmat **r) {
  const int rank = a->m < a->n ? a->m : a->n;
  es_dmat *made_q = NULL, *made_r = NULL;
  work w = {0};
  es_status st = es_dmat_create(a->grid, a->m, rank, a->nb, &made_q);
  if (st == ES_OK) st = es_dmat_create(a->grid, rank, a->n, a->nb, &made_r);
  if (st == ES_OK) st = es_comm_agree(a->grid->comm, factor(a, made_q, made_r, &w));
  release(&w);
  if (st == ES_OK) {
    *q = made_q;
    *r = made_r;
    return ES_OK;
  }
  es_dmat_destroy(&made_q);
  es_dmat_destroy(&made_r);
  return st;
}
