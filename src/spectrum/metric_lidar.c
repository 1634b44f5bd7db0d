/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_lidar.c  LiDAR (Thilak et al., "LiDAR: Sensing Linear Probing Performance
 *  in Joint Embedding SSL Architectures", ICLR 2024): exp(H(p)), p = l / sum l + 1e-7, l
 *  the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2). With m_i the mean of the q views of
 *  sample i and m that of all: S_b = (1/n) sum (m_i - m)(m_i - m)',
 *  S_w = (1/nq) sum (z_iv - m_i)(z_iv - m_i)' + 1e-4 I.
 *
 *  With S_w = V diag(w) V', the same eigenvalues belong to diag(w)^(-1/2) V' S_b V
 *  diag(w)^(-1/2): two eigenproblems, all block-cyclic. */
#include <math.h>
#include <string.h>
#include "eigenstep/cov.h"
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "metric_private.h"

#define RIDGE 1e-4

/* mean [n, d] over the views; within [views n, d]: deviations from it. */
static void split(const es_embedding *e, double *mean, double *within) {
  const int64_t size = e->n * e->d;
  for (int v = 0; v < e->views; v++)
    for (int64_t i = 0; i < size; i++) mean[i] += e->z[v * size + i] / e->views;
  for (int v = 0; v < e->views; v++)
    for (int64_t i = 0; i < size; i++)
      within[v * size + i] = e->z[v * size + i] - mean[i];
}

/* Collective. S_b and S_w. */
static es_status scatter(const es_embedding *e, es_dmat **between, es_dmat **inside) {
  const size_t size = (size_t) e->n * (size_t) e->d;
  double *mean = NULL, *within = NULL;
  es_status st = ES_NEW(size, &mean);
  if (st == ES_OK) st = ES_NEW((size_t) e->views * size, &within);
  ES_TRY_GOTO(es_comm_agree(e->grid->comm, st), done);
  split(e, mean, within);
  ES_TRY_GOTO(es_cov_covariance(e->grid, mean, e->n, e->d, 0, between), done);
  st = es_cov_moment(e->grid, within, e->views * e->n, e->d, inside);
done:
  es_free(&within);
  es_free(&mean);
  return st;
}

static void add_ridge(es_dmat *a) {
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      if (es_dmat_row(a, i) == es_dmat_col(a, j))
        a->a[(size_t) j * (size_t) a->lld + (size_t) i] += RIDGE;
}

/* a_ij <- a_ij / sqrt(w_i w_j) */
static void whiten(es_dmat *a, const double *w) {
  for (int j = 0; j < a->ln; j++)
    for (int i = 0; i < a->lm; i++)
      a->a[(size_t) j * (size_t) a->lld + (size_t) i] /=
          sqrt(w[es_dmat_row(a, i)] * w[es_dmat_col(a, j)]);
}

static es_status measure(const es_embedding *e, double *value) {
  es_dmat *between = NULL, *inside = NULL, *half = NULL;
  es_eigen *w = NULL, *l = NULL;
  es_status st = ES_OK;
  *value = NAN;
  if (e->views < 2) return ES_OK;
  ES_TRY_GOTO(scatter(e, &between, &inside), done);
  add_ridge(inside);
  ES_TRY_GOTO(es_eig_solve("auto", inside, 0, &w), done);
  ES_TRY_GOTO(es_dmat_create(e->grid, e->d, e->d, 0, &half), done);
  ES_TRY_GOTO(es_dmat_gemm("NN", 1, between, w->vector, 0, half), done);
  ES_TRY_GOTO(es_dmat_gemm("TN", 1, w->vector, half, 0, between), done);
  whiten(between, w->value);
  ES_TRY_GOTO(es_eig_solve("auto", between, 0, &l), done);
  *value = es_metric_entropy_rank(l->value, e->d, 1e-7);
done:
  es_eig_destroy(&l);
  es_eig_destroy(&w);
  es_dmat_destroy(&half);
  es_dmat_destroy(&inside);
  es_dmat_destroy(&between);
  return st;
}

const es_metric_ops es_metric_lidar = {
    .name = "lidar",
    .doc = "exp of the entropy of the eigenvalues of S_w^(-1/2) S_b S_w^(-1/2)",
    .unit = "1",
    .measure = measure,
    .on_request = true,
};
