/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_table.c  Points in blocks of a rank's pairs, and their order. */
#include <string.h>
#include "eigenstep/mem.h"
#include "kernel_private.h"

int64_t es_points_here(const es_pairs *p, es_points points) {
  const int64_t end = points.first + points.n, last = p->first + p->n;
  const int64_t from = points.first > p->first ? points.first : p->first;
  const int64_t to = end < last ? end : last;
  return to > from ? to - from : 0;
}

/* Blocks of at most this many pairs, which fit a cache; fewer where ranks would not have
   several. */
static int block_size(const es_comm *c, int64_t n) {
  const int64_t several = n / (4 * c->size) + 1;
  return several < ES_TILE_PAIRS ? (int) several : ES_TILE_PAIRS;
}

/* Collective. range[2 r] <- first pair and number of pairs of rank r. */
static void gather_ranges(const es_comm *c, const es_pairs *p, es_points points,
                          int share, int64_t *range) {
  const int64_t here = es_points_here(p, points);
  for (int r = 0; r < c->size; r++) {
    range[2 * r] = points.first > p->first ? points.first : p->first;
    range[2 * r + 1] = (here + share - 1) / share;
    es_comm_bcast(c, range + 2 * r, 2 * sizeof *range, r);
  }
}

es_status es_tile_table_create(const es_comm *c, const es_pairs *p, es_points points,
                               int share, es_tile_table *t) {
  const int most = block_size(c, points.n / share);
  es_tile_table made = {.blocks = 0};
  int64_t *range = NULL;
  ES_TRY(ES_COMM_NEW(c, 2 * c->size, &range));
  gather_ranges(c, p, points, share, range);
  for (int r = 0; r < c->size; r++)
    made.blocks += (int) ((range[2 * r + 1] + most - 1) / most);
  const es_status st = ES_COMM_NEW(c, made.blocks, &made.block);
  for (int r = 0, at = 0; r < c->size && st == ES_OK; r++) {
    const int64_t n = range[2 * r + 1];
    if (r == c->rank) made.first = at;
    if (r == c->rank) made.start = made.points;
    for (int64_t i = 0; i < n; i += most, at++) {
      const int size = n - i < most ? (int) (n - i) : most;
      made.block[at] = (es_tile_block){r, size, range[2 * r] + i, made.points};
      made.points += 2 * (int64_t) size;
    }
    if (r == c->rank) made.mine = at - made.first;
    if (r == c->rank) made.rows = made.points - made.start;
  }
  es_free(&range);
  if (st == ES_OK) *t = made;
  return st;
}

void es_tiles_swap(const es_tile_table *t, int b, double factor, const double *x,
                   double *y) {
  for (int j = 0; j < b; j++, x += t->rows, y += t->rows)
    for (int i = t->first; i < t->first + t->mine; i++) {
      const int64_t at = t->block[i].at - t->start, n = t->block[i].n;
      for (int64_t l = 0; l < n; l++) {
        y[at + l] = factor * x[at + n + l];
        y[at + n + l] = factor * x[at + l];
      }
    }
}

void es_tiles_order(const es_tile_table *t, int64_t first, int b, const double *x,
                    double *y) {
  const int64_t half = t->points / 2;
  for (int j = 0; j < b; j++, x += t->points, y += t->points)
    for (int i = 0; i < t->blocks; i++) {
      const es_tile_block *o = &t->block[i];
      const size_t bytes = (size_t) o->n * sizeof *y;
      for (int v = 0; v < 2; v++)
        memcpy(y + v * half + o->pair - first, x + o->at + v * o->n, bytes);
    }
}
