/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_cost.c  How eigenstep kernel finds its modes, and the memory and time
 *  that it takes. */
#include "eigenstep/kernel_cost.h"
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/step_rate.h"

enum {
  FULL_PAIRS = 1024, /* most pairs that auto decomposes in full */
  EXTRA = 8,         /* modes beyond the outputs */
  PRODUCTS = 10      /* of a usual iteration */
};
#define MB 1e6
#define SHARE 0.75 /* of the free memory */

bool es_kernel_uses_subspace(const es_kernel_params *p) {
  if (p->solver != ES_KERNEL_AUTO) return p->solver == ES_KERNEL_SUBSPACE;
  const bool whole = p->method == ES_KERNEL_DIRECT || p->widths.n > 0;
  return !whole && p->sample > FULL_PAIRS && 8 * (p->dim + EXTRA) <= 2 * p->sample;
}

es_kernel_plan es_kernel_plan_for(const es_kernel_params *p, int m, int ranks,
                                  double limit) {
  const es_kernel_size size = {.n = p->sample,
                               .fresh = p->held_out,
                               .m = m,
                               .k = (int) (p->modes > 0 ? p->modes : p->dim + EXTRA)};
  return es_kernel_plan_of(size, ranks, limit);
}

double es_kernel_memory(const es_kernel_params *p, int ranks_of_node) {
  return p->memory > 0 ? MB * p->memory : SHARE * es_mem_available() / ranks_of_node;
}

const char *es_kernel_matrix_is(const es_kernel_plan *plan) {
  return plan->entry == 8   ? "stored in double precision"
         : plan->entry == 4 ? "stored in single precision"
                            : "not stored, computed anew in each product";
}

es_kernel_cost es_kernel_cost_of(const es_kernel_params *p, es_shape view, int ranks) {
  const int m = view.c * view.h * view.w;
  const double points = 2 * (double) p->sample;
  if (!es_kernel_uses_subspace(p))
    return (es_kernel_cost){.bytes = 8 * (7 * points * points + 2 * points * m) / ranks,
                            .operations = points * points * (20 * points + 2 * m)};
  const es_kernel_plan plan = es_kernel_plan_for(p, m, ranks, es_kernel_memory(p, ranks));
  return (es_kernel_cost){.bytes = plan.bytes,
                          .operations =
                              (plan.entry > 0 ? plan.form : 0) + PRODUCTS * plan.product};
}

void es_kernel_print_cost(const es_kernel_params *p, es_shape view, int ranks) {
  const es_kernel_cost cost = es_kernel_cost_of(p, view, ranks);
  const bool few = es_kernel_uses_subspace(p);
  const double rate = few ? es_product_rate() : 0;
  const es_kernel_plan plan =
      es_kernel_plan_for(p, view.c * view.h * view.w, ranks, es_kernel_memory(p, ranks));
  es_print("kernel      machine of %lld pairs: %s, %.1f MB a rank, about %.3g GFLOP",
           (long long) p->sample, few ? "leading modes" : "all modes", cost.bytes / MB,
           1e-9 * cost.operations);
  if (few)
    es_print("            %d modes by subspace iteration, about %d products with %d "
             "columns; the matrix is %s",
             plan.k, PRODUCTS, plan.block, es_kernel_matrix_is(&plan));
  if (rate > 0)
    es_print("            about %.3g s on %d rank%s at the %.3g GFLOP/s of a product in "
             "this process",
             cost.operations / (rate * ranks), ranks, ranks == 1 ? "" : "s", 1e-9 * rate);
}
