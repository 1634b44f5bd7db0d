/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernels.h  The kernels of the `cuda` backend, as functions of C.
 *
 *  Each queues its work on a stream and returns at once: cudaSuccess, or why it could
 *  not be queued. All pointers are device memory, row-major as stated; `bf16` gives
 *  the type of activations, void *, else f32. Not collective; no result depends on the
 *  device or on the order in which blocks run. Work of size 0 is no error. */
#ifndef ES_CUDA_KERNELS_H
#define ES_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "eigenstep/view_recipe.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- plain f32 vectors (kernels_vec.cu) -------------------------------------------- */

/** Blocks of a sum over a vector; each leaves 3 partial sums. */
enum { ES_CUDA_PARTS = 512 };

/** r[3] += {x'x, x'y, y'y}, or with `dot` *r += x'y; in f64. */
typedef struct es_cuda_gram {
  size_t n;
  const float *x, *y;
  bool dot;
  double *parts; /**< workspace [3 ES_CUDA_PARTS] */
  double *r;
} es_cuda_gram;
cudaError_t es_cuda_sum_products(cudaStream_t s, const es_cuda_gram *a);

/** x *= alpha */
cudaError_t es_cuda_scale(cudaStream_t s, size_t n, float alpha, float *x);
/** x *= 1 / (sqrt(*square) + 1e-7) */
cudaError_t es_cuda_normalize(cudaStream_t s, size_t n, const double *square, float *x);
/** y += x */
cudaError_t es_cuda_add(cudaStream_t s, size_t n, const float *x, float *y);
/** y = alpha x + beta y */
typedef struct es_cuda_axpby {
  size_t n;
  float alpha, beta;
  const float *x;
  float *y;
} es_cuda_axpby;
cudaError_t es_cuda_combine(cudaStream_t s, const es_cuda_axpby *a);

/** Weights of a convolution: o filters of i channels and `taps` = k k pixels. */
typedef struct es_cuda_filter {
  int64_t o, i, taps;
  bool bf16; /**< of what is packed */
} es_cuda_filter;

/** Weights and where they are packed: to [o, taps, i] = from [o, i, taps]. */
typedef struct es_cuda_packed {
  const float *from;
  es_cuda_filter of;
  void *to;
} es_cuda_packed;
/** Tensors within what is updated, in the order of `from`, no two of the same. */
typedef struct es_cuda_packing {
  const es_cuda_packed *list; /**< [n], on the device */
  int n;
} es_cuda_packing;

/** The update of es_sgd_args, whose new weights are packed at once; m is NULL without
 *  momentum. */
typedef struct es_cuda_sgd {
  size_t n;
  float lr, scale, momentum, decay;
  bool nesterov;
  float *p, *m;
  const float *g;
  es_cuda_packing packing;
} es_cuda_sgd;
cudaError_t es_cuda_update_sgd(cudaStream_t s, const es_cuda_sgd *a);

/** m = b1 m + new1 g;  v = b2 v + new2 g^2;
 *  p -= decay p + rate m / (root sqrt(v) + eps) */
typedef struct es_cuda_adamw_rates {
  float b1, new1, b2, new2, decay, eps, rate, root;
} es_cuda_adamw_rates;
typedef struct es_cuda_adamw {
  size_t n;
  es_cuda_adamw_rates by;
  float *p, *m, *v;
  const float *g;
  es_cuda_packing packing;
} es_cuda_adamw;
cudaError_t es_cuda_update_adamw(cudaStream_t s, const es_cuda_adamw *a);

/* --- activations (kernels_act.cu) -------------------------------------------------- */

/** Each of n matrices [rows, cols] to [cols, rows], added to dst if asked. */
typedef struct es_cuda_transpose {
  int n;
  int64_t rows, cols;
  const void *src;
  void *dst;
  bool from_bf16, to_bf16, add;
} es_cuda_transpose;
cudaError_t es_cuda_transpose_all(cudaStream_t s, const es_cuda_transpose *a);

/** y = max(x, 0); a NaN stays one. */
cudaError_t es_cuda_relu(cudaStream_t s, bool bf16, int64_t n, const void *x, void *y);
/** y += x */
cudaError_t es_cuda_add_acts(cudaStream_t s, bool bf16, int64_t n, const void *x,
                             void *y);
/** dx [+]= dy where y > 0 */
typedef struct es_cuda_relu_grad {
  int64_t n;
  const void *y, *dy;
  void *dx;
  bool bf16, add;
} es_cuda_relu_grad;
cudaError_t es_cuda_relu_back(cudaStream_t s, const es_cuda_relu_grad *a);

