/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_act.c  Activations [N, H, W, C], f32 or bf16: to and from the host's f32
 *  [N, C, H, W], and the ops that only move or cut them. */
#include "cuda_state.h"
#include "eigenstep/mem.h"

enum { PASSING = 16 << 20 }; /* bytes of scratch for images, unless one takes more */

const char *es_cuda_name(const es_op_desc *d) {
  return d->name != NULL ? d->name : es_op_kind_name(d->kind);
}

es_status es_cuda_check(const es_op *op, const es_op_args *a) {
  ES_CHECK(a->n >= 0 && a->n <= op->desc.max_n, ES_EARG,
           "%s: got %d images, expected 0 to %d", es_cuda_name(&op->desc), a->n,
           op->desc.max_n);
  return ES_OK;
}

void es_cuda_op_free(es_op *op) {
  es_cuda_op *o = (es_cuda_op *) op;
  es_cuda_release(op->backend, &o->work);
  es_free(&o);
}

es_status es_cuda_op_new(es_backend *b, const es_op_desc *d, size_t size, size_t work,
                         es_op **op) {
  void *made = NULL;
  ES_TRY(es_alloc(size, "the plan of an op", &made));
  es_cuda_op *o = made;
  o->op = (es_op){.backend = b, .desc = *d, .destroy = es_cuda_op_free, .bytes = work};
  es_status st = es_cuda_act_reserve(b, d->in, d->max_n);
  if (st == ES_OK) st = es_cuda_act_reserve(b, d->out, d->max_n);
  if (st == ES_OK && work > 0) st = es_cuda_alloc(b, work, es_cuda_name(d), &o->work);
  if (st == ES_OK)
    *op = &o->op;
  else
    es_free(&made);
  return st;
}

/* --- to and from the host ---------------------------------------------------------- */

static int64_t elements(es_shape s, int n) {
  return n * es_cuda_pixels(s) * s.c;
}

/** Images that pass through the scratch at a time. */
static int images_at_once(es_shape s, int n) {
  const int64_t most = PASSING / (elements(s, 1) * (int64_t) sizeof(float));
  return most < 1 ? 1 : most < n ? (int) most : n;
}

es_status es_cuda_act_reserve(es_backend *b, es_shape s, int n) {
  const int64_t numbers = elements(s, images_at_once(s, n));
  return es_cuda_reserve(b, (size_t) numbers * sizeof(float));
}

static es_status transpose(es_backend *b, const es_cuda_transpose *t) {
  return es_cuda_ok(es_cuda_transpose_all(es_cuda_of(b)->stream, t),
                    "order of an activation");
}

es_status es_cuda_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                            es_act dst) {
  const bool bf16 = t.precision == ES_BF16;
  const int most = images_at_once(t.shape, n);
  ES_TRY(es_cuda_act_reserve(b, t.shape, n));
  for (int first = 0; first < n; first += most) {
    const int part = n - first < most ? n - first : most;
    const int64_t at = elements(t.shape, first), numbers = elements(t.shape, part);
    void *const scratch = es_cuda_of(b)->scratch;
    ES_TRY(es_cuda_send(b, scratch, nchw + at, (size_t) numbers * sizeof *nchw));
    ES_TRY(transpose(b, &(es_cuda_transpose){.n = part,
                                             .rows = t.shape.c,
                                             .cols = es_cuda_pixels(t.shape),
                                             .src = scratch,
                                             .dst = es_cuda_at(dst, bf16, at),
                                             .to_bf16 = bf16}));
  }
  return ES_OK;
}

es_status es_cuda_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                           float *nchw) {
  const bool bf16 = t.precision == ES_BF16;
  const int most = images_at_once(t.shape, n);
  ES_TRY(es_cuda_act_reserve(b, t.shape, n));
  for (int first = 0; first < n; first += most) {
    const int part = n - first < most ? n - first : most;
    const int64_t at = elements(t.shape, first), numbers = elements(t.shape, part);
    void *const scratch = es_cuda_of(b)->scratch;
    ES_TRY(transpose(b, &(es_cuda_transpose){.n = part,
                                             .rows = es_cuda_pixels(t.shape),
                                             .cols = t.shape.c,
                                             .src = es_cuda_at(src, bf16, at),
                                             .dst = scratch,
                                             .from_bf16 = bf16}));
    ES_TRY(es_cuda_receive(b, nchw + at, scratch, (size_t) numbers * sizeof *nchw));
  }
  return ES_OK;
}

/* --- flatten ----------------------------------------------------------------------- */

static es_status flatten_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  const bool bf16 = es_cuda_bf16(&op->desc);
  return transpose(op->backend, &(es_cuda_transpose){.n = a->n,
                                                     .rows = es_cuda_pixels(op->desc.in),
                                                     .cols = op->desc.in.c,
                                                     .src = a->x,
                                                     .dst = a->y,
                                                     .from_bf16 = bf16,
                                                     .to_bf16 = bf16});
}

static es_status flatten_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const bool bf16 = es_cuda_bf16(&op->desc);
  return transpose(op->backend, &(es_cuda_transpose){.n = a->n,
                                                     .rows = op->desc.in.c,
                                                     .cols = es_cuda_pixels(op->desc.in),
                                                     .src = a->dy,
                                                     .dst = a->dx,
                                                     .from_bf16 = bf16,
                                                     .to_bf16 = bf16,
                                                     .add = a->add_dx});
}

es_status es_cuda_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_cuda_op_new(b, d, sizeof(es_cuda_op), 0, op));
  (*op)->forward = flatten_forward;
  (*op)->backward = flatten_backward;
  return ES_OK;
}

/* --- ReLU -------------------------------------------------------------------------- */

static es_status relu_forward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  return es_cuda_ok(es_cuda_relu(es_cuda_of(op->backend)->stream, es_cuda_bf16(&op->desc),
                                 elements(op->desc.in, a->n), a->x, a->y),
                    es_cuda_name(&op->desc));
}

static es_status relu_backward(es_op *op, const es_op_args *a) {
  ES_TRY(es_cuda_check(op, a));
  if (!op->desc.need_dx) return ES_OK;
  const es_cuda_relu_grad g = {.n = elements(op->desc.in, a->n),
                               .y = a->y,
                               .dy = a->dy,
                               .dx = a->dx,
                               .bf16 = es_cuda_bf16(&op->desc),
                               .add = a->add_dx};
  return es_cuda_ok(es_cuda_relu_back(es_cuda_of(op->backend)->stream, &g),
                    es_cuda_name(&op->desc));
}

es_status es_cuda_plan_relu(es_backend *b, const es_op_desc *d, es_op **op) {
  ES_TRY(es_cuda_op_new(b, d, sizeof(es_cuda_op), 0, op));
  (*op)->forward = relu_forward;
  (*op)->backward = relu_backward;
  (*op)->flops = (double) elements(d->in, 1);
  return ES_OK;
}
