/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cov.c  Mean, covariance, symmetrised cross-correlation and Gram matrix of
 *  samples spread over the ranks by rows.
 *
 *  The rows become one block-cyclic matrix Z and the product is one pdsyrk,
 *  pdsyr2k or pdgemm, so no rank ever holds a whole d x d matrix. */
#include "eigenstep/cov.h"

#include <math.h>
#include "eigenstep/mem.h"

/* Collective. *total: rows of all ranks. ES_EMATH if an entry is not finite. */
static es_status check_rows(const es_comm *comm, const double *z, int64_t n_loc, int d,
                            const char *name, int64_t *total) {
  es_status st = ES_OK;
  int64_t offset;
  es_comm_scan(comm, n_loc, &offset, total);
  for (int64_t i = 0; st == ES_OK && i < n_loc * d; i++) {
    if (isfinite(z[i])) continue;
    es_error("%s: got %g in row %lld (local row %lld of rank %d), column %lld, expected "
             "a finite number",
             name, z[i], (long long) (offset + i / d + 1), (long long) (i / d + 1),
             comm->rank, (long long) (i % d + 1));
    st = ES_EMATH;
  }
  return es_comm_agree(comm, st);
}

es_status es_cov_mean(const es_comm *comm, const double *z, int64_t n_loc, int d,
                      double *mean) {
  int64_t total;
  es_comm_scan(comm, n_loc, NULL, &total);
  ES_CHECK(total >= 1, ES_EARG,
           "covariance: got no rows on any rank, expected at least 1");
  for (int j = 0; j < d; j++) mean[j] = 0;
  for (int64_t i = 0; i < n_loc; i++)
    for (int j = 0; j < d; j++) mean[j] += z[i * d + j];
  es_comm_sum_f64(comm, mean, d);
  for (int j = 0; j < d; j++) mean[j] /= (double) total;
  return ES_OK;
}

es_status es_cov_center(const es_comm *comm, double *z, int64_t n_loc, int d) {
  int64_t total;
  double *mean = NULL;
  es_status st;
  ES_TRY(check_rows(comm, z, n_loc, d, "the samples", &total));
  ES_TRY_GOTO(ES_COMM_NEW(comm, d, &mean), done);
  ES_TRY_GOTO(es_cov_mean(comm, z, n_loc, d, mean), done);
  for (int64_t i = 0; i < n_loc; i++)
    for (int j = 0; j < d; j++) z[i * d + j] -= mean[j];
done:
  es_free(&mean);
  return st;
}

/* Collective. Z'Z / divisor of rows that check_rows accepted. */
static es_status moment(const es_grid *g, const double *z, int64_t n_loc, int d,
                        double divisor, es_dmat **c) {
  es_dmat *rows = NULL, *out = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_from_rows(g, z, n_loc, d, &rows), done);
  ES_TRY_GOTO(es_dmat_create(g, d, d, 0, &out), done);
  ES_TRY_GOTO(es_dmat_syrk(1 / divisor, rows, 0, out), done);
  *c = out;
  out = NULL;
done:
  es_dmat_destroy(&rows);
  es_dmat_destroy(&out);
  return st;
}

es_status es_cov_covariance(const es_grid *g, double *z, int64_t n_loc, int d, int ddof,
                            es_dmat **c) {
  int64_t total;
  ES_TRY(es_cov_center(g->comm, z, n_loc, d));
  es_comm_scan(g->comm, n_loc, NULL, &total);
  ES_CHECK(total > ddof, ES_EARG,
           "covariance: got %lld rows in all, expected more than %d", (long long) total,
           ddof);
  return moment(g, z, n_loc, d, (double) (total - ddof), c);
}

es_status es_cov_moment(const es_grid *g, const double *z, int64_t n_loc, int d,
                        es_dmat **c) {
  int64_t total;
  ES_TRY(check_rows(g->comm, z, n_loc, d, "the samples", &total));
  ES_CHECK(total >= 1, ES_EARG,
           "covariance: got no rows on any rank, expected at least 1");
  return moment(g, z, n_loc, d, (double) total, c);
}

es_status es_cov_cross(const es_grid *g, const double *a, const double *b, int64_t n_loc,
                       int d, es_dmat **c) {
  int64_t total;
  es_dmat *ra = NULL, *rb = NULL, *out = NULL;
  es_status st = ES_OK;
  ES_TRY(check_rows(g->comm, a, n_loc, d, "the first view", &total));
  ES_TRY(check_rows(g->comm, b, n_loc, d, "the second view", &total));
  ES_CHECK(total >= 1, ES_EARG,
           "covariance: got no rows on any rank, expected at least 1");
  ES_TRY_GOTO(es_dmat_from_rows(g, a, n_loc, d, &ra), done);
  ES_TRY_GOTO(es_dmat_from_rows(g, b, n_loc, d, &rb), done);
  ES_TRY_GOTO(es_dmat_create(g, d, d, 0, &out), done);
  ES_TRY_GOTO(es_dmat_syr2k(0.5 / (double) total, ra, rb, 0, out), done);
  *c = out;
  out = NULL;
done:
  es_dmat_destroy(&ra);
  es_dmat_destroy(&rb);
  es_dmat_destroy(&out);
  return st;
}

es_status es_cov_gram(const es_grid *g, const double *z, int64_t n_loc, int d, double c,
                      es_dmat **gram) {
  int64_t total;
  es_dmat *rows = NULL, *out = NULL;
  es_status st = ES_OK;
  ES_TRY(check_rows(g->comm, z, n_loc, d, "the samples", &total));
  ES_CHECK(total >= 1, ES_EARG,
           "covariance: got no rows on any rank, expected at least 1");
  ES_TRY_GOTO(es_dmat_from_rows(g, z, n_loc, d, &rows), done);
  ES_TRY_GOTO(es_dmat_create(g, rows->m, rows->m, 0, &out), done);
  ES_TRY_GOTO(es_dmat_gemm("NT", c, rows, rows, 0, out), done);
  *gram = out;
  out = NULL;
done:
  es_dmat_destroy(&rows);
  es_dmat_destroy(&out);
  return st;
}
