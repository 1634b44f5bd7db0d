/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_conv_algo.c  The passes of a convolution; cuda_conv.h. */
#include "cuda_conv.h"

/* Gathered windows of so many bytes are multiplied at a time: they stay in the
 * second-level cache. */
enum { GATHERED = 32 << 20, ALIGN = 256 };

static int64_t taps_of(const es_op_desc *d) {
  return (int64_t) d->window.k * d->window.k;
}

/** Numbers in the weights. */
static int64_t weights_of(const es_op_desc *d) {
  return d->out.c * taps_of(d) * d->in.c;
}

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

es_cuda_filter es_cuda_conv_filter(const es_op_desc *d) {
  return (es_cuda_filter){
      .o = d->out.c, .i = d->in.c, .taps = taps_of(d), .bf16 = es_cuda_bf16(d)};
}

static const void *weights_in(const es_cuda_conv *c, const es_op_args *a) {
  return c->packed != NULL ? c->packed : a->param.w;
}

bool es_cuda_conv_is_product(const es_op_desc *d) {
  return d->window.k == 1 && d->window.stride == 1 && d->window.pad == 0;
}

/* --- products ---------------------------------------------------------------------- */

/** y [rows, o] = x [rows, wide] w', dx = dy w or dw = dy' x, where `wide` counts the
 *  numbers of a row of x, and `rows` positions. */
typedef struct rows {
  int64_t rows, wide;
  const void *x, *w, *y;
} rows;

static es_cuda_product product_of(const es_op_desc *d, es_pass pass, const rows *r) {
  const bool bf16 = es_cuda_bf16(d);
  if (pass == ES_FORWARD)
    return (es_cuda_product){.m = r->rows,
                             .n = d->out.c,
                             .k = r->wide,
                             .a = r->x,
                             .b = r->w,
                             .b_transposed = true,
                             .bf16 = bf16,
                             .c_bf16 = bf16};
  if (pass == ES_DATA)
    return (es_cuda_product){.m = r->rows,
                             .n = r->wide,
                             .k = d->out.c,
                             .a = r->y,
                             .b = r->w,
                             .bf16 = bf16,
                             .c_bf16 = bf16};
  return (es_cuda_product){.m = d->out.c,
                           .n = r->wide,
                           .k = r->rows,
                           .a = r->y,
                           .b = r->x,
                           .a_transposed = true,
                           .bf16 = bf16};
}

es_cuda_product es_cuda_conv_as_product(const es_cuda_conv *c, es_pass pass,
                                        const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  const rows r = {.rows = a->n * es_cuda_pixels(d->out),
                  .wide = d->in.c,
                  .x = a->x,
                  .w = weights_in(c, a),
                  .y = a->dy};
  es_cuda_product p = product_of(d, pass, &r);
  p.c = pass == ES_FORWARD ? a->y : pass == ES_DATA ? a->dx : a->param.dw;
  if (pass == ES_DATA) p.beta = a->add_dx ? 1.0f : 0.0f;
  if (pass == ES_WEIGHTS) p.beta = a->param.set_dw ? 0.0f : 1.0f;
  return p;
}

es_status es_cuda_conv_product(const es_cuda_conv *c, es_pass pass, const es_op_args *a) {
  const es_cuda_product p = es_cuda_conv_as_product(c, pass, a);
  return es_cuda_multiply(c->op.backend, &p);
}

bool es_cuda_conv_lt_bias(const es_op_desc *d, es_pass pass) {
  return d->bias && pass == ES_FORWARD && !es_cuda_bf16(d); /* or it is in bf16, too */
}

es_status es_cuda_conv_lt(const es_cuda_conv *c, const es_cuda_lt_plan *p, es_pass pass,
                          const es_op_args *a) {
  const es_cuda_product product = es_cuda_conv_as_product(c, pass, a);
  return es_cuda_lt_run(c->op.backend, p, c->engines.of[pass] - ES_CUDA_LT, &product,
                        es_cuda_conv_lt_bias(&c->op.desc, pass) ? a->param.b : NULL);
}

/* --- unrolled ---------------------------------------------------------------------- */

/** Bytes of the gathered windows of one image; sums of the data pass are f32. */
static size_t gathered_bytes(const es_op_desc *d, es_pass pass) {
  const bool bf16 = es_cuda_bf16(d) && pass != ES_DATA;
  return (size_t) (es_cuda_pixels(d->out) * taps_of(d) * d->in.c) * es_cuda_size(bf16);
}

static int images_at_once(const es_op_desc *d, es_pass pass, int n) {
  const size_t most = GATHERED / gathered_bytes(d, pass);
  return most < 1 ? 1 : most < (size_t) n ? (int) most : n;
}

/** The gradient of the weights in packed order comes first. */
static size_t gradient_bytes(const es_op_desc *d, es_pass pass, bool bf16) {
  if (pass != ES_WEIGHTS) return 0;
  return aligned((size_t) weights_of(d) * es_cuda_size(bf16));
}

