/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe_noise.c  How many eigenvalues of the start a probe of this size can
 *  tell from its own noise (initial_prediction.h). */
#include "eigenstep/initial_prediction.h"

#include <cblas.h>
#include <math.h>
#include "eigenstep/mem.h"

/* z [n, d] = x W'. */
static void embed(const es_pairs *x, int view, const double *w, int d, double *z) {
  if (x->n == 0) return;
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) x->n, d, x->m, 1, x->x[view],
              x->m, w, x->m, 0, z, d);
}

/* sum [d, d] += weight a'b over this rank's rows. */
static void add(int64_t n, int d, double weight, const double *a, const double *b,
                double *sum) {
  if (n == 0) return;
  cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, (int) n, weight, a, d, b, d,
              1, sum, d);
}

/* Leading eigenvalues lambda of C against sigma of S, both descending. */
static void count(int d, double pairs, const double *lambda, const double *sigma,
                  es_probe_noise *out) {
  double rest = 0;
  *out = (es_probe_noise){.resolved = 0, .value = NAN, .noise = NAN};
  for (int j = 0; j < d; j++) rest += fmax(sigma[j], 0);
  for (int k = 0; k < d; k++) {
    const double noise = sqrt(2 * fmax(sigma[k], 0) * fmax(rest, 0) / pairs);
    rest -= fmax(sigma[k], 0);
    if (lambda[k] > noise) {
      out->resolved++;
      continue;
    }
    out->value = lambda[k];
    out->noise = noise;
    return;
  }
}

es_status es_probe_noise_of(const es_comm *c, const es_pairs *x, const float *w, int d,
                            es_probe_noise *out) {
  const size_t n = (size_t) x->n, k = (size_t) d, m = (size_t) x->m;
  const double half = 0.5 / (double) x->total;
  double *wide = NULL, *z = NULL, *moment = NULL, *work = NULL;
  es_status st = ES_NEW(k * m, &wide);
  if (st == ES_OK) st = ES_NEW(2 * n * k, &z);
  if (st == ES_OK) st = ES_NEW(2 * k * k, &moment);
  if (st == ES_OK) st = ES_NEW(k * k + 5 * k, &work);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  double *const z2 = z + n * k, *const s = moment + k * k, *const value = work + k * k;
  for (size_t i = 0; i < k * m; i++) wide[i] = w[i];
  embed(x, 0, wide, d, z);
  embed(x, 1, wide, d, z2);
  add(x->n, d, half, z, z2, moment);
  add(x->n, d, half, z2, z, moment);
  add(x->n, d, half, z, z, s);
  add(x->n, d, half, z2, z2, s);
  es_comm_sum_f64(c, moment, 2 * (int64_t) (k * k));
  st = es_dense_eigenvalues(d, moment, work, value + 3 * k);
  if (st == ES_OK) st = es_dense_eigenvalues(d, s, work, value + 4 * k);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  count(d, (double) x->total, value + 3 * k, value + 4 * k, out);
done:
  es_free(&work);
  es_free(&moment);
  es_free(&z);
  es_free(&wide);
  return st;
}
