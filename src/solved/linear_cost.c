/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_cost.c  Memory that eigenstep linear takes. */
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/log.h"

void es_linear_print_cost(const es_linear_params *p, es_shape view, int ranks) {
  const int64_t m = (int64_t) view.c * view.h * view.w, n = p->sample;
  const bool automatic = strcmp(p->solver, "auto") == 0;
  const bool samples =
      automatic ? es_linear_uses_samples(m, n) : strcmp(p->solver, "samples") == 0;
  const int64_t order = samples && 2 * n < m ? 2 * n : m;
  const int64_t k = p->modes > 0 && p->modes < order ? p->modes : order;
  es_print("linear      model of %lld pairs: Gamma m x m with m = %lld%s, %.1f MB a "
           "rank",
           (long long) n, (long long) m, samples ? " from the samples" : "",
           1e-6 * (double) es_linear_bytes(m, n, p->dim, k, samples, ranks));
  es_print("            at P ranks 8 (%s) bytes",
           samples ? "28 n^2 / P + 4 m n / P + m k / P + 8 n + 3 d k"
                   : "4 m^2 / P + 4 m n / P + 4 m + 3 d k");
}
