/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_body.h  Batch normalisation: what follows from the sums of bn_sum_body.h,
 *  and the passes that rewrite rows; the formulas are those of bn_stats.h. */
#ifndef ES_CUDA_BN_BODY_H
#define ES_CUDA_BN_BODY_H

#include <math.h>
#include "bn_sum_body.h"

/** What normalises channel j of a group, at i of [groups, c]. */
__device__ inline void es_set_normalisation(const es_cuda_bn_statistics &a, int64_t i,
                                            int64_t j, float mean, double var) {
  const float istd = (float) (1.0 / sqrt(var + a.eps));
  a.mean[i] = mean;
  a.istd[i] = istd;
  a.scale[i] = a.gain[j] * istd;
}

/** Channel j of all groups, one after another. */
struct es_statistics_one {
  es_cuda_bn_statistics a;
  __device__ void group(int g, int64_t j) const {
    const double *sum = a.sums + (int64_t) g * 2 * a.c;
    const double n = a.sums[(int64_t) a.groups * 2 * a.c + g];
    if (a.collected != nullptr) {
      a.collected[j] += sum[j];
      a.collected[a.c + j] += sum[a.c + j];
      if (j == 0) a.collected[2 * a.c] += n;
    }
    if (n == 0.0) return;
    const double unbiased = n > 1.0 ? n / (n - 1.0) : 1.0; /* one value has no spread */
    const double m = sum[j] / n, spread = sum[a.c + j] / n - m * m;
    const double v = spread < 0.0 ? 0.0 : spread; /* rounding */
    es_set_normalisation(a, (int64_t) g * a.c + j, j, (float) m, v);
    if (a.momentum < 0.0) return;
    const double keep = 1.0 - a.momentum;
    a.running_mean[j] = (float) (keep * a.running_mean[j] + a.momentum * m);
    a.running_var[j] = (float) (keep * a.running_var[j] + a.momentum * v * unbiased);
  }
  __device__ void operator()(int64_t j) const {
    for (int g = 0; g < a.groups; g++) group(g, j);
  }
};

struct es_given_one {
  es_cuda_bn_statistics a;
  __device__ void operator()(int64_t i) const {
    const int64_t j = i % a.c;
    es_set_normalisation(a, i, j, a.running_mean[j], a.running_var[j]);
  }
};

struct es_bn_parameters_one {
  es_cuda_bn_params p;
  __device__ void operator()(int64_t j) const {
    const es_cuda_total &a = p.of;
    float bias = p.set ? 0.0f : p.dbias[j], gain = p.set ? 0.0f : p.dgain[j];
    for (int64_t g = 0; g < a.groups; g++) {
      const double *sum = a.sums + g * 2 * a.c;
      bias += (float) sum[j];
      gain += (float) (p.istd[g * a.c + j] * sum[a.c + j]);
    }
    p.dbias[j] = bias;
    p.dgain[j] = gain;
  }
};

struct es_bn_slopes_one {
  es_cuda_bn_slopes a;
  __device__ void operator()(int64_t i) const {
    const int64_t g = i / a.c, j = i - g * a.c;
    const double *sum = a.sums + g * 2 * a.c,
                 n = a.sums[(int64_t) a.groups * 2 * a.c + g];
    const double scale = a.scale[i], istd = a.istd[i];
    a.offset[i] = a.constant ? 0.0f : (float) (scale * sum[j] / n);
    a.slope[i] = a.constant ? 0.0f : (float) (scale * istd * istd * sum[a.c + j] / n);
  }
};

enum { ES_CUDA_ROWS = 16 }; /* rows of a thread in the passes below */

/** First row of a block and the number of rows it takes: `part` counts blocks of a
 * run. */
struct es_row_range {
  int64_t run, first, last;
};

__device__ inline es_row_range es_rows_of(const es_cuda_runs &g, const es_columns &l,
                                          int part) {
  const int64_t length = (int64_t) l.lanes * ES_CUDA_ROWS;
  const int blocks = (int) ((g.rows + length - 1) / length);
  es_row_range r;
  r.run = part / blocks;
  r.first = part % blocks * length;
  r.last = r.first + length < g.rows ? r.first + length : g.rows;
  return r;
}

/** y; runs are groups. A NaN stays a NaN. Blocks: runs x blocks of rows x tiles. */
template <class T, int N> struct es_bn_apply_body {
  es_cuda_bn_apply a;
  __device__ void operator()(const es_thread &t) const {
    const es_columns l = es_columns_of(a.of.c, N);
    const es_column_place p = es_column_at(t, l, N);
    if (!p.active) return;
    const es_row_range rows = es_rows_of(a.of, l, p.part);
    float mean[N], scale[N], bias[N];
    for (int i = 0; i < N; i++) {
      mean[i] = a.norm.mean[rows.run * a.of.c + p.first + i];
      scale[i] = a.norm.scale[rows.run * a.of.c + p.first + i];
      bias[i] = a.norm.bias[p.first + i];
    }
    for (int64_t r = rows.first + p.lane; r < rows.last; r += l.lanes) {
      const int64_t at = (rows.run * a.of.rows + r) * a.of.c + p.first;
      float x[N], added[N] = {};
      es_load((const T *) a.x + at, x);
      if (a.residual != nullptr) es_load((const T *) a.residual + at, added);
      for (int i = 0; i < N; i++) {
        const float v = es_normalized(x[i], mean[i], scale[i], bias[i]);
        x[i] = a.residual != nullptr ? v + added[i] : v;
        if (a.relu && x[i] < 0.0f) x[i] = 0.0f;
      }
      es_store((T *) a.y + at, x, false);
    }
  }
};

/** dx and dresidual, in the same layout. */
template <class T, int N> struct es_bn_back_body {
  es_cuda_bn_back a;
  __device__ void operator()(const es_thread &t) const {
    const es_cuda_runs &of = a.in.of;
    const es_columns l = es_columns_of(of.c, N);
    const es_column_place p = es_column_at(t, l, N);
    if (!p.active) return;
    const es_row_range rows = es_rows_of(of, l, p.part);
    es_gate<T, N> gate = {a.in, {}, {}, {}};
    gate.column((int) rows.run, p.first);
    float offset[N], slope[N];
    for (int i = 0; i < N; i++) {
      offset[i] = a.offset[rows.run * of.c + p.first + i];
      slope[i] = a.slope[rows.run * of.c + p.first + i];
    }
    for (int64_t r = rows.first + p.lane; r < rows.last; r += l.lanes) {
      const int64_t at = (rows.run * of.rows + r) * of.c + p.first;
      float g[N], d[N];
      gate.get(at, g, d);
      if (a.dresidual != nullptr) es_store((T *) a.dresidual + at, g, a.add_dresidual);
      if (a.dx == nullptr) continue;
      for (int i = 0; i < N; i++)
        d[i] = gate.scale[i] * g[i] - offset[i] - slope[i] * d[i];
      es_store((T *) a.dx + at, d, a.add_dx);
    }
  }
};

#endif
