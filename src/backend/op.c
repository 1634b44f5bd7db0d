/* SPDX-License-Identifier: BSD-3-Clause */
/** @file op.c  Descriptions of network ops: shapes, validation, planning. */
#include "eigenstep/backend.h"

#include <limits.h>
#include "eigenstep/tree.h"

static const char *const kinds[ES_OP_KINDS] = {
    [ES_OP_CONV] = "conv",       [ES_OP_BN] = "bn",           [ES_OP_LINEAR] = "linear",
    [ES_OP_RELU] = "relu",       [ES_OP_MAXPOOL] = "maxpool", [ES_OP_AVGPOOL] = "avgpool",
    [ES_OP_FLATTEN] = "flatten",
};

const char *es_op_kind_name(es_op_kind k) {
  return k < ES_OP_KINDS ? kinds[k] : "unknown";
}

static const char *name_of(const es_op_desc *d) {
  return d->name != NULL ? d->name : es_op_kind_name(d->kind);
}

/** Positions of a window of k over `size` pixels and 2 pad: floor, as in PyTorch. */
static int positions(const es_op_desc *d, int size) {
  const int room = size + 2 * d->window.pad - d->window.k;
  return room < 0 ? 0 : room / d->window.stride + 1;
}

static es_status check_window(const es_op_desc *d) {
  const char *name = name_of(d);
  ES_CHECK(d->window.k >= 1 && d->window.stride >= 1 && d->window.pad >= 0, ES_EARG,
           "%s: got k = %d, stride = %d, pad = %d, expected k, stride >= 1, pad >= 0",
           name, d->window.k, d->window.stride, d->window.pad);
  const bool pool = d->kind == ES_OP_MAXPOOL;
  ES_CHECK(!pool || (d->window.pad <= d->window.k / 2 && d->window.k <= 15), ES_EARG,
           "%s: got k = %d, pad = %d, expected k <= 15 and pad <= k / 2", name,
           d->window.k, d->window.pad);
  ES_CHECK(positions(d, d->in.h) > 0 && positions(d, d->in.w) > 0, ES_EARG,
           "%s: a window of %d x %d does not fit a map of %d x %d with pad %d", name,
           d->window.k, d->window.k, d->in.h, d->in.w, d->window.pad);
  return ES_OK;
}

es_status es_op_out_shape(const es_op_desc *d, int out_channels, es_shape *out) {
  const es_shape in = d->in;
  const char *name = name_of(d);
  ES_CHECK(d->kind < ES_OP_KINDS, ES_EARG, "%s: unknown op %d", name, (int) d->kind);
  ES_CHECK(in.c > 0 && in.h > 0 && in.w > 0, ES_EARG,
           "%s: got an input of %d x %d x %d, expected positive sizes", name, in.c, in.h,
           in.w);
  const int64_t features = (int64_t) in.c * in.h * in.w;
  ES_CHECK(features <= INT_MAX, ES_EARG,
           "%s: an input of %d x %d x %d has more than 2^31 - 1 elements", name, in.c,
           in.h, in.w);
  const bool widens = d->kind == ES_OP_CONV || d->kind == ES_OP_LINEAR;
  ES_CHECK(!widens || out_channels > 0, ES_EARG,
           "%s: got %d output channels, expected at least 1", name, out_channels);
  es_shape s = in;
  switch (d->kind) {
  case ES_OP_CONV:
  case ES_OP_MAXPOOL:
    ES_TRY(check_window(d));
    s.c = d->kind == ES_OP_CONV ? out_channels : in.c;
    s.h = positions(d, in.h);
    s.w = positions(d, in.w);
    break;
  case ES_OP_LINEAR:
    ES_CHECK(in.h == 1 && in.w == 1, ES_EARG,
             "%s: got an input of %d x %d x %d, expected C x 1 x 1 (flatten first)", name,
             in.c, in.h, in.w);
    s.c = out_channels;
    break;
  case ES_OP_AVGPOOL:
    s = (es_shape){in.c, 1, 1};
    break;
  case ES_OP_FLATTEN:
    s = (es_shape){(int) features, 1, 1};
    break;
  default:
    break;
  }
  *out = s;
  return ES_OK;
}

es_status es_op_plan(es_backend *b, const es_op_desc *d, es_op **op) {
  es_shape out;
  ES_TRY(es_op_out_shape(d, d->out.c, &out));
  const char *name = name_of(d);
  ES_CHECK(out.c == d->out.c && out.h == d->out.h && out.w == d->out.w, ES_EARG,
           "%s: got an output of %d x %d x %d, expected %d x %d x %d", name, d->out.c,
           d->out.h, d->out.w, out.c, out.h, out.w);
  ES_CHECK(d->max_n >= 1, ES_EARG, "%s: got max_n = %d, expected at least 1", name,
           d->max_n);
  const int64_t in_pixels = (int64_t) d->max_n * d->in.h * d->in.w;
  const int64_t out_pixels = (int64_t) d->max_n * out.h * out.w;
  ES_CHECK(in_pixels <= INT_MAX && out_pixels <= INT_MAX, ES_EARG,
           "%s: %d images have more than 2^31 - 1 pixels; take a smaller batch per rank",
           name, d->max_n);
  ES_CHECK(d->kind != ES_OP_BN ||
               (d->bn.eps > 0.0 && d->bn.momentum >= 0.0 && d->bn.momentum <= 1.0),
           ES_EARG,
           "%s: got eps = %g, momentum = %g, expected eps > 0, 0 <= momentum <= 1", name,
           d->bn.eps, d->bn.momentum);
  ES_CHECK(d->precision == ES_F32 || b->lacks_bf16 == 0, ES_ENOTSUP,
           "%s: got activations in bf16, which backend '%s' does not compute in here",
           name, b->ops->name);
  ES_CHECK(d->bn.shards == 0 || es_tree_supports(d->bn.shards), ES_EARG,
           "%s: got %d shards, expected 0 or a power of two", name, d->bn.shards);
  ES_TRY(b->ops->plan[d->kind](b, d, op));
  es_layer("%s: %s, %d x %d x %d to %d x %d x %d, %.4f GFLOP an image, %.3f MB", name,
           es_op_kind_name(d->kind), d->in.c, d->in.h, d->in.w, out.c, out.h, out.w,
           1e-9 * (*op)->flops, 1e-6 * (double) (*op)->bytes);
  return ES_OK;
}

es_op_needs es_op_needs_of(const es_backend *b, const es_op_desc *d) {
  return b->ops->needs != NULL ? b->ops->needs(d) : (es_op_needs){.x = true, .y = true};
}

void es_op_destroy(es_op **op) {
  if (*op == NULL) return;
  (*op)->destroy(*op);
  *op = NULL;
}
