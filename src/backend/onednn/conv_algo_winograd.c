/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_winograd.c  3x3 convolutions of stride 1 with fewer multiplications
 *  (winograd.h). Tiles are transformed into points; for each point there is one product,
 *
 *  forward   M [tiles, O] = V [tiles, I] U',  U [O, I] of the weights, V of x
 *  data      M [tiles, I] = V [tiles, O] U,   U of filters turned by 180 degrees, V of dy
 *  weights   S [O, I] [+]= D' V,              D [tiles, O] of dy, V of x
 *
 *  and what comes out is transformed back. A part of the tiles at a time, which is in the
 *  caches; each thread has its own, and in the weights pass its own sums. */
#include "conv_algo.h"
#include "eigenstep/thread.h"
#include "onednn_type.h"
#include "winograd.h"

enum {
  /* of a part: with a quarter, products of 49 points have too few rows; with twice as
     much, a part is read from memory again */
  PART_BYTES = 1 << 21,
  /* of the weights pass, all threads: where there is no room for all, some wait */
  SUMS_BYTES = 128 << 20,
  PACKING = 40 /* rows of a product in the time of which its weights are packed */
};

typedef struct winograd {
  es_conv_algo algo;
  es_winograd from, to; /**< x and y; data pass: dy and dx */
  int64_t all, count;   /**< tiles of all images; of a part */
  int64_t parts;        /**< of each thread */
} winograd;

/** What a pass goes over: data passes from dy to dx. */
typedef struct sides {
  es_shape from, to;
  int pad;
} sides;

static sides sides_of(const es_op_desc *d, es_pass pass) {
  if (pass == ES_DATA) return (sides){d->out, d->in, 2 - d->window.pad};
  return (sides){d->in, d->out, d->window.pad};
}

/** Points along a row or column of so many positions. */
static int points_along(int positions, es_tile tile) {
  const es_tile_size *const s = &es_tile_sizes[tile];
  return (positions + s->positions - 1) / s->positions * s->points;
}

static int points_of(es_shape to, es_tile tile) {
  return points_along(to.h, tile) * points_along(to.w, tile);
}

static bool is_map(es_shape s, int size) {
  return s.h == size && s.w == size;
}

/** In bf16 points are rounded, too: results err 1.5 to 2 times as much as those of
 *  `direct`, with ES_TILE_3 or ES_TILE_4 four to nine times. */
static bool has_tile(const es_op_desc *d, es_tile tile) {
  const bool bf16 = es_onednn_bf16(d);
  switch (tile) {
  case ES_TILE_WHOLE_2:
    return d->window.pad == 1 && is_map(d->in, 2);
  case ES_TILE_WHOLE_3:
    return bf16 && d->window.pad == 1 && is_map(d->in, 3);
  case ES_TILE_2:
  case ES_TILE_4_BY_7:
    return bf16;
  default:
    return !bf16;
  }
}

/** Rows of the products of all points, and those in the time of which the weights of a
 *  point are packed, or each of `copies` sums of its gradient is taken back. */
static int64_t rows_of(const es_op_desc *d, es_shape to, es_tile tile, int copies) {
  const int64_t points = es_winograd_points(tile);
  return (int64_t) d->max_n * points_of(to, tile) + (int64_t) copies * PACKING * points;
}

/** The one of the fewest. */
static es_tile tile_of(const es_op_desc *d, es_shape to, int copies) {
  es_tile best = es_onednn_bf16(d) ? ES_TILE_2 : ES_TILE_3;
  for (int t = 0; t < ES_TILES; t++)
    if (has_tile(d, (es_tile) t) &&
        rows_of(d, to, (es_tile) t, copies) < rows_of(d, to, best, copies))
      best = (es_tile) t;
  return best;
}

/** Taps that are inside the map, over all positions of a row or column. */
static int taps_inside(int size, int positions, int pad) {
  int n = 0;
  for (int i = 0; i < positions; i++)
    for (int t = 0; t < 3; t++) n += i + t >= pad && i + t < size + pad;
  return n;
}

static bool fits(const es_op_desc *d, es_pass pass) {
  const sides s = sides_of(d, pass);
  if (d->kind != ES_OP_CONV || d->window.k != 3 || d->window.stride != 1 ||
      d->window.pad > 2)
    return false;
  return points_of(s.to, tile_of(d, s.to, 1)) <
         taps_inside(s.from.h, s.to.h, s.pad) * taps_inside(s.from.w, s.to.w, s.pad);
}

