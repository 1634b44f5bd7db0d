/* SPDX-License-Identifier: BSD-3-Clause */
/** @file product.c  The forms (layer.h) of <G_i, G_j>, block by block.
 *
 *  Contracted: a run of output channels at a time, so that the gradients of all samples
 *  for that run fit into memory once. Structured: some samples with some others at a
 *  time, so that both tables of inner products stay in the cache. */
#include "product.h"

#include <cblas.h>
#include "eigenstep/mem.h"

enum {
  ROWS = 384,          /* of a tile of inner products between positions, about */
  RUN_BYTES = 1 << 27, /* of gradients in a run of output channels, about */
  BAND = 128           /* samples whose products with all others are computed at a time */
};

static int min_int(int a, int b) {
  return a < b ? a : b;
}

static int max_int(int a, int b) {
  return a > b ? a : b;
}

/* --- factors: rows of f32, or of bf16 ----------------------------------------------- */

static int64_t factor_bytes(const es_ntk_layer *l) {
  return l->bf16 != NULL ? 2 : (int64_t) sizeof(float);
}

static const void *factor_at(const es_ntk_layer *l, const void *factors, int64_t i) {
  return (const char *) factors + i * factor_bytes(l);
}

/* c [m, n] = a b' of factors a [m, k], b [n, k]. */
static es_status multiply(const es_ntk_layer *l, es_product_args p, const void *a,
                          const void *b, float *c) {
  if (l->bf16 != NULL) return l->bf16->ops->multiply(l->bf16, &p, a, b, c);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) p.m, (int) p.n, (int) p.k,
              1.0f, a, (int) p.k, b, (int) p.k, 0.0f, c, (int) p.n);
  return ES_OK;
}

/* theta (j >= i of a triangle) += A B' for factors a [part rows, k], b [part columns, k],
 * a band of rows at a time; tile [BAND, part columns]; theta [..., stride]. */
static es_status add_products(const es_ntk_layer *l, const es_ntk_part *p, int64_t k,
                              const void *a, const void *b, float *tile, int stride,
                              double *theta) {
  for (int i = p->i0; i < p->i1; i += BAND) {
    const int n = min_int(BAND, p->i1 - i);
    const int first = p->triangle ? max_int(i, p->j0) : p->j0, m = p->j1 - first;
    if (m <= 0) continue;
    ES_TRY(multiply(l, (es_product_args){n, m, k}, factor_at(l, a, (i - p->i0) * k),
                    factor_at(l, b, (first - p->j0) * k), tile));
    for (int r = 0; r < n; r++)
      for (int c = 0; c < m; c++)
        theta[(int64_t) (i + r) * stride + first + c] += tile[(int64_t) r * m + c];
  }
  return ES_OK;
}

static es_status multiply_rows(const es_ntk_layer *l, const es_ntk_block *a,
                               const es_ntk_block *b, const es_ntk_part *p,
                               double *theta) {
  float *tile = NULL;
  ES_TRY(ES_NEW((int64_t) BAND * (p->j1 - p->j0), &tile));
  const es_status st = add_products(l, p, l->g_size, a->g + p->i0 * l->g_size,
                                    b->g + p->j0 * l->g_size, tile, b->n, theta);
  es_free(&tile);
  return st;
}

/* Output channels of a run for that many samples. */
static int64_t run_of(const es_ntk_layer *l, int64_t samples) {
  const int64_t fits = RUN_BYTES / (int64_t) sizeof(float) / (samples * l->patch + 1);
  return fits < 1 ? 1 : fits > l->outputs ? l->outputs : fits;
}

/* Room for a run of output channels. */
typedef struct run_room {
  char *a, *b;    /* gradients, factors [rows or columns, run K]; owned */
  float *patches; /* of a sample, [K, S]; owned */
  float *wide;    /* a sample's gradient before it is rounded to bf16; owned */
  float *tile;    /* [BAND, columns]; owned */
} run_room;

static void room_close(run_room *r) {
  es_free(&r->a);
  es_free(&r->b);
  es_free(&r->patches);
  es_free(&r->wide);
  es_free(&r->tile);
}

