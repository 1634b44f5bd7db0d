/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_tiles.c  Products with a kernel matrix in tiles of two blocks of pairs.
 *
 *  K is symmetric: of the tiles (I, J) and (J, I) one is used, for both. Which one is a
 *  matter of parity, so that in every column of tiles each rank has about half of its
 *  own. All ranks visit the columns in turn; where tiles are computed, the points of the
 *  column are broadcast first. */
#include <cblas.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/stop.h"
#include "kernel_private.h"

static bool takes(int i, int j) {
  return i == j || (i < j) == ((i + j) % 2 != 0);
}

static const double *views_of(const es_tiles *t, const es_tile_block *o, int view) {
  return t->p->x[view] + (o->pair - t->p->first) * t->p->m;
}

/* Collective. The points of a block, of whatever rank, and their squared lengths. */
static void receive(es_tiles *t, const es_tile_block *o) {
  const size_t m = (size_t) t->p->m, half = (size_t) o->n * m;
  for (int v = 0; v < 2 && o->rank == t->comm->rank; v++)
    memcpy(t->seen + (size_t) v * half, views_of(t, o, v), half * sizeof *t->seen);
  es_comm_bcast(t->comm, t->seen, 2 * half * sizeof *t->seen, o->rank);
  for (int i = 0; i < 2 * o->n; i++) {
    const double *x = t->seen + (size_t) i * m;
    t->seen_norm[i] = cblas_ddot((int) m, x, 1, x, 1);
  }
}

/* Tile of this rank's block i and the points in t->seen: [2 n seen][2 n of i]. */
static es_status evaluate(es_tiles *t, const es_tile_block *i, int n_seen) {
  const int m = t->p->m, ld = 2 * i->n;
  for (int v = 0; v < 2; v++) {
    const es_point_rows rows = {.count = i->n,
                                .m = m,
                                .x = views_of(t, i, v),
                                .norm = t->norm + (i->at - t->table.start) + v * i->n};
    double *const to = t->tile + v * i->n;
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, i->n, 2 * n_seen, m, 1, rows.x,
                m, t->seen, m, 0, to, ld);
    for (int j = 0; j < 2 * n_seen; j++)
      ES_TRY(es_kernel_column(t->k, &rows, t->seen + (size_t) j * (size_t) m,
                              t->seen_norm[j], to + (size_t) j * (size_t) ld));
  }
  return ES_OK;
}

static es_status store(const es_tiles *t, size_t size, void **at) {
  ES_TRY(es_alloc(size * (size_t) t->entry, "kernel matrix", at));
  if (t->entry == sizeof(double)) {
    memcpy(*at, t->tile, size * sizeof(double));
    return ES_OK;
  }
  float *single = *at;
  for (size_t l = 0; l < size; l++) single[l] = (float) t->tile[l];
  for (size_t l = 0; l < size; l++) t->tile[l] = single[l];
  return ES_OK;
}

/* The tile of this rank's block i and block j, whose points are in t->seen if it is not
   stored yet. */
static es_status tile_of(es_tiles *t, int i, int j, const double **a) {
  const es_tile_block *o = &t->table.block[i], *other = &t->table.block[j];
  const size_t size = 4 * (size_t) o->n * (size_t) other->n;
  void **at =
      &t->stored[(size_t) (i - t->table.first) * (size_t) t->table.blocks + (size_t) j];
  *a = t->tile;
  if (*at == NULL) {
    ES_TRY(evaluate(t, o, other->n));
    return t->entry > 0 ? store(t, size, at) : ES_OK;
  }
  if (t->entry == sizeof(double)) {
    *a = *at;
    return ES_OK;
  }
  const float *single = *at;
  for (size_t l = 0; l < size; l++) t->tile[l] = single[l];
  return ES_OK;
}

/* Vectors in and out of a product, with their leading dimensions. */
typedef struct product {
  int b;
  const double *x;
  int64_t ldx;
  double *y;
  int64_t ldy;
} product;

/* y(rows) += A x(columns), where A [2 n of o, 2 n of other] is a tile. */
static void add(const product *q, const double *a, const es_tile_block *o,
                const es_tile_block *other) {
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, 2 * o->n, q->b, 2 * other->n, 1,
              a, 2 * o->n, q->x + other->at, (int) q->ldx, 1, q->y + o->at, (int) q->ldy);
}

/* y(columns) += A' x(rows). */
static void add_transposed(const product *q, const double *a, const es_tile_block *o,
                           const es_tile_block *other) {
  cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, 2 * other->n, q->b, 2 * o->n, 1, a,
              2 * o->n, q->x + o->at, (int) q->ldx, 1, q->y + other->at, (int) q->ldy);
}

static es_status column(es_tiles *t, int j, const product *q) {
  const es_tile_table *m = &t->table;
  for (int i = m->first; i < m->first + m->mine; i++) {
    const double *a;
    if (!takes(i, j)) continue;
    ES_TRY(tile_of(t, i, j, &a));
    add(q, a, &m->block[i], &m->block[j]);
    if (i != j) add_transposed(q, a, &m->block[i], &m->block[j]);
  }
  return ES_OK;
}

