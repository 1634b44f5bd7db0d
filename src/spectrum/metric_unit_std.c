/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_unit_std.c  Standard deviation of unit-length embeddings, mean over
 *  dimensions (Chen and He, "Exploring Simple Siamese Representation Learning", CVPR
 *  2021): 1/sqrt(d) for a uniform distribution, 0 if all embeddings coincide. Over both
 *  views of all samples. */
#include <math.h>
#include "eigenstep/cov.h"
#include "eigenstep/mem.h"
#include "metric_private.h"

static es_status measure(const es_embedding *e, double *value) {
  const es_comm *c = e->grid->comm;
  const int views = e->views > 1 ? 2 : 1, d = e->d;
  const int64_t rows = views * e->n;
  double *u = NULL, *mean = NULL;
  es_status st;
  ES_TRY_GOTO(es_metric_unit_rows(e, views, &u), done);
  ES_TRY_GOTO(ES_COMM_NEW(c, 2 * (size_t) d, &mean), done);
  ES_TRY_GOTO(es_cov_mean(c, u, rows, d, mean), done);
  double *const var = mean + d;
  for (int64_t i = 0; i < rows; i++)
    for (int j = 0; j < d; j++)
      var[j] += (u[i * d + j] - mean[j]) * (u[i * d + j] - mean[j]);
  es_comm_sum_f64(c, var, d);
  *value = 0;
  for (int j = 0; j < d; j++) *value += sqrt(var[j] / (double) (views * e->samples)) / d;
done:
  es_free(&mean);
  es_free(&u);
  return st;
}

const es_metric_ops es_metric_unit_std = {
    .name = "unit_std",
    .doc = "standard deviation of unit-length embeddings, mean over dimensions",
    .unit = "1",
    .measure = measure,
};
