/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_products.c  Leading eigenpairs of Gamma without any matrix:
 *  Gamma V = (X'(X~ V) + X~'(X V)) / 2n, each rank with its pairs. Few pairs of many need
 *  fewer vectors than forming Gamma takes columns. */
#include "linear_private.h"

#include <cblas.h>
#include <string.h>
#include "eigenstep/mem.h"

enum { WIDE = 32 /* most columns of es_eig_operator */ };

typedef struct views {
  const es_comm *comm;
  const es_pairs *p;
  double *image[2]; /* [n][WIDE] views times the block */
} views;

/* x [b][m], replicated, <- Gamma x. */
static void apply(void *ctx, int b, double *x) {
  const views *v = ctx;
  const es_pairs *p = v->p;
  const int n = (int) p->n, m = p->m;
  for (int i = 0; i < 2 && n > 0; i++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, b, m, 0.5 / (double) p->total,
                p->x[i], m, x, m, 0, v->image[i], b);
  memset(x, 0, sizeof *x * (size_t) b * (size_t) m);
  for (int i = 0; i < 2 && n > 0; i++)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, b, m, n, 1, v->image[1 - i], b,
                p->x[i], m, 1, x, m);
  es_comm_sum_f64(v->comm, x, (int64_t) b * m);
}

static void take(es_eigen *e, es_modes *out) {
  out->k = e->k;
  out->whole = false;
  out->gamma = e->value;
  out->vector = e->vector;
  out->residual = e->residual;
  out->orthogonality = e->orthogonality;
  e->value = NULL;
  e->vector = NULL;
}

es_status es_modes_from_products(const es_grid *g, const es_pairs *p, int k,
                                 es_modes *out) {
  views v = {.comm = g->comm, .p = p};
  const es_eig_operator gamma = {.comm = g->comm, .n = p->m, .apply = apply, .ctx = &v};
  es_eigen *e = NULL;
  es_status st = ES_NEW((size_t) p->n * WIDE, &v.image[0]);
  if (st == ES_OK) st = ES_NEW((size_t) p->n * WIDE, &v.image[1]);
  st = es_comm_agree(g->comm, st);
  if (st == ES_OK) st = es_eig_leading(&gamma, g, k, &e);
  if (st == ES_OK && e != NULL) take(e, out);
  es_eig_destroy(&e);
  es_free(&v.image[1]);
  es_free(&v.image[0]);
  return st;
}
