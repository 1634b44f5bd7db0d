/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_conv.c  Convolution as matrix products on channels-last activations.
 *
 *  M = positions of the output (all images), K = kh kw I.
 *  forward   Y [M, O] = col(X) [M, K] P',           P [O, K] the packed weights
 *  dW        dP [O, K] = dY' col(X), then added to dw in [O, I, k, k]
 *  dX        stride 1: col(dY) [M', kh kw O] F,      F [kh kw O, I] the weights
 *                      rotated by 180 degrees, each pixel written once;
 *            else      dY P scattered back to the pixels.
 *  A 1x1 convolution of stride 1 needs no col(): X is the matrix. Otherwise col() is made
 *  for `chunk` rows at a time, few enough to stay in the cache until the product reads
 *  them. Taps in the padding at every position (3x3 on a 1x1 map) are left out.
 */
#include <cblas.h>
#include <string.h>
#include "blas.h"

enum {
  CHUNK_BYTES = 1 << 20, /* of col(): about the second-level cache */
  CHUNK_ROWS = 512       /* fewer make the product spend its time on the weights */
};

typedef struct conv {
  es_blas_op base;
  es_blas_window x;      /**< over the input, to the output's positions */
  es_blas_window dy;     /**< over the output, to the input's positions; stride 1 only */
  bool direct;           /**< X is the matrix */
  bool plain;            /**< all taps of a 1x1 kernel: P is w itself */
  int chunk_x, chunk_dy; /**< rows of col() */
  float *packed;         /**< P, in the work space */
} conv;

static int chunk_rows(int64_t rows, int64_t width) {
  int64_t chunk = CHUNK_BYTES / (width * (int64_t) sizeof(float));
  if (chunk < CHUNK_ROWS) chunk = CHUNK_ROWS;
  const int64_t pieces = (rows + chunk - 1) / chunk;
  return (int) ((rows + pieces - 1) / pieces);
}

static int64_t packed_size(const conv *c) {
  return (int64_t) c->base.op.desc.out.c * c->x.kh * c->x.kw * c->base.op.desc.in.c;
}

/** C [m, n] = A [m, k] B' [k, n] + beta C; B is [n, k]. All row-major. */
static void product_nt(int64_t m, int n, int k, const float *a, const float *b,
                       float beta, float *c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) m, n, k, 1.0f, a, k, b, k,
              beta, c, n);
}

/** C [m, n] = A [m, k] B [k, n] + beta C. */
static void product_nn(int64_t m, int n, int k, const float *a, const float *b,
                       float beta, float *c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) m, n, k, 1.0f, a, k, b, n,
              beta, c, n);
}

/** C [m, n] = A' B + beta C; A is [k, m], B [k, n]. */
static void product_tn(int m, int n, int64_t k, const float *a, const float *b,
                       float beta, float *c) {
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, (int) k, 1.0f, a, m, b, n,
              beta, c, n);
}

static int64_t rows_out(const conv *c, int n) {
  return n * es_blas_pixels(c->base.op.desc.out);
}

static int64_t rows_in(const conv *c, int n) {
  return n * es_blas_pixels(c->base.op.desc.in);
}

static es_status forward(es_op *op, const es_op_args *a) {
  conv *c = (conv *) op;
  ES_TRY(es_blas_check(op, a));
  if (a->n == 0) return ES_OK;
  const int out = op->desc.out.c, k = c->x.kh * c->x.kw * op->desc.in.c;
  const int64_t rows = rows_out(c, a->n);
  if (!c->plain)
    es_blas_pack(&op->desc, &c->x, op->backend->threads, a->param.w, c->packed);
  const float *p = c->plain ? a->param.w : c->packed;
  if (c->direct) {
    product_nt(rows, out, k, a->x, p, 0.0f, a->y);
    return ES_OK;
  }
  float *col = es_blas_scratch(op->backend), *y = a->y;
  for (int64_t first = 0; first < rows; first += c->chunk_x) {
    const int count = (int) (rows - first < c->chunk_x ? rows - first : c->chunk_x);
    es_blas_gather(&c->x, sizeof *col, op->backend->threads, a->x,
                   (es_blas_span){first, count}, col);
    product_nt(count, out, k, col, p, 0.0f, y + first * out);
  }
  return ES_OK;
}

static void gradient_of_weights(const conv *c, const es_op_args *a) {
  const int out = c->base.op.desc.out.c, k = c->x.kh * c->x.kw * c->base.op.desc.in.c;
  const int64_t rows = rows_out(c, a->n);
  float *dp = es_blas_scratch(c->base.op.backend), *col = dp + packed_size(c);
  const float *dy = a->dy;
  float *sum = c->plain ? a->param.dw : dp;
  float beta = c->plain ? 1.0f : 0.0f;
  if (c->direct) product_tn(out, k, rows, dy, a->x, beta, sum);
  for (int64_t first = 0; first < rows && !c->direct; first += c->chunk_x) {
    const int count = (int) (rows - first < c->chunk_x ? rows - first : c->chunk_x);
    es_blas_gather(&c->x, sizeof *col, c->base.op.backend->threads, a->x,
                   (es_blas_span){first, count}, col);
    product_tn(out, k, count, dy + first * out, col, beta, sum);
    beta = 1.0f;
  }
  if (!c->plain)
    es_blas_unpack(&c->base.op.desc, &c->x, c->base.op.backend->threads, dp, true,
                   a->param.dw);
}

