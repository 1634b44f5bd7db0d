/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_rankme.c  RankMe (Garrido, Balestriero, Najman, LeCun, ICML 2023):
 *  exp(H(p)), p = sigma / ||sigma||_1 + 1e-7, sigma the singular values of the
 *  *uncentred* embeddings. Needs all min(N, d) of them. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  const double eps = 1e-7;
  const int all = s->samples < s->d ? (int) s->samples : s->d;
  if (!s->sigma || s->k < all) return NAN;
  double sum = 0, entropy = 0;
  for (int i = 0; i < all; i++) sum += es_metric_positive(s->sigma[i]);
  if (!(sum > 0)) return NAN;
  for (int i = 0; i < all; i++) {
    const double p = es_metric_positive(s->sigma[i]) / sum + eps;
    entropy -= p * log(p);
  }
  return exp(entropy);
}

const es_metric_ops es_metric_rankme = {
    .name = "rankme",
    .doc = "exp of the entropy of sigma_k / sum sigma + 1e-7, embeddings uncentred",
    .unit = "1",
    .eval = eval,
};