static es_conv_matrices matrices(const es_op_desc *d, es_pass pass) {
  const es_tile tile = tile_of(d, sides_of(d, pass).to, 1);
  return (es_conv_matrices){es_winograd_points(tile), d->out.c, d->in.c};
}

/** Points of `rows` tiles or filters. */
static size_t bytes_of(const es_winograd *g, int64_t rows, bool bf16) {
  return (size_t) (es_winograd_points(g->tile) * es_winograd_step(g, rows, bf16)) *
         (bf16 ? 2 : 4);
}

/** Are the points of the second side in bf16? */
static bool narrow_to(const winograd *u) {
  return u->algo.pass == ES_WEIGHTS && u->to.bf16;
}

/** The weights: rows are filters. */
static es_winograd filters(const winograd *u) {
  return (es_winograd){.tile = u->from.tile,
                       .bf16 = u->from.bf16,
                       .channels = u->algo.desc.in.c,
                       .threads = u->algo.backend->threads};
}

/** What tiles of a part may take. Each part reads all weights, or reads and writes all
 *  sums of their gradient, with many channels in memory: at least half of these. */
static int64_t most_bytes(const winograd *u) {
  const es_winograd g = filters(u);
  const bool narrow = u->algo.pass != ES_WEIGHTS && g.bf16;
  const int64_t half = (int64_t) bytes_of(&g, u->algo.desc.out.c, narrow) / 2;
  return half > PART_BYTES ? half : PART_BYTES;
}

static int least(int64_t a, int64_t b) {
  return (int) (a < b ? a : b);
}

/** Threads that work. */
static int workers(const winograd *u) {
  const es_winograd g = filters(u);
  const int n = least(g.threads, u->all);
  if (u->algo.pass != ES_WEIGHTS) return n;
  const size_t sums = bytes_of(&g, u->algo.desc.out.c, false);
  return least(n, 1 + (int64_t) ((SUMS_BYTES - 1) / sums));
}

static void set_sizes(winograd *u) {
  const es_op_desc *const d = &u->algo.desc;
  const sides s = sides_of(d, u->algo.pass);
  const int threads = u->algo.backend->threads;
  const es_tile tile = tile_of(d, s.to, u->algo.pass == ES_WEIGHTS ? threads : 1);
  const es_tile_size *const size = &es_tile_sizes[tile];
  u->from = u->to =
      (es_winograd){.tile = tile,
                    .bf16 = es_onednn_bf16(d),
                    .step = size->positions,
                    .rows = (s.to.h + size->positions - 1) / size->positions,
                    .cols = (s.to.w + size->positions - 1) / size->positions,
                    .threads = threads};
  u->from.pad = size->pixels > size->positions ? s.pad : 0; /* a whole map has none */
  u->from.h = s.from.h, u->from.w = s.from.w, u->from.channels = s.from.c;
  u->to.h = s.to.h, u->to.w = s.to.w, u->to.channels = s.to.c;
  u->all = (int64_t) u->algo.n * u->to.rows * u->to.cols;
  const int64_t in = s.from.c * (u->from.bf16 ? 2 : 4);
  const int64_t out = s.to.c * (narrow_to(u) ? 2 : 4);
  const int64_t a_tile = es_winograd_points(tile) * (in + out);
  u->algo.team.threads = workers(u);
  const int64_t most = u->algo.team.threads * (most_bytes(u) / a_tile + 1);
  u->parts = (u->all + most - 1) / most;
  const int64_t all_parts = u->parts * u->algo.team.threads;
  u->count = (u->all + all_parts - 1) / all_parts;
}

static size_t part_bytes(const winograd *u) {
  return bytes_of(&u->from, u->count, u->from.bf16) +
         bytes_of(&u->to, u->count, narrow_to(u));
}

