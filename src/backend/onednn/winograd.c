/* SPDX-License-Identifier: BSD-3-Clause */
/** @file winograd.c  Transforms of tiles: see winograd.h.
 *
 *  One body for all: the sizes of a transform are constants of its caller, so that the
 *  loops over a tile vanish and zeros of the matrices cost nothing; a vector holds
 *  channels. */
#include "winograd.h"

#include "onednn_type.h"

enum { MOST = ES_TILE_POINTS, TAPS = ES_TILE_TAPS, ALL = TAPS * TAPS, LINE = 64 };

/** What is multiplied from both sides. */
typedef enum kind { INPUT, SPREAD, OUTPUT, FILTER, GRADIENT } kind;

/** Of the matrix for a kind and tile. */
ES_BODY float entry(const kind k, const es_tile t, const int i, const int j) {
  switch (k) {
  case INPUT:
    return es_tile_matrices_of[t].input[i][j];
  case SPREAD:
    return es_tile_matrices_of[t].output[j][i];
  case OUTPUT:
    return es_tile_matrices_of[t].output[i][j];
  case FILTER:
    return es_tile_matrices_of[t].filter[i][j];
  default:
    return es_tile_matrices_of[t].filter[j][i];
  }
}

/** Of a row or column, before and after. */
ES_BODY int size_of(const kind k, const es_tile t, const bool after) {
  const int points = es_tile_sizes[t].points;
  switch (k) {
  case INPUT:
    return after ? points : es_tile_sizes[t].pixels;
  case SPREAD:
    return after ? points : es_tile_sizes[t].positions;
  case OUTPUT:
    return after ? es_tile_sizes[t].positions : points;
  case FILTER:
    return after ? points : TAPS;
  default:
    return after ? TAPS : points;
  }
}

/** Element i of the product of the matrix and a line of a tile. */
ES_BODY es_vec dot(const kind k, const es_tile form, const int i, const es_vec *line,
                   const int step) {
  const int n = size_of(k, form, false);
  es_vec sum = {0};
  bool begun = false;
#pragma GCC unroll 7
  for (int j = 0; j < n; j++) {
    const float f = entry(k, form, i, j);
    if (f == 0) continue;
    sum = begun ? sum + f * line[j * step] : f * line[j * step];
    begun = true;
  }
  return sum;
}

/** to [after, after] = matrix from [before, before] matrix' */
ES_BODY void transform(const kind k, const es_tile form, const es_vec *from, es_vec *to) {
  const int before = size_of(k, form, false), after = size_of(k, form, true);
  es_vec half[MOST * MOST];
#pragma GCC unroll 7
  for (int j = 0; j < before; j++)
#pragma GCC unroll 7
    for (int i = 0; i < after; i++)
      half[i * before + j] = dot(k, form, i, from + j, before);
#pragma GCC unroll 7
  for (int i = 0; i < after; i++)
#pragma GCC unroll 7
    for (int j = 0; j < after; j++)
      to[i * after + j] = dot(k, form, j, half + i * before, 1);
}

/** A tile's pixels and points. */
typedef struct tile {
  int64_t at[MOST * MOST]; /**< channel 0 of the pixels; -1 outside of the map */
  void *map, *points;
  int64_t step; /**< from point to point */
} tile;

/** Tile `number` of size x size pixels. */
static void locate(const es_winograd *g, int64_t number, int size, tile *t) {
  const int64_t row = number / g->cols, image = row / g->rows;
  const int top = (int) (row - image * g->rows) * g->step - g->pad;
  const int left = (int) (number - row * g->cols) * g->step - g->pad;
  const int64_t first = ((image * g->h + top) * g->w + left) * g->channels;
  for (int i = 0; i < size; i++) {
    const bool in_map = top + i >= 0 && top + i < g->h;
    for (int j = 0; j < size; j++) {
      const bool in = in_map && left + j >= 0 && left + j < g->w;
      t->at[i * size + j] = in ? first + (int64_t) (i * g->w + j) * g->channels : -1;
    }
  }
}

