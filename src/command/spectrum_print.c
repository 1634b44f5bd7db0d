/* SPDX-License-Identifier: BSD-3-Clause */
/** @file spectrum_print.c  What eigenstep spectrum prints. */
#include "spectrum_print.h"

#include <math.h>
#include "eigenstep/log.h"
#include "eigenstep/metric.h"

void es_spectrum_print(const es_snapshot *s, const es_embedding_rows *r) {
  int k = 0;
  const double *w = es_snapshot_values(s, &k);
  es_print("%lld samples%s of %d dimensions; covariance eigenvalues (ddof 1):",
           (long long) r->total, r->views == 2 ? " in two views" : "", r->dim);
  for (int i = 0; i < k && i < 16; i++) es_print("%6d %16.9e", i + 1, w[i]);
  if (k > 16) es_print("       ... %d more in trajectory.h5", k - 16);
  double trace = 0;
  for (int i = 0; i < k; i++) trace += w[i];
  if (k == r->dim)
    es_print("a flat spectrum of this trace would show %.4g to %.4g (Marchenko-Pastur)",
             es_metric_mp_lower(trace / k, k, r->total),
             es_metric_mp_upper(trace / k, k, r->total));
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (list[i]->on_request || list[i]->of_training) continue;
    const double v = es_snapshot_metric(s, list[i]->name);
    if (isfinite(v))
      es_print("%-22s %14.6g  %s", list[i]->name, v, list[i]->doc);
    else
      es_print("%-22s %14s  %s", list[i]->name, "-", list[i]->doc);
  }
}
