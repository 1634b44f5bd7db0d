/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_cost.c  Memory and operations that eigenstep linear takes. */
#include "eigenstep/linear.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/log.h"

/* What is decomposed. */
typedef struct shape {
  int64_t m, n, order, modes;
  es_linear_way way;
} shape;

static shape shape_of(const es_linear_params *p, es_shape view) {
  shape s = {.m = (int64_t) view.c * view.h * view.w, .n = p->sample};
  s.way = es_linear_solver_of(p->solver, s.m, s.n, p->modes);
  s.order = s.way == ES_LINEAR_SAMPLES && 2 * s.n < s.m ? 2 * s.n : s.m;
  s.modes = p->modes > 0 && p->modes < s.order ? p->modes : s.order;
  return s;
}

es_linear_cost es_linear_cost_of(const es_linear_params *p, es_shape view, int ranks) {
  const shape s = shape_of(p, view);
  const es_linear_size size = {s.way, s.modes, p->dim};
  const double order = (double) s.order, d = (double) p->dim, nm = (double) (s.m * s.n);
  const double inner = p->method == ES_LINEAR_DIRECT ? (double) s.m : (double) s.modes;
  const double vectors = 8 * (double) s.modes + 128;
  return (es_linear_cost){.bytes = (double) es_linear_bytes(s.m, s.n, &size, ranks),
                          .decompose =
                              s.way == ES_LINEAR_PRODUCTS
                                  ? vectors * (8 * nm + 4 * vectors * (double) s.m)
                                  : 9 * order * order * order + 4 * order * nm,
                          .step = 6 * d * d * inner};
}

void es_linear_print_cost(const es_linear_params *p, es_shape view, int ranks) {
  static const char *const from[] = {"", " from the samples",
                                     " from products with the samples"};
  static const char *const terms[] = {
      "4 m^2 / P + 4 m n / P + 4 m + 3 d k",
      "28 n^2 / P + 4 m n / P + m k / P + 8 n + 3 d k",
      "2 m n / P + b m / P + 2 b^2 + 64 (m + n / P) + m k / P + 3 d k, b = 8 k + 512"};
  const shape s = shape_of(p, view);
  es_print("linear      model of %lld pairs: Gamma m x m with m = %lld%s, %.1f MB a "
           "rank",
           (long long) s.n, (long long) s.m, from[s.way],
           1e-6 * es_linear_cost_of(p, view, ranks).bytes);
  es_print("            at P ranks 8 (%s) bytes", terms[s.way]);
}