/** Channels [c, c + n). */
ES_BODY void points_of(const kind k, const es_tile form, const bool bf16, const tile *t,
                       int64_t c, const int n) {
  const int before = size_of(k, form, false), after = size_of(k, form, true);
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 49
  for (int i = 0; i < before * before; i++) {
    from[i] = (es_vec){0};
    if (t->at[i] >= 0) from[i] = es_get(bf16, t->map, t->at[i] + c, n);
  }
  transform(k, form, from, to);
#pragma GCC unroll 49
  for (int i = 0; i < after * after; i++)
    es_put(bf16, t->points, i * t->step + c, to[i], n);
}

ES_BODY void tile_points(const kind k, const es_tile form, const bool bf16,
                         const es_winograd *g, int64_t number, tile *t) {
  locate(g, number, size_of(k, form, false), t);
  ES_BY_VECTORS(0, g->channels, points_of(k, form, bf16, t, c, N));
}

#define CASE(form, bf16, call)                                                           \
  case form: {                                                                           \
    const es_tile L = form;                                                              \
    ES_EITHER_TYPE(bf16, call);                                                          \
    break;                                                                               \
  }

/** Call with constants: the tile, L, and whether in bf16, T. */
#define BY_TILE(g, call)                                                                 \
  do {                                                                                   \
    switch ((g)->tile) {                                                                 \
      CASE(ES_TILE_WHOLE_2, (g)->bf16, call)                                             \
      CASE(ES_TILE_WHOLE_3, true, call)                                                  \
      CASE(ES_TILE_2, true, call)                                                        \
      CASE(ES_TILE_3, false, call)                                                       \
      CASE(ES_TILE_4, false, call)                                                       \
    default:                                                                             \
      CASE(ES_TILE_4_BY_7, true, call)                                                   \
    }                                                                                    \
  } while (0)

int64_t es_winograd_step(const es_winograd *g, int64_t rows, bool bf16) {
  const int64_t a_line = LINE / (bf16 ? 2 : 4);
  return ((rows * g->channels + a_line - 1) / a_line | 1) * a_line;
}

static void no_tile(const es_winograd *g, const tile *t) {
  const bool bf16 = g->bf16;
  for (int i = 0; i < es_winograd_points(g->tile); i++)
    memset(es_to(bf16, t->points, i * t->step), 0, (size_t) g->channels * (bf16 ? 2 : 4));
}

/** Tile i of a part. */
ES_BODY void part_points(const kind k, const es_winograd *g, const es_winograd_part *p,
                         int64_t i, tile t) {
  t.points = es_to(g->bf16, t.points, i * g->channels);
  if (p->first + i < p->end)
    BY_TILE(g, tile_points(k, L, T, g, p->first + i, &t));
  else
    no_tile(g, &t);
}

void es_winograd_input(const es_winograd *g, const es_winograd_part *p, void *x,
                       void *points) {
  const tile t = {
      .map = x, .points = points, .step = es_winograd_step(g, p->count, g->bf16)};
  for (int64_t i = 0; i < p->count; i++) part_points(INPUT, g, p, i, t);
}

void es_winograd_spread(const es_winograd *g, const es_winograd_part *p, void *dy,
                        void *points) {
  const tile t = {
      .map = dy, .points = points, .step = es_winograd_step(g, p->count, g->bf16)};
  for (int64_t i = 0; i < p->count; i++) part_points(SPREAD, g, p, i, t);
}

/** Channels [c, c + n). */
ES_BODY void sums_to(const es_tile form, const bool bf16, const bool add, const tile *t,
                     int64_t c, const int n) {
  const int size = es_tile_sizes[form].points, positions = es_tile_sizes[form].positions;
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 49
  for (int i = 0; i < size * size; i++)
    from[i] = es_get(false, t->points, i * t->step + c, n);
  transform(OUTPUT, form, from, to);
#pragma GCC unroll 16
  for (int i = 0; i < positions * positions; i++) {
    if (t->at[i] < 0) continue;
    if (add) to[i] += es_get(bf16, t->map, t->at[i] + c, n);
    es_put(bf16, t->map, t->at[i] + c, to[i], n);
  }
}

