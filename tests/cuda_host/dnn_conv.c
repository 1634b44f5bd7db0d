/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dnn_conv.c  Convolutions of cuDNN: the problem that descriptors describe, and
 *  its result by gathered windows and CBLAS, in f32, rounded once at the end. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include "dnn.h"

static bool read_numbers(const dnn_descriptor *d, cudnnBackendAttributeName_t name, int n,
                         int64_t *to) {
  const dnn_attribute *const a = dnn_find(d, name);
  if (a->count != n) return false;
  memcpy(to, a->elements, (size_t) n * sizeof *to);
  return true;
}

static int read_int(const dnn_descriptor *d, cudnnBackendAttributeName_t name) {
  return *(const int *) dnn_find(d, name)->elements;
}

static float read_float(const dnn_descriptor *d, cudnnBackendAttributeName_t name) {
  return *(const float *) dnn_find(d, name)->elements;
}

static const dnn_descriptor *part(const dnn_descriptor *d,
                                  cudnnBackendAttributeName_t name) {
  const dnn_descriptor *const p =
      *(const dnn_descriptor *const *) dnn_find(d, name)->elements;
  if (!dnn_is_alive(p)) cuda_host_mistake("a descriptor was destroyed before the plan");
  return p;
}

static bool read_tensor(const dnn_descriptor *op, cudnnBackendAttributeName_t name,
                        dnn_tensor *t) {
  const dnn_descriptor *const d = part(op, name);
  const int type = read_int(d, CUDNN_ATTR_TENSOR_DATA_TYPE);
  t->type = type == CUDNN_DATA_FLOAT ? CUDA_R_32F : CUDA_R_16BF;
  t->p = NULL;
  return read_numbers(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1, &t->id) &&
         read_numbers(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1, &t->alignment) &&
         read_numbers(d, CUDNN_ATTR_TENSOR_DIMENSIONS, 4, t->dim) &&
         read_numbers(d, CUDNN_ATTR_TENSOR_STRIDES, 4, t->stride) && t->alignment >= 1;
}

/** Do the sizes of the three tensors belong together? */
static bool fits(const dnn_conv *c, const int64_t post[2]) {
  if (c->x.dim[0] != c->y.dim[0] || c->x.dim[1] != c->w.dim[1] ||
      c->y.dim[1] != c->w.dim[0])
    return false;
  for (int i = 0; i < 2; i++) {
    const int64_t span = (c->w.dim[2 + i] - 1) * c->dilation[i] + 1;
    const int64_t room = c->x.dim[2 + i] + c->pad[i] + post[i] - span;
    if (c->stride[i] < 1 || c->dilation[i] < 1 || c->pad[i] < 0 || room < 0 ||
        c->y.dim[2 + i] != room / c->stride[i] + 1)
      return false;
  }
  return c->x.id != c->w.id && c->x.id != c->y.id && c->w.id != c->y.id;
}

