/* SPDX-License-Identifier: BSD-3-Clause */
/** @file spectrum_print.c  What eigenstep spectrum prints. */
#include "spectrum_print.h"

#include <math.h>
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/metric.h"

enum { SHOWN = 16 };

/* Covariance and, of two views, C side by side. */
static void print_values(const double *w, const double *cross, int k) {
  if (cross != NULL) es_print("%6s %16s %16s", "", "covariance", "cross-correlation");
  for (int i = 0; i < k && i < SHOWN; i++)
    if (cross != NULL)
      es_print("%6d %16.9e %16.9e", i + 1, w[i], cross[i]);
    else
      es_print("%6d %16.9e", i + 1, w[i]);
  if (k > SHOWN) es_print("       ... %d more in trajectory.h5", k - SHOWN);
}

/* Are all embeddings equal, but for round-off of numbers of their size? By rank 0's. */
static bool are_equal(const es_embedding_rows *r, double largest) {
  const int64_t n = r->views * r->n;
  double square = 0;
  for (int64_t i = 0; i < n * r->dim; i++) square += r->z[i] * r->z[i];
  return n > 0 && largest <= 1e-24 * square / (double) n;
}

void es_spectrum_print(const es_snapshot *s, const es_embedding_rows *r) {
  int k = 0;
  const double *const w = es_snapshot_values(s, &k);
  const double *const cross = es_snapshot_values_of(s, "cross", &k);
  es_print("%lld samples%s of %d dimensions; %s (ddof 1):", (long long) r->total,
           r->views == 2 ? " in two views" : "", r->dim,
           cross != NULL ? "eigenvalues of the covariance of all rows and of the views' "
                           "cross-correlation"
                         : "covariance eigenvalues");
  print_values(w, cross, k);
  if (r->total < r->dim)
    es_print(
        "fewer samples than dimensions: at most %lld eigenvalues are above 0; if the "
        "file holds one sample a column, transpose it",
        (long long) (r->views * r->total - 1));
  double trace = 0;
  for (int i = 0; i < k; i++) trace += w[i];
  if (k == r->dim)
    es_print("a flat spectrum of this trace would show %.4g to %.4g (Marchenko-Pastur)",
             es_metric_mp_lower(trace / k, k, r->total),
             es_metric_mp_upper(trace / k, k, r->total));
  if (are_equal(r, w[0]))
    es_warn("all embeddings are equal, but for round-off: they have no directions, and "
            "eigenvalues and metrics are of the round-off");
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

void es_spectrum_warn_of_memory(const es_comm *c, const es_spectrum_params *par,
                                const es_snapshot_options *opt,
                                const es_embedding_rows *r) {
  const double need = (double) es_snapshot_bytes(par, opt, c->size) * c->node_size;
  const double have = es_mem_available();
  if (have > 0 && need > have)
    es_warn(
        "%lld samples of %d values take about %.1f GB on a node of %d ranks, of which "
        "%.1f GB are free: use more nodes, fewer columns, or fewer rows than columns",
        (long long) r->total, r->dim, 1e-9 * need, c->node_size, 1e-9 * have);
}
