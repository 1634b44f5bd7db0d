/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_plan.c  How leading modes of a kernel machine are found, in which memory
 *  and with how many operations. */
#include "eigenstep/kernel.h"

enum {
  SPARE = 8,      /* columns of a block beyond the modes */
  ANEW = 128,     /* least columns where a product computes the entries */
  PRODUCTS = 8,   /* blocks of the basis */
  LEAST_MOST = 32 /* columns of the smallest basis */
};

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static double bytes_of(const es_kernel_plan *p, es_kernel_size s, int ranks) {
  const double points = 2 * (double) s.n, mine = points / ranks, m = s.m, b = p->block;
  const double pairs = 2 * (double) (s.n + s.fresh) / ranks * m;
  const double matrix = (double) p->entry / 8 * points * points / 2 / ranks;
  /* V and K V, four blocks of rows, four of whole vectors; tiles and their points */
  const double basis = 2 * (double) p->most * mine + 4 * b * mine + 4 * b * points;
  const double small = 7 * (double) p->most * (double) p->most;
  const double tiles = 2.0 * ES_TILE_PAIRS * (m + 2.0 * ES_TILE_PAIRS);
  const double modes = (2 * points + 4 * (double) s.fresh) * p->k / ranks;
  return 8 * (pairs + matrix + basis + small + tiles + modes);
}

es_kernel_plan es_kernel_plan_of(es_kernel_size s, int ranks, double limit) {
  static const int entries[] = {8, 4, 0};
  const double points = 2 * (double) s.n;
  es_kernel_plan p = {.k = (int) least(s.k, 2 * s.n)};
  for (int i = 0; i < 3; i++) {
    p.entry = entries[i];
    p.block = (p.k + SPARE + 7) / 8 * 8;
    if (p.entry == 0 && p.block < ANEW) p.block = ANEW;
    p.most = (int) least(PRODUCTS * p.block + LEAST_MOST, 2 * s.n);
    p.block = (int) least(p.block, 2 * s.n);
    p.bytes = bytes_of(&p, s, ranks);
    if (limit == 0 || p.bytes <= limit) break;
  }
  p.form = points * points * (s.m + 16); /* half of them; a value counts as 16 */
  p.product = 2 * points * points * p.block + (p.entry == 0 ? p.form : 0) +
              8 * points * p.block * p.most;
  return p;
}