/* columns of b = 0: those of a serve for both. */
static es_status room_open(const es_ntk_layer *l, int64_t run, int64_t rows,
                           int64_t columns_of_b, int64_t columns, run_room *r) {
  const int64_t size = run * l->patch, bytes = size * factor_bytes(l);
  ES_TRY(ES_NEW(rows * bytes, &r->a));
  if (columns_of_b > 0) ES_TRY(ES_NEW(columns_of_b * bytes, &r->b));
  if (l->bf16 != NULL) ES_TRY(ES_NEW(size, &r->wide));
  ES_TRY(ES_NEW(l->positions * l->patch, &r->patches));
  return ES_NEW(BAND * columns, &r->tile);
}

/* Gradients of samples i0 to i1 for n output channels from `first` on: factors
 * [samples, n K]. */
static void materialise(const es_ntk_layer *l, const es_ntk_block *b, int i0, int i1,
                        int64_t first, int64_t n, const run_room *room, char *to) {
  const int64_t s = l->positions, k = l->patch, size = n * k;
  for (int i = i0; i < i1; i++, to += size * factor_bytes(l)) {
    const float *const g = b->g + i * l->g_size + first * s;
    float *const wide = l->bf16 != NULL ? room->wide : (float *) (void *) to;
    es_ntk_layer_columns(l, b->x + i * l->x_size, room->patches);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) n, (int) k, (int) s, 1.0f,
                g, (int) s, room->patches, (int) s, 0.0f, wide, (int) k);
    if (l->bf16 != NULL) l->bf16->ops->narrow(l->bf16, (size_t) size, wide, to);
  }
}

static es_status contract(const es_ntk_layer *l, const es_ntk_block *a,
                          const es_ntk_block *b, const es_ntk_part *p, double *theta) {
  const int64_t rows = p->i1 - p->i0, columns = p->j1 - p->j0;
  const bool same = p->triangle && p->i0 == p->j0 && p->i1 == p->j1;
  const int64_t run = run_of(l, same ? rows : rows + columns);
  run_room room = {NULL};
  es_status st = room_open(l, run, rows, same ? 0 : columns, columns, &room);
  for (int64_t c = 0; c < l->outputs && st == ES_OK; c += run) {
    const int64_t n = l->outputs - c < run ? l->outputs - c : run;
    materialise(l, a, p->i0, p->i1, c, n, &room, room.a);
    if (!same) materialise(l, b, p->j0, p->j1, c, n, &room, room.b);
    st = add_products(l, p, n * l->patch, room.a, same ? room.a : room.b, room.tile, b->n,
                      theta);
  }
  room_close(&room);
  return st;
}

/* Some samples by positions. */
typedef struct tile {
  int first, n;
  float *a, *dy;        /* [n S, K], [n S, C_out]; owned */
  uint16_t *narrow[2];  /* these in bf16, where it is asked for; owned */
  const void *x_factor; /* those that are multiplied */
  const void *g_factor;
} tile;

static es_status tile_open(const es_ntk_layer *l, int most, tile *t) {
  const int64_t x = most * l->positions * l->patch, g = most * l->positions * l->outputs;
  ES_TRY(ES_NEW(x, &t->a));
  ES_TRY(ES_NEW(g, &t->dy));
  t->x_factor = t->a;
  t->g_factor = t->dy;
  if (l->bf16 == NULL) return ES_OK;
  ES_TRY(ES_NEW(x, &t->narrow[0]));
  ES_TRY(ES_NEW(g, &t->narrow[1]));
  t->x_factor = t->narrow[0];
  t->g_factor = t->narrow[1];
  return ES_OK;
}

static void tile_close(tile *t) {
  es_free(&t->a);
  es_free(&t->dy);
  es_free(&t->narrow[0]);
  es_free(&t->narrow[1]);
}

static void tile_fill(const es_ntk_layer *l, const es_ntk_block *b, int first, int n,
                      tile *t) {
  t->first = first;
  t->n = n;
  es_ntk_layer_unroll(l, n, b->x + first * l->x_size, b->g + first * l->g_size, t->a,
                      t->dy);
  if (l->bf16 == NULL) return;
  const int64_t rows = n * l->positions;
  l->bf16->ops->narrow(l->bf16, (size_t) (rows * l->patch), t->a, t->narrow[0]);
  l->bf16->ops->narrow(l->bf16, (size_t) (rows * l->outputs), t->dy, t->narrow[1]);
}