static es_status make_weights(winograd *u, es_prim_engine *e) {
  es_conv_algo *const w = &u->algo;
  const bool bf16 = es_onednn_bf16(&w->desc);
  const int64_t in = w->desc.in.c, out = w->desc.out.c;
  const es_prim_tensor x = es_conv_algo_matrix(u->count, in, in, bf16);
  const es_prim_tensor y = es_conv_algo_matrix(u->count, out, out, bf16);
  const es_prim_tensor dy = es_conv_algo_transposed(y);
  const es_prim_tensor sum = es_conv_algo_matrix(out, in, in, false);
  ES_TRY(es_prim_matmul(e, &dy, &x, &sum, false, &w->prim[0]));
  return u->parts == 1 ? ES_OK : es_prim_matmul(e, &dy, &x, &sum, true, &w->prim[1]);
}

static es_status make_others(winograd *u, es_prim_engine *e) {
  es_conv_algo *const w = &u->algo;
  const bool bf16 = es_onednn_bf16(&w->desc);
  const int64_t from = u->from.channels, to = u->to.channels, in = w->desc.in.c;
  const es_prim_tensor left = es_conv_algo_matrix(u->count, from, from, bf16);
  const es_prim_tensor sum = es_conv_algo_matrix(u->count, to, to, false);
  es_prim_tensor plain = es_conv_algo_matrix(w->desc.out.c, in, in, false);
  if (w->pass == ES_FORWARD) plain = es_conv_algo_transposed(plain);
  es_prim_tensor packed = es_conv_algo_free(plain);
  packed.bf16 = bf16;
  ES_TRY(es_prim_matmul(e, &left, &packed, &sum, false, &w->prim[0]));
  return es_conv_algo_rooms(w, &plain, es_winograd_points(u->from.tile));
}

static es_status make(es_conv_algo *w) {
  winograd *const u = (winograd *) w;
  es_prim_engine *const e = ((const es_onednn *) w->backend->impl)->alone;
  set_sizes(u);
  const int threads = w->team.threads;
  w->team.threads = 0; /* until there are others */
  es_thread_set_openmp(1);
  es_status st = w->pass == ES_WEIGHTS ? make_weights(u, e) : make_others(u, e);
  if (st == ES_OK) st = es_conv_algo_for_threads(w, threads);
  es_thread_set_openmp(w->backend->threads);
  ES_TRY(st);
  const es_winograd g = filters(u);
  const size_t parts = (size_t) threads * part_bytes(u);
  const size_t sums = (size_t) threads * bytes_of(&g, w->desc.out.c, false);
  if (w->pass == ES_WEIGHTS) return es_onednn_reserve(w->backend, parts + sums);
  const es_packed *const form = &w->weights.form;
  const int64_t together = form->width > 0 ? es_packed_strip(form) : w->desc.out.c;
  w->weights.room = bytes_of(&g, together, false);
  const int64_t strips = (w->desc.out.c + together - 1) / together;
  const size_t rooms = (size_t) least(g.threads, strips) * w->weights.room;
  return es_onednn_reserve(w->backend, parts > rooms ? parts : rooms);
}

/** The packed weights of point i. */
static char *weights_at(const es_conv_algo *w, int i) {
  return (char *) es_conv_algo_packed(w) + (size_t) i * es_prim_bytes(w->prim[0], 1);
}

/** All at once, by the library. */
static es_status load(es_conv_algo *w, const float *weights) {
  const es_winograd g = filters((const winograd *) w);
  float *const points = es_onednn_scratch(w->backend);
  const int64_t out = w->desc.out.c, step = es_winograd_step(&g, out, false);
  es_winograd_filter(&g, out, w->pass == ES_DATA, weights, points);
  for (int i = 0; i < es_winograd_points(g.tile); i++)
    ES_TRY(es_prim_run(w->weights.pack, points + i * step, NULL, weights_at(w, i)));
  return ES_OK;
}

/** Filters from `first` on, which are packed while they are in the cache. */
static void strip(const es_conv_algo *w, const float *weights, int64_t first,
                  float *room) {
  const es_winograd g = filters((const winograd *) w);
  const int64_t left = w->desc.out.c - first, filter = 9 * g.channels;
  const int64_t n = least(left, es_packed_strip(&w->weights.form));
  const int64_t step = es_winograd_step(&g, n, false);
  es_winograd_filter(&g, n, w->pass == ES_DATA, weights + first * filter, room);
  for (int i = 0; i < es_winograd_points(g.tile); i++)
    es_packed_put(&w->weights.form, first, room + i * step, weights_at(w, i));
}

