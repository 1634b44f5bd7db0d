/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_sum_body.h  Sums over rows of a matrix [rows, c], column by column.
 *
 *  A block takes the columns of up to 32 packs and a part of the rows of a run; its
 *  threads share the rows. A thread adds 64 of them in f32, then in f64; the rest is
 *  f64 in a fixed order. x is taken relative to the first row of the 64, so that a
 *  mean far from zero costs no digits. */
#ifndef ES_CUDA_BN_SUM_BODY_H
#define ES_CUDA_BN_SUM_BODY_H

#include "kernels.h"
#include "value_body.h"

enum { ES_CUDA_SUM_RUN = 64 }; /* rows added in f32 */

/** How a block of ES_CUDA_THREADS threads is laid over packs of N columns: `tile` packs
 *  side by side, `lanes` rows at a time, `tiles` blocks for all columns. */
struct es_columns {
  int packs, tile, lanes, tiles;
};

__host__ __device__ inline es_columns es_columns_of(int c, int n) {
  es_columns l;
  l.packs = c / n;
  l.tile = l.packs < 32 ? l.packs : 32;
  l.lanes = ES_CUDA_THREADS / l.tile;
  l.tiles = (l.packs + l.tile - 1) / l.tile;
  return l;
}

/** The place of a thread in that layout. */
struct es_column_place {
  int first, lane; /**< first column of its pack, row among those at a time */
  bool active;
  int part; /**< number of the block, without the tile */
};

__device__ inline es_column_place es_column_at(const es_thread &t, const es_columns &l,
                                               int n) {
  es_column_place p;
  const int tile = (int) (t.block() % (unsigned) l.tiles);
  const int pack = tile * l.tile + (int) t.thread() % l.tile;
  p.lane = (int) t.thread() / l.tile;
  p.first = pack * n;
  p.active = p.lane < l.lanes && pack < l.packs;
  p.part = (int) (t.block() / (unsigned) l.tiles);
  return p;
}

/** x and x^2, relative to the first row. */
template <class T, int N> struct es_moment_terms {
  int c;
  const T *x;
  float shift[N];
  __device__ void column(int, int) {
  }
  __device__ void begin(int64_t at) {
    es_load(x + at, shift);
  }
  __device__ void add(int64_t at, float (&s1)[N], float (&s2)[N]) const {
    float v[N];
    es_load(x + at, v);
    for (int i = 0; i < N; i++) {
      const float d = v[i] - shift[i];
      s1[i] += d;
      s2[i] += d * d;
    }
  }
  __device__ void end(int rows, const float (&s1)[N], const float (&s2)[N],
                      double (&total)[2 * N]) const {
    for (int i = 0; i < N; i++) {
      const double by = shift[i], first = s1[i];
      total[i] += first + rows * by;
      total[N + i] += s2[i] + by * (2.0 * first + rows * by);
    }
  }
};

/** y before the ReLU; forward and backward must round alike. */
__device__ inline float es_normalized(float x, float mean, float scale, float bias) {
  return fmaf(x - mean, scale, bias);
}

/** What lets a gradient pass, for one pack of columns of a group. */
template <class T, int N> struct es_gate {
  es_cuda_bn_grad a;
  float mean[N], scale[N], bias[N];
  __device__ void column(int run, int first) {
    const int group = run * a.norm.groups / a.of.runs;
    const int at = group * a.of.c + first;
    for (int i = 0; i < N; i++) {
      mean[i] = a.norm.mean[at + i];
      scale[i] = a.norm.scale[at + i];
      bias[i] = a.gate == ES_CUDA_GATE_X ? a.norm.bias[first + i] : 0.0f;
    }
  }
  /** g and x - mean of a pack that begins at `at`. */
  __device__ void get(int64_t at, float (&g)[N], float (&d)[N]) const {
    float x[N], y[N];
    es_load((const T *) a.x + at, x);
    es_load((const T *) a.dy + at, g);
    if (a.gate == ES_CUDA_GATE_Y) es_load((const T *) a.y + at, y);
    for (int i = 0; i < N; i++) {
      d[i] = x[i] - mean[i];
      if (a.gate == ES_CUDA_OPEN) continue;
      const float of = a.gate == ES_CUDA_GATE_X
                           ? es_normalized(x[i], mean[i], scale[i], bias[i])
                           : y[i];
      g[i] = of > 0.0f ? g[i] : 0.0f;
    }
  }
};