es_status es_tiles_apply(es_tiles *t, int b, const double *x, double *y,
                         es_tiles_progress progress) {
  const es_tile_table *m = &t->table;
  const product q = {b, x, m->points, y, m->points};
  es_status st = ES_OK;
  memset(y, 0, sizeof *y * (size_t) b * (size_t) m->points);
  for (int j = 0; j < m->blocks; j++) {
    const es_status asked = es_stop_between(NULL, t->comm, "the kernel's leading modes");
    if (asked != ES_OK) return es_comm_agree(t->comm, st != ES_OK ? st : asked);
    if (!t->formed || t->entry == 0) receive(t, &m->block[j]);
    if (st == ES_OK) st = column(t, j, &q);
    es_progress_at(progress.done + progress.part * (j + 1.0) / m->blocks, progress.total);
  }
  ES_TRY(es_comm_agree(t->comm, st));
  t->formed = true;
  es_comm_sum_f64(t->comm, y, (int64_t) b * m->points);
  return ES_OK;
}

es_status es_tiles_extend(es_tiles *t, const es_tile_table *u, int b, const double *x,
                          double *y) {
  const es_tile_table *m = &t->table;
  const product q = {b, x, u->points, y, m->points};
  es_status st = ES_OK;
  memset(y, 0, sizeof *y * (size_t) b * (size_t) m->points);
  for (int j = 0; j < u->blocks; j++) {
    receive(t, &u->block[j]);
    for (int i = m->first; i < m->first + m->mine && st == ES_OK; i++) {
      st = evaluate(t, &m->block[i], u->block[j].n);
      if (st == ES_OK) add(&q, t->tile, &m->block[i], &u->block[j]);
    }
  }
  ES_TRY(es_comm_agree(t->comm, st));
  es_comm_sum_f64(t->comm, y, (int64_t) b * m->points);
  return ES_OK;
}

es_status es_tiles_at(es_tiles *t, es_points fresh, int b, const double *x, double *y) {
  const es_tile_table *m = &t->table;
  es_tile_table u = {.blocks = 0};
  double *part = NULL;
  ES_TRY(es_tile_table_create(t->comm, t->p, fresh, 1, &u));
  es_status st = ES_COMM_NEW(t->comm, b * u.points, &part);
  if (st == ES_OK) {
    const product q = {b, x, m->points, part, u.points};
    for (int j = 0; j < u.blocks; j++) {
      receive(t, &u.block[j]);
      for (int i = m->first; i < m->first + m->mine && st == ES_OK; i++) {
        st = evaluate(t, &m->block[i], u.block[j].n);
        if (st == ES_OK) add_transposed(&q, t->tile, &m->block[i], &u.block[j]);
      }
    }
    st = es_comm_agree(t->comm, st);
  }
  if (st == ES_OK) {
    es_comm_sum_f64(t->comm, part, b * u.points);
    es_tiles_order(&u, fresh.first, b, part, y);
  }
  es_free(&part);
  es_free(&u.block);
  return st;
}

static es_status allocate(es_tiles *t) {
  const size_t wide = 2 * ES_TILE_PAIRS, m = (size_t) t->p->m;
  const es_tile_table *a = &t->table;
  ES_TRY(ES_NEW(a->rows, &t->norm));
  ES_TRY(ES_NEW((size_t) a->mine * (size_t) a->blocks, &t->stored));
  ES_TRY(ES_NEW(wide * m, &t->seen));
  ES_TRY(ES_NEW(wide, &t->seen_norm));
  ES_TRY(ES_NEW(wide * wide, &t->tile));
  for (int i = a->first; i < a->first + a->mine; i++)
    for (int l = 0; l < 2 * a->block[i].n; l++) {
      const es_tile_block *o = &a->block[i];
      const double *x = views_of(t, o, l / o->n) + (size_t) (l % o->n) * m;
      t->norm[o->at - a->start + l] = cblas_ddot((int) m, x, 1, x, 1);
    }
  return ES_OK;
}

es_status es_tiles_create(const es_comm *c, const es_kernel_sample *s, int share,
                          int entry, es_tiles **out) {
  es_tiles *t = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &t));
  *t = (es_tiles){.k = s->kernel, .comm = c, .p = s->pairs, .entry = entry};
  es_status st = es_tile_table_create(c, s->pairs, s->trained, share, &t->table);
  if (st == ES_OK) st = es_comm_agree(c, allocate(t));
  if (st == ES_OK)
    *out = t;
  else
    es_tiles_destroy(&t);
  return st;
}

void es_tiles_destroy(es_tiles **out) {
  es_tiles *t = *out;
  if (t == NULL) return;
  for (int l = 0; t->stored != NULL && l < t->table.mine * t->table.blocks; l++)
    es_free(&t->stored[l]);
  es_free(&t->tile);
  es_free(&t->seen_norm);
  es_free(&t->seen);
  es_free(&t->stored);
  es_free(&t->norm);
  es_free(&t->table.block);
  es_free(out);
}
