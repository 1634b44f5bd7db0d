/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_pairs.h  Pairs with a formula and kernels of them, for tests of kernel
 *  machines on any number of ranks. */
#ifndef ES_TESTS_KERNEL_PAIRS_H
#define ES_TESTS_KERNEL_PAIRS_H

#include <stdlib.h>
#include "eigenstep/kernel.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "eigenstep/selected.h"

/* Value j of view v of pair i. */
static double sample(int v, int i, int j) {
  es_rng r = es_rng_at(21, ES_STREAM_TEST, (uint64_t) i, (uint32_t) j);
  es_rng noise = es_rng_at(22 + (uint64_t) v, ES_STREAM_TEST, (uint64_t) i, (uint32_t) j);
  return (es_rng_normal(&r) + 0.3 * es_rng_normal(&noise)) / (1 + j);
}

/* The `m` features of each view by `f`, spread over the ranks. */
static es_pairs spread(const es_comm *c, int total, int m,
                       double (*f)(int v, int i, int j)) {
  es_pairs p = {.total = total, .m = m};
  es_comm_local_range(c, total, &p.first, &p.n);
  for (int v = 0; v < 2; v++) {
    if (es_alloc((size_t) (p.n * m) * sizeof(double), "views", (void **) &p.x[v]) !=
        ES_OK)
      abort();
    for (int64_t i = 0; i < p.n; i++)
      for (int j = 0; j < m; j++) p.x[v][i * m + j] = f(v, (int) (p.first + i), j);
  }
  return p;
}

/* A kernel of which the first n pairs are trained on. */
static es_status make(const es_comm *c, const es_pairs *p, int64_t n, const char *name,
                      const char *setting, es_kernel **k) {
  es_config *cfg = NULL;
  ES_TRY(es_config_create(&cfg));
  es_status st = es_config_set(cfg, setting);
  es_kernel_choice which = {0};
  if (st == ES_OK) st = es_select_kernel(cfg, name, &which);
  if (st == ES_OK) st = es_kernel_create(&which, c, p, n, k);
  es_free(&which.par);
  es_config_destroy(&cfg);
  return st;
}

#endif
