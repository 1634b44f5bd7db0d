/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_alignment.c  Mean squared distance of the two views' embeddings on the
 *  unit sphere (Wang and Isola, "Understanding Contrastive Representation Learning
 *  through Alignment and Uniformity on the Hypersphere", ICML 2020, alpha = 2): 0 if the
 *  views of each pair coincide, 2 if they are independent. */
#include <math.h>
#include "eigenstep/mem.h"
#include "metric_private.h"

static es_status measure(const es_embedding *e, double *value) {
  double *u = NULL, sum = 0;
  *value = NAN;
  if (e->views < 2) return ES_OK;
  ES_TRY(es_metric_unit_rows(e, 2, &u));
  const int64_t size = e->n * e->d;
  for (int64_t i = 0; i < size; i++) sum += (u[i] - u[size + i]) * (u[i] - u[size + i]);
  es_free(&u);
  es_comm_sum_f64(e->grid->comm, &sum, 1);
  *value = sum / (double) e->samples;
  return ES_OK;
}

const es_metric_ops es_metric_alignment = {
    .name = "alignment",
    .doc = "mean squared distance of a pair's unit-length embeddings",
    .unit = "1",
    .measure = measure,
};
