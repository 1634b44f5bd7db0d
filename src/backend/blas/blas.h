/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas.h  What the files of the `blas` backend share.
 *
 *  Activations are f32, channels last: [N, H, W, C]. See README.md for the reasons. */
#ifndef ES_BLAS_H
#define ES_BLAS_H

#include "eigenstep/backend.h"

/** Of the list; also called by backends that leave work to it. */
extern const es_backend_ops es_backend_blas;

/** State of one backend. */
typedef struct es_blas {
  float *scratch;      /* owned; shared by all plans, as ops run one after another */
  size_t scratch_size; /**< in floats: the largest need of any plan */
} es_blas;

/** Every plan begins so. */
typedef struct es_blas_op {
  es_op op;
  void *work; /**< owned; NULL if none was asked for */
} es_blas_op;

/* Memory (blas.c) */
es_status es_blas_alloc(es_backend *b, size_t bytes, const char *what, void **p);
void es_blas_release(es_backend *b, void **p);
/** At plan time: make sure that the scratch has at least n floats. */
es_status es_blas_reserve(es_backend *b, size_t n);
float *es_blas_scratch(const es_backend *b);
/** A plan of `size` bytes that begins with an es_blas_op and owns `work` zeroed ones. */
es_status es_blas_op_new(es_backend *b, const es_op_desc *d, size_t size, size_t work,
                         es_op **op);
/** Is a->n within what was planned? */
es_status es_blas_check(const es_op *op, const es_op_args *a);
/** Give the BLAS library the backend's number of threads.
 *  @return ES_OK, ES_ENOMEM (no address space for their buffers) */
es_status es_blas_set_threads(const es_backend *b);
/** For messages. */
const char *es_blas_name(const es_op *op);
/** Pixels of one image. */
static inline int64_t es_blas_pixels(es_shape s) {
  return (int64_t) s.h * s.w;
}

/* Vectors (blas_vec.c) */
es_status es_blas_upload(es_backend *b, es_buf dst, const float *src, size_t n);
es_status es_blas_download(es_backend *b, float *dst, const es_buf src, size_t n);
es_status es_blas_download64(es_backend *b, double *dst, const es_buf64 src, size_t n);
es_status es_blas_copy(es_backend *b, es_buf dst, const es_buf src, size_t n);
es_status es_blas_zero(es_backend *b, void *p, size_t bytes);
es_status es_blas_sync(es_backend *b);
es_status es_blas_record(es_backend *b, es_mark *m);
es_status es_blas_wait(es_backend *b, es_mark m);
es_status es_blas_dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                      es_buf64 r);
es_status es_blas_gram(es_backend *b, size_t n, const es_buf x, const es_buf y,
                       es_buf64 r);
es_status es_blas_scale(es_backend *b, size_t n, double alpha, es_buf x);
es_status es_blas_sgd(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                      const es_buf g, es_buf m);
es_status es_blas_adamw(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                        const es_buf g, es_buf const moments[2]);
es_status es_blas_add(es_backend *b, size_t n, const es_buf x, es_buf y);
/* blas_orthogonal.c */
es_status es_blas_orthogonalize(es_backend *b, const es_orthogonal_args *a, es_buf x,
                                es_buf work);
es_status es_blas_allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n);
es_status es_blas_treesum(es_backend *b, const es_comm *c, es_buf p, size_t n);
/** sum[c] += column sums of x [rows, width]: f32 over runs of 64 rows, then double. */
void es_blas_column_sums(int64_t rows, int width, const float *x, double *sum);
/** dst [cols, rows] = transpose of src [rows, cols]; `add`: added to dst. */
void es_blas_transpose(int64_t rows, int64_t cols, const float *src, bool add,
                       float *dst);

/* Activations (blas_act.c) */
size_t es_blas_act_bytes(es_backend *b, es_act_type t, int n);
es_status es_blas_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                            es_act dst);
es_status es_blas_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                           float *nchw);

/* Windows of a convolution (blas_window.c) */

/** A window of kh x kw pixels sliding over a map [h, w] of c channels to oh x ow
 *  positions. Position (y, x) begins at pixel (y stride - top, x stride - left). Of the
 *  k x k taps of the kernel it has those in use: from (k0, l0) on. */
typedef struct es_blas_window {
  int c, h, w, oh, ow;
  int kh, kw, stride, top, left;
  int k0, l0;
} es_blas_window;

/** Positions [first, first + count), counted through all images. */
typedef struct es_blas_span {
  int64_t first;
  int count;
} es_blas_span;

/** The window of a convolution over its input, and of the gradient of its input over the
 *  output (stride 1 only), without the taps that are in the padding at every position. */
void es_blas_windows(const es_op_desc *d, es_blas_window *x, es_blas_window *dy);
/** col[i] = the pixels under position first + i, [kh, kw, c]; 0 outside the map.
 *  Elements are of `size` bytes. */
void es_blas_gather(const es_blas_window *g, size_t size, int threads, const void *x,
                    es_blas_span at, void *col);
/** P [O, kh, kw, I] = the taps in use of w [O, I, k, k]; x: over the input. */
void es_blas_pack(const es_op_desc *d, const es_blas_window *x, int threads,
                  const float *w, float *packed);
/** dw = the adjoint of pack, added to dw if asked */
void es_blas_unpack(const es_op_desc *d, const es_blas_window *x, int threads,
                    const float *dp, bool add, float *dw);
/** The filter of the input's gradient: F[kh-1-i][kw-1-j][o][c] = P[o][i][j][c]. */
void es_blas_rotate(const es_op_desc *d, const es_blas_window *x, int threads,
                    const float *packed, float *rotated);
/** The adjoint of gather: add every row of col to the pixels it came from. */
void es_blas_scatter(const es_blas_window *g, const float *col, es_blas_span at,
                     float *x);

/** What the backward passes of this backend's ops read. */
es_op_needs es_blas_needs(const es_op_desc *d);

/* Planners */
es_status es_blas_plan_conv(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_bn(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_linear(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_relu(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_blas_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op);

#endif
