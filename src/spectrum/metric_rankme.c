/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_rankme.c  RankMe (Garrido, Balestriero, Najman, LeCun, ICML 2023):
 *  exp(H(p)), p = sigma / ||sigma||_1 + 1e-7, sigma the singular values of the
 *  *uncentred* embeddings. Needs all min(N, d) singular values. */
#include <math.h>
#include "metric_private.h"

static double eval(const es_spectrum *s) {
  const int all = s->samples < s->d ? (int) s->samples : s->d;
  if (!s->sigma || s->k < all) return NAN;
  return es_metric_entropy_rank(s->sigma, all, 1e-7);
}

const es_metric_ops es_metric_rankme = {
    .name = "rankme",
    .doc = "exp of the entropy of sigma_k / sum sigma + 1e-7, embeddings uncentred",
    .unit = "1",
    .eval = eval,
};