static bool read_window(const dnn_descriptor *d, dnn_conv *c) {
  int64_t post[2], dims;
  return read_int(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION &&
         read_int(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT &&
         read_numbers(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &dims) && dims == 2 &&
         read_numbers(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 2, c->pad) &&
         read_numbers(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 2, post) &&
         read_numbers(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 2, c->stride) &&
         read_numbers(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, 2, c->dilation) &&
         fits(c, post);
}

bool dnn_read_graph(const dnn_descriptor *graph, dnn_conv *c) {
#define READ(name, x_, w_, y_)                                                           \
  (read_tensor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##x_, &c->x) &&             \
   read_tensor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##w_, &c->w) &&             \
   read_tensor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##y_, &c->y) &&             \
   (c->alpha = read_float(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_ALPHA),          \
    c->beta = read_float(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_BETA),            \
    read_window(part(op, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_CONV_DESC), c)))
  if (dnn_find(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)->count != 1) return false;
  const dnn_descriptor *const op = part(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS);
  switch (op->type) {
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    c->pass = DNN_FORWARD;
    return READ(FORWARD, X, W, Y);
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    c->pass = DNN_DATA;
    return READ(BWD_DATA, DX, W, DY);
  case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
    c->pass = DNN_FILTER;
    return READ(BWD_FILTER, X, DW, DY);
  default:
    return false;
  }
}

/** Index of element [n, h, w, c] of the dense copy in its own tensor. */
static int64_t index_of(const dnn_tensor *t, int64_t i) {
  const int64_t c = i % t->dim[1], w = i / t->dim[1] % t->dim[3];
  const int64_t h = i / t->dim[1] / t->dim[3] % t->dim[2];
  const int64_t n = i / t->dim[1] / t->dim[3] / t->dim[2];
  return n * t->stride[0] + c * t->stride[1] + h * t->stride[2] + w * t->stride[3];
}

static int64_t elements(const dnn_tensor *t) {
  return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

/** A dense copy with the second dimension last, or zeros for what is computed. The caller
 *  frees it. */
static float *load(const dnn_tensor *t, bool zero, bool tf32) {
  const int64_t n = elements(t);
  float *const v = cuda_host_alloc((size_t) n * sizeof *v);
  for (int64_t i = 0; i < n && !zero; i++) {
    v[i] = cuda_host_load(t->type, t->p, index_of(t, i));
    if (tf32) v[i] = cuda_host_tf32(v[i]);
  }
  return v;
}

/** t = alpha v + beta t */
static void store(const dnn_conv *c, const dnn_tensor *t, const float *v) {
  for (int64_t i = 0; i < elements(t); i++) {
    const int64_t at = index_of(t, i);
    float sum = c->alpha * v[i];
    if (c->beta != 0) sum += c->beta * cuda_host_load(t->type, t->p, at);
    cuda_host_store(t->type, t->p, at, sum);
  }
}

/** c [m, n] += a b, row-major, over `k`: in one sum, or in two parts of random length. */
static void add_product(const dnn_conv *of, const CBLAS_TRANSPOSE trans[2],
                        const int size[3], const float *a, const float *b, float *c) {
  const int m = size[0], n = size[1], k = size[2];
  const int lda = trans[0] == CblasTrans ? m : k, ldb = trans[1] == CblasTrans ? k : n;
  const int cut = of->engine == DNN_UNORDERED ? (int) cuda_host_random((unsigned) k) : k;
  const float *const a2 = a + (trans[0] == CblasTrans ? cut * lda : cut);
  const float *const b2 = b + (trans[1] == CblasTrans ? cut : cut * ldb);
  if (cut > 0)
    cblas_sgemm(CblasRowMajor, trans[0], trans[1], m, n, cut, 1, a, lda, b, ldb, 1, c, n);
  if (cut < k)
    cblas_sgemm(CblasRowMajor, trans[0], trans[1], m, n, k - cut, 1, a2, lda, b2, ldb, 1,
                c, n);
}

/** Between the pixels of image x [h, w, c] and its windows col [p q, r s, c]: copy to
 *  them, zeros outside, or add them to their pixels. */
static void windows(const dnn_conv *c, float *x, float *col, bool add) {
  const int64_t channels = c->x.dim[1], h = c->x.dim[2], w = c->x.dim[3];
  const int64_t taps = c->w.dim[2] * c->w.dim[3];
  for (int64_t i = 0; i < c->y.dim[2] * c->y.dim[3] * taps; i++, col += channels) {
    const int64_t position = i / taps, tap = i % taps;
    const int64_t iy = position / c->y.dim[3] * c->stride[0] - c->pad[0] +
                       tap / c->w.dim[3] * c->dilation[0];
    const int64_t ix = position % c->y.dim[3] * c->stride[1] - c->pad[1] +
                       tap % c->w.dim[3] * c->dilation[1];
    const bool in = iy >= 0 && iy < h && ix >= 0 && ix < w;
    float *const pixel = in ? x + (iy * w + ix) * channels : NULL;
    if (in && add)
      for (int64_t j = 0; j < channels; j++) pixel[j] += col[j];
    else if (in)
      memcpy(col, pixel, (size_t) channels * sizeof *col);
    else if (!add)
      memset(col, 0, (size_t) channels * sizeof *col);
  }
}

/** One image: y += col w', dw += y' col, or x += the windows of y w. */
static void run_image(const dnn_conv *c, float *x, float *w, float *y, float *col) {
  const CBLAS_TRANSPOSE no = CblasNoTrans, yes = CblasTrans;
  const int positions = (int) (c->y.dim[2] * c->y.dim[3]), filters = (int) c->w.dim[0];
  const int row = (int) (c->w.dim[1] * c->w.dim[2] * c->w.dim[3]);
  if (c->pass != DNN_DATA) windows(c, x, col, false);
  if (c->pass == DNN_FORWARD)
    add_product(c, (const CBLAS_TRANSPOSE[]){no, yes},
                (const int[]){positions, filters, row}, col, w, y);
  if (c->pass == DNN_FILTER)
    add_product(c, (const CBLAS_TRANSPOSE[]){yes, no},
                (const int[]){filters, row, positions}, y, col, w);
  if (c->pass != DNN_DATA) return;
  memset(col, 0, (size_t) positions * (size_t) row * sizeof *col);
  add_product(c, (const CBLAS_TRANSPOSE[]){no, no},
              (const int[]){positions, row, filters}, y, w, col);
  windows(c, x, col, true);
}

void dnn_run(void *payload) {
  const dnn_conv *const c = payload;
  const bool tf32 = c->engine == DNN_TF32;
  if (c->workspace_bytes > 0) memset(c->workspace, 0xFF, c->workspace_bytes);
  float *const x = load(&c->x, c->pass == DNN_DATA, tf32);
  float *const w = load(&c->w, c->pass == DNN_FILTER, tf32);
  float *const y = load(&c->y, c->pass == DNN_FORWARD, tf32);
  const int64_t x_image = elements(&c->x) / c->x.dim[0];
  const int64_t y_image = elements(&c->y) / c->y.dim[0];
  const int64_t row = elements(&c->w) / c->w.dim[0];
  float *const col =
      cuda_host_alloc((size_t) (c->y.dim[2] * c->y.dim[3] * row) * sizeof *col);
  for (int64_t i = 0; i < c->x.dim[0]; i++)
    run_image(c, x + i * x_image, w, y + i * y_image, col);
  if (c->pass == DNN_FORWARD) store(c, &c->y, y);
  if (c->pass == DNN_DATA) store(c, &c->x, x);
  if (c->pass == DNN_FILTER) store(c, &c->w, w);
  free(x);
  free(w);
  free(y);
  free(col);
}