/** Tiles of part i of a thread. */
static es_winograd_part part_of(const winograd *u, int thread, int64_t i) {
  return (es_winograd_part){(thread * u->parts + i) * u->count, u->count, u->all};
}

static char *room_of(const winograd *u, int thread) {
  return (char *) es_onednn_scratch(u->algo.backend) + (size_t) thread * part_bytes(u);
}

/** The parts of a thread, into its sums. */
static es_status thread_weights(winograd *u, const es_op_args *a, int thread,
                                float *sums) {
  es_conv_algo *const w = &u->algo;
  const bool bf16 = u->from.bf16;
  const es_winograd g = filters(u);
  char *const x = room_of(u, thread), *const dy = x + bytes_of(&u->from, u->count, bf16);
  const int64_t step = es_winograd_step(&g, w->desc.out.c, false);
  const int64_t x_step = es_winograd_step(&u->from, u->count, bf16);
  const int64_t dy_step = es_winograd_step(&u->to, u->count, bf16);
  for (int64_t part = 0; part < u->parts; part++) {
    const es_winograd_part p = part_of(u, thread, part);
    es_winograd_input(&u->from, &p, a->x, x);
    es_winograd_spread(&u->to, &p, a->dy, dy);
    for (int i = 0; i < es_winograd_points(g.tile); i++)
      ES_TRY(es_prim_run(es_conv_algo_prim(w, part > 0, thread),
                         es_from(bf16, dy, i * dy_step), es_from(bf16, x, i * x_step),
                         sums + i * step));
  }
  return ES_OK;
}

static es_status run_weights(winograd *u, const es_op_args *a) {
  const int threads = u->algo.team.threads;
  const int64_t out = u->algo.desc.out.c;
  const es_winograd g = filters(u);
  const int64_t size = (int64_t) (bytes_of(&g, out, false) / sizeof(float));
  float *const sums = (float *) (void *) room_of(u, threads); /* behind the last */
  es_status st = ES_OK;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(min : st)
  for (int t = 0; t < threads; t++) {
    const es_status one = thread_weights(u, a, t, sums + t * size);
    if (one < st) st = one; /* errors are negative */
  }
  ES_TRY(st);
  es_winograd_gradient(&g, out, threads, sums, !a->param.set_dw, a->param.dw);
  return ES_OK;
}

/** The parts of a thread. */
static es_status thread_run(winograd *u, const es_op_args *a, int thread) {
  es_conv_algo *const w = &u->algo;
  const bool data = w->pass == ES_DATA, bf16 = u->from.bf16;
  char *const from = room_of(u, thread);
  float *const sum = (float *) (void *) (from + bytes_of(&u->from, u->count, bf16));
  const int64_t from_step = es_winograd_step(&u->from, u->count, bf16);
  const int64_t step = es_winograd_step(&u->to, u->count, false);
  for (int64_t part = 0; part < u->parts; part++) {
    const es_winograd_part p = part_of(u, thread, part);
    es_winograd_input(&u->from, &p, data ? a->dy : a->x, from);
    for (int i = 0; i < es_winograd_points(u->from.tile); i++)
      ES_TRY(es_prim_run(es_conv_algo_prim(w, false, thread),
                         es_from(bf16, from, i * from_step), weights_at(w, i),
                         sum + i * step));
    es_winograd_output(&u->to, &p, data && a->add_dx, sum, data ? a->dx : a->y);
  }
  return ES_OK;
}

static es_status run(es_conv_algo *w, const es_op_args *a) {
  winograd *const u = (winograd *) w;
  if (w->pass == ES_WEIGHTS) return run_weights(u, a);
  es_status st = ES_OK;
#pragma omp parallel for num_threads(w->team.threads) schedule(static) reduction(min : st)
  for (int t = 0; t < w->team.threads; t++) {
    const es_status one = thread_run(u, a, t);
    if (one < st) st = one; /* errors are negative */
  }
  return st;
}

const es_conv_algo_ops es_conv_algo_winograd = {
    .name = "winograd-tiles",
    .doc = "fewer multiplications, 3x3 of stride 1",
    .fits = fits,
    .matrices = matrices,
    .size = sizeof(winograd),
    .make = make,
    .load = load,
    .strip = strip,
    .run = run};