/** dX of stride 1 with more than one tap. */
static void gradient_by_rotation(const conv *c, const es_op_args *a) {
  const int in = c->base.op.desc.in.c, k = c->x.kh * c->x.kw * c->base.op.desc.out.c;
  const int64_t rows = rows_in(c, a->n);
  float *rotated = es_blas_scratch(c->base.op.backend), *col = rotated + packed_size(c);
  float *dx = a->dx;
  es_blas_rotate(&c->base.op.desc, &c->x, c->base.op.backend->threads,
                 c->plain ? a->param.w : c->packed, rotated);
  for (int64_t first = 0; first < rows; first += c->chunk_dy) {
    const int count = (int) (rows - first < c->chunk_dy ? rows - first : c->chunk_dy);
    es_blas_gather(&c->dy, sizeof *col, c->base.op.backend->threads, a->dy,
                   (es_blas_span){first, count}, col);
    product_nn(count, in, k, col, rotated, a->add_dx ? 1.0f : 0.0f, dx + first * in);
  }
}

static void gradient_by_scattering(const conv *c, const es_op_args *a) {
  const int in = c->base.op.desc.in.c, out = c->base.op.desc.out.c,
            k = c->x.kh * c->x.kw * in;
  const int64_t rows = rows_out(c, a->n);
  const float *p = c->plain ? a->param.w : c->packed, *dy = a->dy;
  float *col = es_blas_scratch(c->base.op.backend), *dx = a->dx;
  if (!a->add_dx) memset(dx, 0, (size_t) (rows_in(c, a->n) * in) * sizeof *dx);
  for (int64_t first = 0; first < rows; first += c->chunk_x) {
    const int count = (int) (rows - first < c->chunk_x ? rows - first : c->chunk_x);
    product_nn(count, k, out, dy + first * out, p, 0.0f, col);
    es_blas_scatter(&c->x, col, (es_blas_span){first, count}, dx);
  }
}

static es_status backward(es_op *op, const es_op_args *a) {
  conv *c = (conv *) op;
  ES_TRY(es_blas_check(op, a));
  if (a->n == 0) return ES_OK;
  gradient_of_weights(c, a);
  if (!op->desc.need_dx) return ES_OK;
  if (c->direct)
    product_nn(rows_out(c, a->n), op->desc.in.c, op->desc.out.c, a->dy,
               c->plain ? a->param.w : c->packed, a->add_dx ? 1.0f : 0.0f, a->dx);
  else if (op->desc.window.stride == 1)
    gradient_by_rotation(c, a);
  else
    gradient_by_scattering(c, a);
  return ES_OK;
}

static void set_windows(conv *c) {
  const es_op_desc *d = &c->base.op.desc;
  es_blas_windows(d, &c->x, &c->dy);
  const bool single = c->x.kh == 1 && c->x.kw == 1;
  c->direct = single && d->window.stride == 1 && c->x.top == 0 && c->x.left == 0;
  c->plain = single && d->window.k == 1;
}

/** All but the packed weights, which the plan needs to be made. */
static void describe(const es_op_desc *d, conv *c) {
  c->base.op.desc = *d;
  set_windows(c);
  c->chunk_x = chunk_rows(rows_out(c, d->max_n), c->x.kh * c->x.kw * d->in.c);
  c->chunk_dy = chunk_rows(rows_in(c, d->max_n), c->x.kh * c->x.kw * d->out.c);
}

es_status es_blas_plan_conv(es_backend *b, const es_op_desc *d, es_op **op) {
  conv c = {0};
  describe(d, &c);
  const int64_t taps = (int64_t) c.x.kh * c.x.kw, weights = packed_size(&c);
  const int64_t col_x = c.chunk_x * taps * d->in.c;
  const int64_t col_dy = c.chunk_dy * taps * d->out.c;
  const int64_t col = c.direct ? 0 : (col_x > col_dy ? col_x : col_dy);
  ES_TRY(es_blas_reserve(b, (size_t) (col + weights)));
  const size_t packed = c.plain ? 0 : (size_t) weights * sizeof(float);
  ES_TRY(es_blas_op_new(b, d, sizeof c, packed, op));
  conv *made = (conv *) *op;
  c.base = made->base;
  *made = c;
  made->packed = c.base.work;
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->flops = 2.0 * (double) es_blas_pixels(d->out) * (double) weights;
  if (c.direct)
    es_layer("%s: the map is the matrix", es_blas_name(*op));
  else
    es_layer("%s: %d x %d taps, unrolled %d rows at a time, gradient %s",
             es_blas_name(*op), c.x.kh, c.x.kw, c.chunk_x,
             d->window.stride == 1 ? "by rotated weights" : "scattered");
  return ES_OK;
}
