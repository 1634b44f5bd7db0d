/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_act.c  Activations [N, H, W, C], f32 or bf16: to and from the host's f32
 *  [N, C, H, W], and the ops that only move, cut or convert them. */
#include "onednn_state.h"
#include "onednn_type.h"

enum {
  TILE = 64,   /* rows and columns of a transposed tile: two of them fit in 32 KB */
  PART = 16384 /* elements of a thread at a time */
};

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

size_t es_onednn_act_bytes(es_backend *b, es_act_type t, int n) {
  (void) b;
  const size_t pixels = (size_t) n * (size_t) es_blas_pixels(t.shape);
  return pixels * (size_t) t.shape.c * (t.precision == ES_BF16 ? 2 : 4);
}

/* --- transposes --------------------------------------------------------------------- */

/** dst [cols, rows] [+]= transpose of src [rows, cols]. */
typedef struct transpose {
  int64_t rows, cols;
  const void *src;
  void *dst;
  bool from_bf16, to_bf16, add;
} transpose;

ES_BODY void load_run(const bool bf16, const void *from, int64_t at, int64_t n,
                      float *to) {
  ES_BY_VECTORS(0, n, es_put(false, to, c, es_get(bf16, from, at + c, N), N));
}

ES_BODY void store_run(const bool bf16, const float *from, int64_t n, void *to,
                       int64_t at, bool add) {
  ES_BY_VECTORS(0, n, {
    const es_vec v = es_get(false, from, c, N);
    es_put(bf16, to, at + c, add ? es_get(bf16, to, at + c, N) + v : v, N);
  });
}

/** Where a tile has all rows, as with few channels, it is one run of dst. */
static void transpose_tile(const transpose *t, int64_t r0, int64_t c0) {
  const int64_t rows = least(TILE, t->rows - r0), cols = least(TILE, t->cols - c0);
  float from[TILE * TILE], to[TILE * TILE];
  for (int64_t r = 0; r < rows; r++)
    ES_EITHER_TYPE(t->from_bf16,
                   load_run(T, t->src, (r0 + r) * t->cols + c0, cols, from + r * TILE));
  for (int64_t c = 0; c < cols; c++)
    for (int64_t r = 0; r < rows; r++) to[c * rows + r] = from[r * TILE + c];
  const bool all_rows = rows == t->rows;
  const int64_t runs = all_rows ? 1 : cols, length = all_rows ? rows * cols : rows;
  for (int64_t i = 0; i < runs; i++)
    ES_EITHER_TYPE(t->to_bf16, store_run(T, to + i * rows, length, t->dst,
                                         (c0 + i) * t->rows + r0, t->add));
}

/** Each of n matrices [rows, cols] to [cols, rows]. */
static void transpose_images(const es_backend *b, int n, const transpose *all) {
  (void) b; /* without OpenMP */
  const int64_t size = all->rows * all->cols;
#pragma omp parallel for num_threads(b->threads) schedule(static)
  for (int i = 0; i < n; i++) {
    transpose t = *all;
    t.src = es_from(t.from_bf16, t.src, i * size);
    t.dst = es_to(t.to_bf16, t.dst, i * size);
    for (int64_t r = 0; r < t.rows; r += TILE)
      for (int64_t c = 0; c < t.cols; c += TILE) transpose_tile(&t, r, c);
  }
}

es_status es_onednn_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                              es_act dst) {
  transpose_images(b, n,
                   &(transpose){.rows = t.shape.c,
                                .cols = es_blas_pixels(t.shape),
                                .src = nchw,
                                .dst = dst,
                                .to_bf16 = t.precision == ES_BF16});
  return ES_OK;
}

es_status es_onednn_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                             float *nchw) {
  transpose_images(b, n,
                   &(transpose){.rows = es_blas_pixels(t.shape),
                                .cols = t.shape.c,
                                .src = src,
                                .dst = nchw,
                                .from_bf16 = t.precision == ES_BF16});
  return ES_OK;
}

static es_status flatten_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const bool bf16 = es_onednn_bf16(&op->desc);
  transpose_images(op->backend, a->n,
                   &(transpose){.rows = es_blas_pixels(op->desc.in),
                                .cols = op->desc.in.c,
                                .src = a->x,
                                .dst = a->y,
                                .from_bf16 = bf16,
                                .to_bf16 = bf16});
  return ES_OK;
}

static es_status flatten_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const bool bf16 = es_onednn_bf16(&op->desc);
  transpose_images(op->backend, a->n,
                   &(transpose){.rows = op->desc.in.c,
                                .cols = es_blas_pixels(op->desc.in),
                                .src = a->dy,
                                .dst = a->dx,
                                .from_bf16 = bf16,
                                .to_bf16 = bf16,
                                .add = a->add_dx});
  return ES_OK;
}

es_status es_onednn_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), 0, op));
  (*op)->forward = flatten_forward;
  (*op)->backward = flatten_backward;
  return ES_OK;
}

/* --- element by element ------------------------------------------------------------- */

/** Call for every vector of n elements, on `threads` threads; `T` is bf16. */
#define BY_PARTS(threads, bf16, n, call)                                                 \
  do {                                                                                   \
    const int64_t count_ = (n);                                                          \
    const bool bf16_ = (bf16);                                                           \
    PARALLEL(threads)                                                                    \
    for (int64_t p_ = 0; p_ < count_; p_ += PART)                                        \
      ES_EITHER_TYPE(bf16_, ES_BY_VECTORS(p_, least(p_ + PART, count_), call));          \
  } while (0)
#define PARALLEL(n) DIRECTIVE(omp parallel for num_threads(n) schedule(static))
#define DIRECTIVE(text) _Pragma(#text)

void es_onednn_narrow(int threads, bool bf16, int64_t n, const float *from, void *to) {
  BY_PARTS(threads, bf16, n, es_put(T, to, c, es_get(false, from, c, N), N));
}

void es_onednn_widen(int threads, bool bf16, int64_t n, const void *from, float *to) {
  BY_PARTS(threads, bf16, n, es_put(false, to, c, es_get(T, from, c, N), N));
}

void es_onednn_add(int threads, bool bf16, int64_t n, const void *from, void *to) {
  BY_PARTS(threads, bf16, n,
           es_put(T, to, c, es_get(T, to, c, N) + es_get(T, from, c, N), N));
}

static int64_t elements(const es_op *op, int n) {
  return n * es_blas_pixels(op->desc.in) * op->desc.in.c;
}

static es_status relu_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  const void *x = a->x;
  void *y = a->y;
  BY_PARTS(op->backend->threads, es_onednn_bf16(&op->desc), elements(op, a->n),
           es_put(T, y, c, es_relu(es_get(T, x, c, N)), N));
  return ES_OK;
}

static es_status relu_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_blas_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const void *y = a->y, *dy = a->dy;
  void *dx = a->dx;
  const bool add = a->add_dx;
  BY_PARTS(op->backend->threads, es_onednn_bf16(&op->desc), elements(op, a->n), {
    const es_vec g = es_where(es_get(T, y, c, N) > 0.0f, es_get(T, dy, c, N));
    es_put(T, dx, c, add ? es_get(T, dx, c, N) + g : g, N);
  });
  return ES_OK;
}

es_status es_onednn_plan_relu(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_blas_op_new(b, d, sizeof(es_blas_op), 0, op));
  (*op)->forward = relu_forward;
  (*op)->backward = relu_backward;
  (*op)->flops = (double) es_blas_pixels(d->in) * d->in.c;
  return ES_OK;
}
