/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_cost.c  Memory and operations that eigenstep linear takes. */
#include <math.h>
#include "deep_mode.h"
#include "deep_weights.h"
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

/* The model of linear.model = jepa or mae. */
static es_deep_model deep_of(const es_linear_params *p, const shape *s) {
  return (es_deep_model){.jepa = p->model == ES_LINEAR_JEPA,
                         .d = (int) p->dim,
                         .k = (int) s->modes,
                         .depth = (int) p->depth};
}

/* About as many steps as the slowest of some ten modes takes, if the program chooses. */
static double steps_of(const es_linear_params *p) {
  if (p->steps > 0) return (double) p->steps;
  if (p->model == ES_LINEAR_OF_LOSS) return p->lr > 0 ? 25 / p->lr : 5000;
  const es_deep_mode slow = {.jepa = p->model == ES_LINEAR_JEPA,
                             .depth = (int) p->depth,
                             .lambda = 0.1, /* of the largest second moment */
                             .rho = 1};
  const double pace = es_deep_mode_pace(p->method == ES_LINEAR_FLOW);
  const double lr = p->lr > 0 ? p->lr : pace / (double) (p->depth + 1);
  const double wait = es_deep_mode_least_time(&slow, p->alpha, sqrt(0.5)) / lr;
  return (1 + ES_DEEP_TAIL) * fmax(fmin(wait, ES_DEEP_LONGEST), 1);
}

/* What encoder, predictor and moments add: all but the moments on each rank. */
static void add_deep(const es_linear_params *p, const shape *s, int ranks,
                     es_linear_cost *cost) {
  const es_deep_model model = deep_of(p, s);
  const double m = (double) s->m, n = (double) s->n, k = model.k, d = model.d;
  const double depth = model.depth, out = model.jepa ? d : k;
  const double stages = p->method == ES_LINEAR_FLOW ? 4 : 1;
  cost->bytes +=
      8 * (2 * k * k + m * k + (m + n + k) * k / ranks +
           6 * (double) es_deep_size(&model) + (depth + 2) * d * k + 2 * out * k);
  cost->decompose += 4 * n * k * (m + k) + 4.0 / 3 * k * k * k * ranks;
  cost->step = ranks * stages * (6 * d * k * ((depth - 1) * d + out) + 2 * out * k * k);
}

es_linear_cost es_linear_cost_of(const es_linear_params *p, es_shape view, int ranks) {
  const shape s = shape_of(p, view);
  const es_linear_size size = {s.way, s.modes, p->dim};
  const double order = (double) s.order, d = (double) p->dim, nm = (double) (s.m * s.n);
  const double inner = p->method == ES_LINEAR_DIRECT ? (double) s.m : (double) s.modes;
  const double vectors = 8 * (double) s.modes + 128;
  es_linear_cost cost = {.bytes = (double) es_linear_bytes(s.m, s.n, &size, ranks),
                         .decompose =
                             s.way == ES_LINEAR_PRODUCTS
                                 ? vectors * (8 * nm + 4 * vectors * (double) s.m)
                                 : 9 * order * order * order + 4 * order * nm,
                         .step = 6 * d * d * inner,
                         .steps = steps_of(p)};
  if (p->model != ES_LINEAR_OF_LOSS) add_deep(p, &s, ranks, &cost);
  return cost;
}

static void print_deep(const es_linear_params *p, const shape *s) {
  const es_deep_model model = deep_of(p, s);
  es_print(
      "            and 8 (2 k^2 + m k + (m + n + k) k / P + 6 w + (L + 2) d k + 2 %s k) "
      "bytes",
      model.jepa ? "d" : "k");
  es_print("            for %s of L = %d layers with w = %zu weights and k = %d modes",
           model.jepa ? "JEPA" : "MAE", model.depth, es_deep_size(&model), model.k);
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
  if (p->model != ES_LINEAR_OF_LOSS) print_deep(p, &s);
}
