/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_bn.c  Batch normalisation with residual and ReLU; formulas, groups and
 *  shards are those of bn_stats.h. Sums, statistics and coefficients stay on the
 *  device: the host waits for nothing, unless sums over ranks pass through it. */
#include "backend/bn_stats.h"
#include "cuda_comm.h"

typedef struct bn {
  es_cuda_op base;
  double *leaves, *sums;      /**< [shards, groups, 2 c]; [groups, 2 c + 1] */
  float *mean, *istd, *scale; /**< [groups, c]: from forward to backward */
  float *offset, *slope;      /**< [groups, c] */
  bool forwarded;             /**< there was a forward */
} bn;

/** How rows are summed: groups, or views cut into shards. */
static es_cuda_runs runs_of(const es_op *op, const es_op_args *a) {
  const es_op_desc *d = &op->desc;
  const int runs = d->bn.shards > 0 ? 2 * d->bn.shards : a->groups;
  return (es_cuda_runs){.runs = runs,
                        .c = d->in.c,
                        .rows = a->n / runs * es_cuda_pixels(d->in),
                        .bf16 = es_cuda_bf16(d)};
}

/** One run a group, for the passes that rewrite rows. */
static es_cuda_runs groups_of(const es_op *op, const es_op_args *a) {
  es_cuda_runs g = runs_of(op, a);
  g.runs = a->groups;
  g.rows = es_bn_rows(op, a);
  return g;
}

static es_cuda_norm norm_of(const es_op *op, const es_op_args *a) {
  const bn *p = (const bn *) op;
  return (es_cuda_norm){
      .mean = p->mean, .scale = p->scale, .bias = a->param.b, .groups = a->groups};
}

static es_cuda_total total_of(const es_op *op, const es_op_args *a) {
  const bn *p = (const bn *) op;
  const int shards = op->desc.bn.shards;
  const es_cuda_runs g = runs_of(op, a);
  return (es_cuda_total){.groups = a->groups,
                         .c = op->desc.in.c,
                         .chunks = g.rows > 0 ? es_cuda_chunks(&g) : 0,
                         .views = shards > 0 ? 2 : a->groups,
                         .shards = shards > 0 ? shards : 1,
                         .count = (double) es_bn_rows(op, a),
                         .parts = es_cuda_of(op->backend)->scratch,
                         .leaves = p->leaves,
                         .sums = p->sums};
}

static es_cuda_bn_statistics statistics_of(const es_op *op, const es_op_args *a) {
  const bn *p = (const bn *) op;
  const bool train = a->bn.mode == ES_BN_TRAIN;
  return (es_cuda_bn_statistics){
      .groups = a->groups,
      .c = op->desc.in.c,
      .eps = op->desc.bn.eps,
      .momentum = train ? op->desc.bn.momentum : -1.0,
      .sums = p->sums,
      .gain = a->param.w,
      .mean = p->mean,
      .istd = p->istd,
      .scale = p->scale,
      .running_mean = a->bn.mean,
      .running_var = a->bn.var,
      .collected = a->bn.mode == ES_BN_COLLECT ? a->bn.collected : NULL};
}

static es_status over_ranks(const es_op *op, const es_op_args *a) {
  const es_op_desc *d = &op->desc;
  const es_cuda_numbers x = {.p = ((const bn *) op)->sums,
                             .n = (2 * (int64_t) d->in.c + 1) * a->groups,
                             .f64 = true,
                             .tree = d->bn.shards > 0};
  return es_cuda_sum(op->backend, d->bn.sync, &x);
}

/** m and s of all groups from the batch, here and over ranks. */
static es_status take_batch(const es_op *op, const es_op_args *a) {
  const char *name = es_cuda_name(&op->desc);
  const cudaStream_t s = es_cuda_of(op->backend)->stream;
  const es_cuda_runs g = runs_of(op, a);
  es_cuda_total total = total_of(op, a);
  if (a->moments != NULL) {
    total.parts = a->moments;
    total.chunks = 1;
  } else {
    ES_TRY(
        es_cuda_ok(es_cuda_moments(s, &g, a->x, es_cuda_of(op->backend)->scratch), name));
  }
  ES_TRY(es_cuda_ok(es_cuda_bn_total(s, &total), name));
  ES_TRY(over_ranks(op, a));
  const es_cuda_bn_statistics to = statistics_of(op, a);
  return es_cuda_ok(es_cuda_bn_finish(s, &to), name);
}

/** y from the statistics of the last forward. */
static es_status apply(const es_op *op, const es_op_args *a) {
  const es_cuda_bn_apply p = {.of = groups_of(op, a),
                              .norm = norm_of(op, a),
                              .relu = op->desc.bn.relu,
                              .x = a->x,
                              .residual = op->desc.bn.residual ? a->bn.residual : NULL,
                              .y = a->y};
  return es_cuda_ok(es_cuda_bn_forward(es_cuda_of(op->backend)->stream, &p),
                    es_cuda_name(&op->desc));
}

static es_status forward(es_op *op, const es_op_args *a) {
  bn *p = (bn *) op;
  ES_TRY(es_bn_check(op, a));
  p->forwarded = true;
  if (!es_bn_is_constant(a->bn.mode)) {
    ES_TRY(take_batch(op, a));
  } else {
    const es_cuda_bn_statistics given = statistics_of(op, a);
    ES_TRY(es_cuda_ok(es_cuda_bn_given(es_cuda_of(op->backend)->stream, &given),
                      es_cuda_name(&op->desc)));
  }
  return apply(op, a);
}

static es_status replay(es_op *op, const es_op_args *a) {
  ES_TRY(es_bn_check(op, a));
  return apply(op, a);
}