/* theta += sum_pq (a_ip . b_jq) (dy_ip . dy_jq) of two tiles. */
static es_status add_tiles(const es_ntk_layer *l, const tile *a, const tile *b,
                           float *of_x, float *of_g, int stride, double *theta) {
  const int64_t s = l->positions, rows = a->n * s, columns = b->n * s;
  const es_product_args of_patches = {rows, columns, l->patch};
  const es_product_args of_outputs = {rows, columns, l->outputs};
  ES_TRY(multiply(l, of_patches, a->x_factor, b->x_factor, of_x));
  ES_TRY(multiply(l, of_outputs, a->g_factor, b->g_factor, of_g));
  for (int64_t r = 0; r < rows; r++) {
    float *const x = of_x + r * columns;
    const float *const g = of_g + r * columns;
    double *const to = theta + (a->first + r / s) * stride + b->first;
    for (int64_t c = 0; c < columns; c++) x[c] *= g[c];
    for (int j = 0; j < b->n; j++) {
      double sum = 0;
      for (int64_t q = 0; q < s; q++) sum += x[j * s + q];
      to[j] += sum;
    }
  }
  return ES_OK;
}

int es_ntk_product_runs(const es_ntk_layer *l, int64_t samples) {
  const int64_t run = run_of(l, samples);
  return (int) ((l->outputs + run - 1) / run);
}

int es_ntk_product_tile(const es_ntk_layer *l) {
  return l->positions < ROWS ? (int) (ROWS / l->positions) : 1;
}

static es_status structure(const es_ntk_layer *l, const es_ntk_block *a,
                           const es_ntk_block *b, const es_ntk_part *p, double *theta) {
  const int most = es_ntk_product_tile(l);
  const int64_t rows = most * l->positions;
  tile own = {.n = 0}, other = {.n = 0};
  float *of_x = NULL, *of_g = NULL;
  es_status st = tile_open(l, most, &own);
  if (st == ES_OK) st = tile_open(l, most, &other);
  if (st == ES_OK) st = ES_NEW(rows * rows, &of_x);
  if (st == ES_OK) st = ES_NEW(rows * rows, &of_g);
  for (int j = p->j0; j < p->j1 && st == ES_OK; j += most) {
    const int n = min_int(most, p->j1 - j);
    const int end = p->triangle ? min_int(p->i1, j + n) : p->i1;
    tile_fill(l, b, j, n, &other);
    for (int i = p->i0; i < end && st == ES_OK; i += most) {
      tile_fill(l, a, i, min_int(most, end - i), &own);
      st = add_tiles(l, &own, &other, of_x, of_g, b->n, theta);
    }
  }
  es_free(&of_g);
  es_free(&of_x);
  tile_close(&other);
  tile_close(&own);
  return st;
}

es_status es_ntk_product(const es_ntk_layer *l, const es_ntk_block *a,
                         const es_ntk_block *b, const es_ntk_part *part, double *theta) {
  if (part->i1 <= part->i0 || part->j1 <= part->j0) return ES_OK;
  switch (l->form) {
  case ES_NTK_ROWS:
    return multiply_rows(l, a, b, part, theta);
  case ES_NTK_CONTRACTED:
    return contract(l, a, b, part, theta);
  default:
    return structure(l, a, b, part, theta);
  }
}

double es_ntk_product_pairs(const es_ntk_layer *l, const es_ntk_part *p) {
  const int block = l->form == ES_NTK_STRUCTURED ? es_ntk_product_tile(l) : BAND;
  double pairs = 0;
  if (!p->triangle) return (double) (p->i1 - p->i0) * (p->j1 - p->j0);
  for (int i = p->i0; i < p->i1; i += block)
    pairs += (double) min_int(block, p->i1 - i) * (p->j1 - max_int(i, p->j0));
  return pairs;
}

int64_t es_ntk_product_bytes(const es_ntk_layer *l, int n) {
  const int64_t word = (int64_t) sizeof(float), narrow = l->bf16 != NULL ? 2 : 0;
  if (l->form == ES_NTK_ROWS) return word * BAND * n;
  const int64_t run = run_of(l, 2 * n) * l->patch;
  if (l->form == ES_NTK_CONTRACTED)
    return factor_bytes(l) * 2 * n * run + word * (narrow > 0 ? run : 0) +
           word * (l->positions * l->patch + (int64_t) BAND * n);
  const int64_t rows = es_ntk_product_tile(l) * l->positions;
  return 2 * rows * (word * rows + (word + narrow) * (l->patch + l->outputs));
}
