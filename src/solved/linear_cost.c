/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_cost.c  Memory and operations that eigenstep linear takes. */
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/log.h"

/* The matrix that is decomposed. */
typedef struct shape {
  int64_t m, n, order, modes;
  bool samples;
} shape;

static shape shape_of(const es_linear_params *p, es_shape view) {
  shape s = {.m = (int64_t) view.c * view.h * view.w, .n = p->sample};
  const bool automatic = strcmp(p->solver, "auto") == 0;
  s.samples =
      automatic ? es_linear_uses_samples(s.m, s.n) : strcmp(p->solver, "samples") == 0;
  s.order = s.samples && 2 * s.n < s.m ? 2 * s.n : s.m;
  s.modes = p->modes > 0 && p->modes < s.order ? p->modes : s.order;
  return s;
}

es_linear_cost es_linear_cost_of(const es_linear_params *p, es_shape view, int ranks) {
  const shape s = shape_of(p, view);
  const double order = (double) s.order, d = (double) p->dim;
  const double inner = p->method == ES_LINEAR_DIRECT ? (double) s.m : (double) s.modes;
  return (es_linear_cost){
      .bytes = (double) es_linear_bytes(s.m, s.n, p->dim, s.modes, s.samples, ranks),
      .decompose = 9 * order * order * order + 4 * order * (double) (s.m * s.n),
      .step = 6 * d * d * inner};
}

void es_linear_print_cost(const es_linear_params *p, es_shape view, int ranks) {
  const shape s = shape_of(p, view);
  es_print("linear      model of %lld pairs: Gamma m x m with m = %lld%s, %.1f MB a "
           "rank",
           (long long) s.n, (long long) s.m, s.samples ? " from the samples" : "",
           1e-6 * es_linear_cost_of(p, view, ranks).bytes);
  es_print("            at P ranks 8 (%s) bytes",
           s.samples ? "28 n^2 / P + 4 m n / P + m k / P + 8 n + 3 d k"
                     : "4 m^2 / P + 4 m n / P + 4 m + 3 d k");
}