static es_cuda_bn_grad gradient_of(const es_op *op, const es_op_args *a,
                                   es_cuda_runs runs) {
  const es_bn_desc *d = &op->desc.bn;
  return (es_cuda_bn_grad){.of = runs,
                           .norm = norm_of(op, a),
                           .gate = !d->relu      ? ES_CUDA_OPEN
                                   : d->residual ? ES_CUDA_GATE_Y
                                                 : ES_CUDA_GATE_X,
                           .x = a->x,
                           .y = d->relu && d->residual ? a->y : NULL,
                           .dy = a->dy};
}

/** Those of gain and bias from the sums; `none`: another rank has them. */
static es_status keep_gradients(const es_op *op, const es_op_args *a, bool none) {
  const es_cuda_bn_params to = {.of = total_of(op, a),
                                .istd = ((const bn *) op)->istd,
                                .dgain = a->param.dw,
                                .dbias = a->param.db,
                                .set = a->param.set_dw};
  const size_t bytes = (size_t) op->desc.in.c * sizeof *to.dgain;
  if (!none)
    return es_cuda_ok(es_cuda_bn_parameters(es_cuda_of(op->backend)->stream, &to),
                      es_cuda_name(&op->desc));
  if (!to.set) return ES_OK;
  ES_TRY(es_cuda_zero(op->backend, to.dgain, bytes));
  return es_cuda_zero(op->backend, to.dbias, bytes);
}

/** Gradients of gain and bias, and the sums over all ranks. In shards, rounding to f32
 *  before the last sum would depend on the ranks. */
static es_status parameter_gradients(const es_op *op, const es_op_args *a) {
  const es_op_desc *d = &op->desc;
  const cudaStream_t s = es_cuda_of(op->backend)->stream;
  const es_cuda_total total = total_of(op, a);
  const es_cuda_bn_grad g = gradient_of(op, a, runs_of(op, a));
  const bool ordered = d->bn.shards > 0;
  const bool first = d->bn.sync == NULL || d->bn.sync->rank == 0;
  const char *name = es_cuda_name(d);
  ES_TRY(es_cuda_ok(es_cuda_bn_sums(s, &g, es_cuda_of(op->backend)->scratch), name));
  ES_TRY(es_cuda_ok(es_cuda_bn_total(s, &total), name));
  if (ordered) ES_TRY(over_ranks(op, a));
  ES_TRY(keep_gradients(op, a, ordered && !first));
  return ordered || es_bn_is_constant(a->bn.mode) ? ES_OK : over_ranks(op, a);
}

static es_status backward(es_op *op, const es_op_args *a) {
  const bn *p = (const bn *) op;
  const cudaStream_t s = es_cuda_of(op->backend)->stream;
  const char *name = es_cuda_name(&op->desc);
  ES_TRY(es_bn_check(op, a));
  ES_CHECK(p->forwarded, ES_EARG, "%s: got a backward without a forward before it", name);
  ES_TRY(parameter_gradients(op, a));
  const es_cuda_bn_slopes slopes = {.groups = a->groups,
                                    .c = op->desc.in.c,
                                    .constant = es_bn_is_constant(a->bn.mode),
                                    .sums = p->sums,
                                    .scale = p->scale,
                                    .istd = p->istd,
                                    .offset = p->offset,
                                    .slope = p->slope};
  ES_TRY(es_cuda_ok(es_cuda_bn_coefficients(s, &slopes), name));
  const es_cuda_bn_back back = {.in = gradient_of(op, a, groups_of(op, a)),
                                .offset = p->offset,
                                .slope = p->slope,
                                .dx = op->desc.need_dx ? a->dx : NULL,
                                .dresidual =
                                    op->desc.bn.residual ? a->bn.dresidual : NULL,
                                .add_dx = a->add_dx,
                                .add_dresidual = a->bn.add_dresidual};
  return es_cuda_ok(es_cuda_bn_backward(s, &back), name);
}

/** Bytes of the parts of sums, for any number of images and groups. */
static size_t parts_bytes(const es_op_desc *d) {
  const es_cuda_runs all = {.runs = d->bn.shards > 0 ? 2 * d->bn.shards : ES_BN_GROUPS,
                            .c = d->in.c,
                            .rows = d->max_n * es_cuda_pixels(d->in)};
  return (size_t) es_cuda_most_parts(&all) * 2 * (size_t) d->in.c * sizeof(double);
}

es_status es_cuda_plan_bn(es_backend *b, const es_op_desc *d, es_op **op) {
  const size_t c = (size_t) d->in.c, rows = ES_BN_GROUPS * c;
  const size_t shards = d->bn.shards > 1 ? (size_t) d->bn.shards : 0;
  const size_t sums = (shards * 2 * 2 * c + (2 * c + 1) * ES_BN_GROUPS) * sizeof(double);
  ES_TRY(es_cuda_reserve(b, parts_bytes(d)));
  ES_TRY(es_cuda_op_new(b, d, sizeof(bn), sums + 5 * rows * sizeof(float), op));
  bn *p = (bn *) *op;
  p->leaves = p->base.work;
  p->sums = p->leaves + shards * 2 * 2 * c;
  p->mean = (float *) (p->sums + (2 * c + 1) * ES_BN_GROUPS);
  p->istd = p->mean + rows;
  p->scale = p->istd + rows;
  p->offset = p->scale + rows;
  p->slope = p->offset + rows;
  (*op)->forward = forward;
  (*op)->backward = backward;
  (*op)->replay = d->bn.residual ? NULL : replay;
  (*op)->sets_gradients = true;
  (*op)->flops = 8.0 * (double) es_cuda_pixels(d->in) * d->in.c;
  return ES_OK;
}