/** g and g (x - mean). */
template <class T, int N> struct es_gradient_terms {
  es_gate<T, N> gate;
  __device__ void column(int run, int first) {
    gate.column(run, first);
  }
  __device__ void begin(int64_t) {
  }
  __device__ void add(int64_t at, float (&s1)[N], float (&s2)[N]) const {
    float g[N], d[N];
    gate.get(at, g, d);
    for (int i = 0; i < N; i++) {
      s1[i] += g[i];
      s2[i] += g[i] * d[i];
    }
  }
  __device__ void end(int, const float (&s1)[N], const float (&s2)[N],
                      double (&total)[2 * N]) const {
    for (int i = 0; i < N; i++) {
      total[i] += s1[i];
      total[N + i] += s2[i];
    }
  }
};

/** parts [runs, chunks, 2, c] of two sums of `Terms`. Blocks: runs x chunks x tiles. The
 *  shared array is [2 N, threads] f64. */
template <class Terms, int N> struct es_column_sums_body {
  es_cuda_runs g;
  int chunks;
  Terms terms;
  double *parts;

  /** The sums of one thread over its rows. */
  __device__ void sum_rows(const es_column_place &p, int lanes,
                           double (&total)[2 * N]) const {
    Terms of = terms;
    const int run = p.part / chunks;
    const int64_t length = (g.rows + chunks - 1) / chunks;
    const int64_t first = p.part % chunks * length;
    const int64_t last = first + length < g.rows ? first + length : g.rows;
    of.column(run, p.first);
    for (int64_t r = first + p.lane; r < last;) {
      float s1[N] = {}, s2[N] = {};
      int rows = 0;
      of.begin(((int64_t) run * g.rows + r) * g.c + p.first);
      for (; rows < ES_CUDA_SUM_RUN && r < last; rows++, r += lanes)
        of.add(((int64_t) run * g.rows + r) * g.c + p.first, s1, s2);
      of.end(rows, s1, s2, total);
    }
  }

  __device__ void operator()(const es_thread &t) const {
    const es_columns l = es_columns_of(g.c, N);
    const es_column_place p = es_column_at(t, l, N);
    double total[2 * N] = {};
    if (p.active) sum_rows(p, l.lanes, total);
    double *room = t.shared<double>();
    for (int k = 0; k < 2 * N; k++) room[k * t.threads() + t.thread()] = total[k];
    t.barrier();
    if (!p.active || p.lane > 0) return;
    for (int k = 0; k < 2 * N; k++) {
      double sum = 0.0;
      for (int lane = 0; lane < l.lanes; lane++)
        sum += room[k * t.threads() + lane * l.tile + t.thread()];
      parts[((int64_t) p.part * 2 + k / N) * g.c + p.first + k % N] = sum;
    }
  }
};

enum { ES_CUDA_TOTAL_LANES = 8 }; /* threads that share the parts of a column */

/** leaves [shards, groups, 2 c] = sums over chunks, and over views where those are one
 *  group. Blocks: shards x groups x tiles of 32 columns. Shared: [threads] f64. */
struct es_total_body {
  es_cuda_total a;
  double *out; /**< leaves, or sums where there is one shard */
  __device__ void operator()(const es_thread &t) const {
    const int width = 2 * a.c, columns = (int) t.threads() / ES_CUDA_TOTAL_LANES;
    const int tiles = (width + columns - 1) / columns;
    const int j = (int) t.block() % tiles * columns + (int) t.thread() % columns;
    const int lane = (int) t.thread() / columns;
    const int64_t leaf = t.block() / (unsigned) tiles; /* shard, group */
    const int64_t shard = leaf / a.groups, group = leaf % a.groups;
    const int views = a.views / a.groups, parts = views * a.chunks;
    double sum = 0.0;
    for (int k = lane; k < parts && j < width; k += ES_CUDA_TOTAL_LANES) {
      const int64_t run = (group * views + k / a.chunks) * a.shards + shard;
      sum += a.parts[(run * a.chunks + k % a.chunks) * width + j];
    }
    double *room = t.shared<double>();
    room[t.thread()] = sum;
    t.barrier();
    if (lane > 0 || j >= width) return;
    for (int k = 1; k < ES_CUDA_TOTAL_LANES; k++) sum += room[k * columns + t.thread()];
    out[leaf * width + j] = sum;
    if (j == 0 && shard == 0) a.sums[(int64_t) a.groups * width + group] = a.count;
  }
};

/** sums = leaves, added in the order of tree.h, in place. */
struct es_tree_one {
  es_cuda_total a;
  __device__ void operator()(int64_t i) const {
    const int64_t step = (int64_t) a.groups * 2 * a.c;
    for (int half = 1; half < a.shards; half *= 2)
      for (int s = 0; s < a.shards; s += 2 * half)
        a.leaves[s * step + i] += a.leaves[(s + half) * step + i];
    a.sums[i] = a.leaves[i];
  }
};

#endif