size_t es_cuda_conv_unrolled_bytes(const es_op_desc *d, es_pass pass, int n) {
  return gradient_bytes(d, pass, false) +
         (size_t) images_at_once(d, pass, n) * gathered_bytes(d, pass);
}

/** Images [first, first + g->n) of a pass. */
static es_status unrolled_part(const es_cuda_conv *c, es_pass pass, const es_op_args *a,
                               const es_cuda_window *g, int first) {
  const es_op_desc *d = &c->op.desc;
  es_backend *b = c->op.backend;
  const es_cuda *s = es_cuda_of(b);
  const int64_t in = first * es_cuda_pixels(d->in) * d->in.c;
  const int64_t out = first * es_cuda_pixels(d->out) * d->out.c;
  float *const dw = s->scratch;
  void *const col = (char *) s->scratch + gradient_bytes(d, pass, false);
  const rows r = {.rows = g->n * es_cuda_pixels(d->out),
                  .wide = taps_of(d) * d->in.c,
                  .x = col,
                  .w = weights_in(c, a),
                  .y = pass == ES_FORWARD ? NULL : es_cuda_at(a->dy, g->bf16, out)};
  es_cuda_product p = product_of(d, pass, &r);
  if (pass == ES_DATA) {
    p.c = col;
    p.c_bf16 = false;
    ES_TRY(es_cuda_multiply(b, &p));
    return es_cuda_ok(
        es_cuda_scatter(s->stream, g, col, a->add_dx, es_cuda_at(a->dx, g->bf16, in)),
        es_cuda_name(d));
  }
  ES_TRY(es_cuda_ok(es_cuda_gather(s->stream, g, es_cuda_at(a->x, g->bf16, in), col),
                    es_cuda_name(d)));
  p.c = pass == ES_FORWARD ? es_cuda_at(a->y, g->bf16, out) : dw;
  if (pass == ES_WEIGHTS) p.beta = first > 0 ? 1.0f : 0.0f;
  return es_cuda_multiply(b, &p);
}

/** dw [+]= the gradient in packed order. */
static es_status unpack(const es_cuda_conv *c, const es_op_args *a, bool bf16) {
  const es_cuda *s = es_cuda_of(c->op.backend);
  es_cuda_filter f = es_cuda_conv_filter(&c->op.desc);
  f.bf16 = bf16;
  return es_cuda_ok(
      es_cuda_unpack(s->stream, &f, s->scratch, !a->param.set_dw, a->param.dw),
      es_cuda_name(&c->op.desc));
}

es_status es_cuda_conv_unrolled(const es_cuda_conv *c, es_pass pass,
                                const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  const int most = images_at_once(d, pass, a->n);
  for (int first = 0; first < a->n; first += most) {
    const int n = a->n - first < most ? a->n - first : most;
    const es_cuda_window g = es_cuda_window_of(d, n);
    ES_TRY(unrolled_part(c, pass, a, &g, first));
  }
  return pass == ES_WEIGHTS ? unpack(c, a, false) : ES_OK;
}

/* --- cuDNN ------------------------------------------------------------------------- */

/** Bytes of an output that is written to the scratch first: dw, in packed order; dx,
 *  which may be added. */
static size_t output_bytes(const es_op_desc *d, es_pass pass, int n) {
  if (pass == ES_DATA)
    return aligned((size_t) (n * es_cuda_pixels(d->in) * d->in.c) *
                   es_cuda_size(es_cuda_bf16(d)));
  return gradient_bytes(d, pass, es_cuda_bf16(d));
}

size_t es_cuda_conv_dnn_bytes(const es_op_desc *d, es_pass pass, int n,
                              const es_cuda_dnn_plan *p) {
  return output_bytes(d, pass, n) + es_cuda_dnn_workspace(p);
}

es_status es_cuda_conv_dnn(const es_cuda_conv *c, const es_cuda_dnn_plan *p, es_pass pass,
                           const es_op_args *a) {
  const es_op_desc *d = &c->op.desc;
  es_backend *b = c->op.backend;
  const es_cuda *s = es_cuda_of(b);
  const bool add = pass == ES_DATA && a->add_dx;
  es_cuda_dnn_data data = {.x = a->x,
                           .w = c->packed,
                           .y = pass == ES_FORWARD ? a->y : a->dy,
                           .workspace =
                               (char *) s->scratch + output_bytes(d, pass, a->n)};
  if (pass == ES_DATA) data.x = add ? s->scratch : a->dx;
  if (pass == ES_WEIGHTS) data.w = s->scratch;
  ES_TRY(es_cuda_dnn_run(b, p, &data));
  if (pass == ES_WEIGHTS) return unpack(c, a, es_cuda_bf16(d));
  if (!add) return ES_OK;
  return es_cuda_ok(es_cuda_add_acts(s->stream, es_cuda_bf16(d),
                                     a->n * es_cuda_pixels(d->in) * d->in.c, s->scratch,
                                     a->dx),
                    es_cuda_name(d));
}