ES_BODY void tile_sums(const es_tile form, const bool bf16, bool add,
                       const es_winograd *g, int64_t number, tile *t) {
  locate(g, number, es_tile_sizes[form].positions, t);
  if (add)
    ES_BY_VECTORS(0, g->channels, sums_to(form, bf16, true, t, c, N));
  else
    ES_BY_VECTORS(0, g->channels, sums_to(form, bf16, false, t, c, N));
}

void es_winograd_output(const es_winograd *g, const es_winograd_part *p, bool add,
                        float *points, void *y) {
  const int64_t step = es_winograd_step(g, p->count, false);
  const int64_t left = p->end - p->first, count = left < p->count ? left : p->count;
  for (int64_t i = 0; i < count; i++) {
    tile t = {.map = y, .points = points + i * g->channels, .step = step};
    BY_TILE(g, tile_sums(L, T, add, g, p->first + i, &t));
  }
}

/** Channels [c, c + n) of a filter. */
ES_BODY void filter_points(const es_tile form, bool turned, const float *w, const tile *t,
                           int64_t c, const int n) {
  float tap[ALL][ES_LANES] = {{0}};
  es_vec from[MOST * MOST], to[MOST * MOST];
  for (int i = 0; i < n; i++)
    for (int a = 0; a < ALL; a++) tap[turned ? ALL - 1 - a : a][i] = w[(c + i) * ALL + a];
#pragma GCC unroll 9
  for (int a = 0; a < ALL; a++) from[a] = es_get(false, tap[a], 0, ES_LANES);
  transform(FILTER, form, from, to);
#pragma GCC unroll 49
  for (int i = 0; i < es_winograd_points(form); i++)
    es_put(false, t->points, i * t->step + c, to[i], n);
}

ES_BODY void row_points(const es_tile form, const es_winograd *g, bool turned,
                        const float *w, const tile *t) {
  ES_BY_VECTORS(0, g->channels, filter_points(form, turned, w, t, c, N));
}

void es_winograd_filter(const es_winograd *g, int64_t rows, bool turned,
                        const float *weights, float *points) {
  const int64_t step = es_winograd_step(g, rows, false);
  for (int64_t o = 0; o < rows; o++) {
    const tile t = {.points = points + o * g->channels, .step = step};
    BY_TILE(g, row_points(L, g, turned, weights + o * g->channels * ALL, &t));
  }
}

/** Sums of a filter: `copies` of them, that are added. */
typedef struct sums {
  const float *first;
  int64_t step, copy; /**< from point to point, from one to the next */
  int copies;
} sums;

/** Channels [c, c + n) of a filter. */
ES_BODY void filter_gradient(const es_tile form, bool add, const sums *s, float *dw,
                             int64_t c, const int n) {
  float tap[ALL][ES_LANES];
  es_vec from[MOST * MOST], to[MOST * MOST];
#pragma GCC unroll 49
  for (int i = 0; i < es_winograd_points(form); i++) {
    from[i] = es_get(false, s->first, i * s->step + c, n);
    for (int j = 1; j < s->copies; j++)
      from[i] += es_get(false, s->first, j * s->copy + i * s->step + c, n);
  }
  transform(GRADIENT, form, from, to);
#pragma GCC unroll 9
  for (int a = 0; a < ALL; a++) es_put(false, tap[a], 0, to[a], ES_LANES);
  for (int i = 0; i < n; i++)
    for (int a = 0; a < ALL; a++) {
      float *const sum = dw + (c + i) * ALL + a;
      *sum = add ? *sum + tap[a][i] : tap[a][i];
    }
}

ES_BODY void row_gradient(const es_tile form, const es_winograd *g, bool add,
                          const sums *s, float *dw) {
  ES_BY_VECTORS(0, g->channels, filter_gradient(form, add, s, dw, c, N));
}

void es_winograd_gradient(const es_winograd *g, int64_t rows, int copies,
                          const float *points, bool add, float *dw) {
  const int64_t step = es_winograd_step(g, rows, false);
#pragma omp parallel for num_threads(g->threads) schedule(static)
  for (int64_t o = 0; o < rows; o++) {
    const sums s = {.first = points + o * g->channels,
                    .step = step,
                    .copy = es_winograd_points(g->tile) * step,
                    .copies = copies};
    BY_TILE(g, row_gradient(L, g, add, &s, dw + o * g->channels * ALL));
  }
}