/* --- pooling and windows (kernels_act.cu, kernels_window.cu) ----------------------- */

/** A window of k x k pixels over n maps [h, w, c], at oh x ow positions. */
typedef struct es_cuda_window {
  int n, c, h, w, oh, ow, k, stride, pad;
  bool bf16;
} es_cuda_window;

/** y [n, oh, ow, c] = maximum of the pixels inside, `winner` the tap it came from: the
 *  first of equals; a NaN wins over all. */
cudaError_t es_cuda_maxpool(cudaStream_t s, const es_cuda_window *g, const void *x,
                            void *y, unsigned char *winner);
/** dx [n, h, w, c] [+]= the dy of the windows that a pixel won */
typedef struct es_cuda_maxpool_grad {
  es_cuda_window of;
  const void *dy;
  const unsigned char *winner;
  void *dx;
  bool add;
} es_cuda_maxpool_grad;
cudaError_t es_cuda_maxpool_back(cudaStream_t s, const es_cuda_maxpool_grad *a);

/** y [n, c] = mean over the pixels of x [n, pixels, c]; f32 in runs, then f64. */
typedef struct es_cuda_mean {
  int n, c;
  int64_t pixels;
  bool bf16, add; /**< add: of the gradient */
} es_cuda_mean;
cudaError_t es_cuda_avgpool(cudaStream_t s, const es_cuda_mean *g, const void *x,
                            void *y);
/** dx [n, pixels, c] [+]= dy [n, c] / pixels */
cudaError_t es_cuda_avgpool_back(cudaStream_t s, const es_cuda_mean *g, const void *dy,
                                 void *dx);

/** col [n oh ow, k, k, c] = the pixels under every position, 0 outside the map. */
cudaError_t es_cuda_gather(cudaStream_t s, const es_cuda_window *g, const void *x,
                           void *col);
/** x [n, h, w, c] [+]= sums of the f32 rows col [n oh ow, k, k, c] that a pixel is in. */
cudaError_t es_cuda_scatter(cudaStream_t s, const es_cuda_window *g, const float *col,
                            bool add, void *x);

/* --- views (kernels_view.cu) ------------------------------------------------------- */

/** y [views, n, side, side, 3] = views of records as the recipes say; those of a view
 *  begin `apart` images after those of the view before. */
typedef struct es_cuda_views {
  int n, views, side, apart;
  bool bf16;
  int64_t first;                /**< what recipes call the first byte of `records` */
  int64_t stride;               /**< floats of `room` for an image */
  const es_view_recipe *recipe; /**< [views, n] */
  const unsigned char *records;
  float *room; /**< workspace [views n, stride]: 3 side (side + the largest of side and
                    the heights of windows) */
  void *y;
} es_cuda_views;
cudaError_t es_cuda_make_views(cudaStream_t s, const es_cuda_views *a);

/* --- weights (kernels_window.cu) --------------------------------------------------- */

/** packed [o, taps, i] = w [o, i, taps] */
cudaError_t es_cuda_pack(cudaStream_t s, const es_cuda_filter *g, const float *w,
                         void *packed);
/** dw [o, i, taps] [+]= packed [o, taps, i] */
cudaError_t es_cuda_unpack(cudaStream_t s, const es_cuda_filter *g, const void *packed,
                           bool add, float *dw);
/** y [rows, c] += b [c] */
typedef struct es_cuda_rows {
  int64_t rows;
  int c;
  bool bf16;
} es_cuda_rows;
cudaError_t es_cuda_add_bias(cudaStream_t s, const es_cuda_rows *g, const float *b,
                             void *y);
/** db [c] = set ? sum : db + sum, rounded from f64 */
cudaError_t es_cuda_take_sums(cudaStream_t s, int c, const double *sum, bool set,
                              float *db);

/* --- batch normalisation (kernels_bn.cu) ------------------------------------------- */

/** Runs of rows of a matrix [runs rows, c], each summed alone. */
typedef struct es_cuda_runs {
  int runs, c;
  int64_t rows; /**< of a run */
  bool bf16;
} es_cuda_runs;

/** Parts into which a run is cut, at most. */
enum { ES_CUDA_CHUNKS = 512 };
/** Parts into which the sums over a run are cut: depends on rows and c only. */
int es_cuda_chunks(const es_cuda_runs *g);
/** Parts of all runs together, at most, whatever their number up to g->runs; g->rows is
 *  the number of rows of all runs. */
