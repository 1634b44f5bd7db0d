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

/* theta (j >= i of a triangle) += A B' for rows a [part rows, k], b [part columns, k], a
 * band of rows at a time; tile [BAND, part columns]. */
static void add_products(const es_ntk_part *p, int64_t k, const float *a, const float *b,
                         float *tile, int stride, double *theta) {
  for (int i = p->i0; i < p->i1; i += BAND) {
    const int n = min_int(BAND, p->i1 - i);
    const int first = p->triangle ? max_int(i, p->j0) : p->j0, m = p->j1 - first;
    if (m <= 0) continue;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, m, (int) k, 1.0f,
                a + (i - p->i0) * k, (int) k, b + (first - p->j0) * k, (int) k, 0.0f,
                tile, m);
    for (int r = 0; r < n; r++)
      for (int c = 0; c < m; c++)
        theta[(int64_t) (i + r) * stride + first + c] += tile[(int64_t) r * m + c];
  }
}

static es_status multiply_rows(const es_ntk_layer *l, const es_ntk_block *a,
                               const es_ntk_block *b, const es_ntk_part *p,
                               double *theta) {
  float *tile = NULL;
  ES_TRY(ES_NEW((int64_t) BAND * (p->j1 - p->j0), &tile));
  add_products(p, l->g_size, a->g + p->i0 * l->g_size, b->g + p->j0 * l->g_size, tile,
               b->n, theta);
  es_free(&tile);
  return ES_OK;
}

/* Output channels of a run for that many samples. */
static int64_t run_of(const es_ntk_layer *l, int64_t samples) {
  const int64_t fits = RUN_BYTES / (int64_t) sizeof(float) / (samples * l->patch + 1);
  return fits < 1 ? 1 : fits > l->outputs ? l->outputs : fits;
}

/* Gradients of samples i0 to i1 for n output channels from `first` on: [samples, n K].
 * patches: room for those of a sample. */
static void materialise(const es_ntk_layer *l, const es_ntk_block *b, int i0, int i1,
                        int64_t first, int64_t n, float *patches, float *to) {
  const int64_t s = l->positions, k = l->patch;
  for (int i = i0; i < i1; i++, to += n * k) {
    const float *const g = b->g + i * l->g_size + first * s;
    es_ntk_layer_columns(l, b->x + i * l->x_size, patches);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) n, (int) k, (int) s, 1.0f,
                g, (int) s, patches, (int) s, 0.0f, to, (int) k);
  }
}

static es_status contract(const es_ntk_layer *l, const es_ntk_block *a,
                          const es_ntk_block *b, const es_ntk_part *p, double *theta) {
  const int64_t rows = p->i1 - p->i0, columns = p->j1 - p->j0;
  const bool same = p->triangle && p->i0 == p->j0 && p->i1 == p->j1;
  const int64_t run = run_of(l, same ? rows : rows + columns);
  float *room[4] = {NULL}; /* of a, of b, patches, tile */
  es_status st = ES_NEW(rows * run * l->patch, &room[0]);
  if (st == ES_OK && !same) st = ES_NEW(columns * run * l->patch, &room[1]);
  if (st == ES_OK) st = ES_NEW(l->positions * l->patch, &room[2]);
  if (st == ES_OK) st = ES_NEW(BAND * columns, &room[3]);
  for (int64_t c = 0; c < l->outputs && st == ES_OK; c += run) {
    const int64_t n = l->outputs - c < run ? l->outputs - c : run;
    materialise(l, a, p->i0, p->i1, c, n, room[2], room[0]);
    if (!same) materialise(l, b, p->j0, p->j1, c, n, room[2], room[1]);
    add_products(p, n * l->patch, room[0], same ? room[0] : room[1], room[3], b->n,
                 theta);
  }
  for (int i = 0; i < 4; i++) es_free(&room[i]);
  return st;
}

/* Some samples by positions. */
typedef struct tile {
  int first, n;
  float *a, *dy; /* [n S, K], [n S, C_out]; owned */
} tile;

static es_status tile_open(const es_ntk_layer *l, int most, tile *t) {
  ES_TRY(ES_NEW(most * l->positions * l->patch, &t->a));
  return ES_NEW(most * l->positions * l->outputs, &t->dy);
}

static void tile_close(tile *t) {
  es_free(&t->a);
  es_free(&t->dy);
}

static void tile_fill(const es_ntk_layer *l, const es_ntk_block *b, int first, int n,
                      tile *t) {
  t->first = first;
  t->n = n;
  es_ntk_layer_unroll(l, n, b->x + first * l->x_size, b->g + first * l->g_size, t->a,
                      t->dy);
}

/* to [rows of a, rows of b] = a b', both of k columns. */
static void inner(int64_t rows, int64_t columns, int64_t k, const float *a,
                  const float *b, float *to) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) rows, (int) columns, (int) k,
              1.0f, a, (int) k, b, (int) k, 0.0f, to, (int) columns);
}

/* theta += sum_pq (a_ip . b_jq) (dy_ip . dy_jq) of two tiles. */
static void add_tiles(const es_ntk_layer *l, const tile *a, const tile *b, float *of_x,
                      float *of_g, int stride, double *theta) {
  const int64_t s = l->positions, rows = a->n * s, columns = b->n * s;
  inner(rows, columns, l->patch, a->a, b->a, of_x);
  inner(rows, columns, l->outputs, a->dy, b->dy, of_g);
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
    for (int i = p->i0; i < end; i += most) {
      tile_fill(l, a, i, min_int(most, end - i), &own);
      add_tiles(l, &own, &other, of_x, of_g, b->n, theta);
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
  const int64_t word = (int64_t) sizeof(float);
  if (l->form == ES_NTK_ROWS) return word * BAND * n;
  if (l->form == ES_NTK_CONTRACTED)
    return word * (2 * n * run_of(l, 2 * n) * l->patch + l->positions * l->patch +
                   (int64_t) BAND * n);
  const int64_t rows = es_ntk_product_tile(l) * l->positions;
  return 2 * word * rows * (rows + l->patch + l->outputs);
}