int64_t es_cuda_most_parts(const es_cuda_runs *g);

/** When a gradient passes the ReLU. */
typedef enum es_cuda_gate {
  ES_CUDA_OPEN,   /**< always: there is none */
  ES_CUDA_GATE_X, /**< where (x - mean) scale + bias > 0 */
  ES_CUDA_GATE_Y  /**< where y > 0 */
} es_cuda_gate;

/** What normalises: by group, a number of runs each. */
typedef struct es_cuda_norm {
  const float *mean, *scale; /**< [groups, c]: m; gain / sqrt(v + eps) */
  const float *bias;         /**< [c] */
  int groups;                /**< run r of R is in group r groups / R */
} es_cuda_norm;

/** parts [runs, chunks, 2, c] = sums over each part of a run: of x and x^2. */
cudaError_t es_cuda_moments(cudaStream_t s, const es_cuda_runs *g, const void *x,
                            double *parts);
/** The same of g and g (x - mean), g = dy where the gate lets it pass. */
typedef struct es_cuda_bn_grad {
  es_cuda_runs of;
  es_cuda_norm norm;
  es_cuda_gate gate;
  const void *x, *y, *dy;
} es_cuda_bn_grad;
cudaError_t es_cuda_bn_sums(cudaStream_t s, const es_cuda_bn_grad *a, double *parts);

/** sums [groups, 2 c], then [groups] counts = parts, added over chunks, then over the
 * runs of a group: with `views` = 2 the runs are [2, shards]; shard by shard, the
 * second view after the first where they are one group, and shards in the order of
 * tree.h. */
typedef struct es_cuda_total {
  int groups, c, chunks;
  int views, shards;   /**< runs = views x shards */
  double count;        /**< of each group */
  const double *parts; /**< [views, shards, chunks, 2 c] */
  double *leaves;      /**< workspace [shards, groups, 2 c] */
  double *sums;        /**< [groups, 2 c], [groups] */
} es_cuda_total;
cudaError_t es_cuda_bn_total(cudaStream_t s, const es_cuda_total *a);

/** mean, istd, scale = gain istd [groups, c] from sums; running averages follow group
 *  after group if `momentum` >= 0; if not NULL collected [2 c + 1] += the sums of all
 *  groups. */
typedef struct es_cuda_bn_statistics {
  int groups, c;
  double eps, momentum;
  const double *sums;
  const float *gain; /**< [c] */
  float *mean, *istd, *scale;
  float *running_mean, *running_var;
  double *collected;
} es_cuda_bn_statistics;
cudaError_t es_cuda_bn_finish(cudaStream_t s, const es_cuda_bn_statistics *a);
/** The same from running_mean and running_var. */
cudaError_t es_cuda_bn_given(cudaStream_t s, const es_cuda_bn_statistics *a);

/** y = [relu]((x - mean) scale + bias [+ residual]) */
typedef struct es_cuda_bn_apply {
  es_cuda_runs of;
  es_cuda_norm norm;
  bool relu;
  const void *x, *residual; /**< residual: NULL for none */
  void *y;
} es_cuda_bn_apply;
cudaError_t es_cuda_bn_forward(cudaStream_t s, const es_cuda_bn_apply *a);

/** dbias += sums; dgain += istd sums: group after group, from 0 on with `set` */
typedef struct es_cuda_bn_params {
  es_cuda_total of;
  const float *istd;
  float *dgain, *dbias;
  bool set;
} es_cuda_bn_params;
cudaError_t es_cuda_bn_parameters(cudaStream_t s, const es_cuda_bn_params *a);
/** offset = scale mean(g), slope = scale istd^2 mean(g (x - m)) [groups, c] from sums,
 * or 0 with `constant` statistics. */
typedef struct es_cuda_bn_slopes {
  int groups, c;
  bool constant;
  const double *sums;
  const float *scale, *istd;
  float *offset, *slope;
} es_cuda_bn_slopes;
cudaError_t es_cuda_bn_coefficients(cudaStream_t s, const es_cuda_bn_slopes *a);

/** dx [+]= scale g - offset - slope (x - mean);  dresidual [+]= g;  NULL: not wanted */
typedef struct es_cuda_bn_back {
  es_cuda_bn_grad in;
  const float *offset, *slope; /**< [groups, c] */
  void *dx, *dresidual;
  bool add_dx, add_dresidual;
} es_cuda_bn_back;
cudaError_t es_cuda_bn_backward(cudaStream_t s, const es_cuda_bn_back *a);

#ifdef __cplusplus
}
#endif

#endif
