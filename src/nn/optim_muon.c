/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_muon.c  Muon: momentum made orthogonal. For each tensor of two or more
 *  dimensions, as a matrix [O, the rest] (a convolution is [O, I k k]):
 *
 *  m = mu m + g;  u = m, or g + mu m (nesterov);  u <- its orthogonal factor, nearly;
 *  p = (1 - lr wd) p - lr s u,   s = sqrt(max(1, rows/cols)) (scale = original),
 *  0.2 sqrt(max(rows, cols)) (rms: steps as large as AdamW's), or 1 (none).
 *
 *  1-D tensors are AdamW's, or SGD's, at optim.lr_1d times the rate. The buffer is a sum
 *  of gradients, not their mean: u does not depend on its scale. moment[0] holds m (1-D:
 *  AdamW's mean), moment[1] holds u (1-D: AdamW's mean square).
 *  K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024. */
#include <math.h>

#include "optim_private.h"

typedef struct muon_params {
  int64_t iterations;
  int scale;  /**< 0 = original, 1 = rms, 2 = none */
  int vector; /**< 0 = adamw, 1 = sgd */
  double beta1, beta2, eps;
} muon_params;

static const es_param table[] = {
    ES_INT(muon_params, iterations, "5", 1, 100, "1",
           "Newton-Schulz iterations, each about as costly as three products of the "
           "matrix with a square one"),
    ES_CHOICE(muon_params, scale, "original", "original|rms|none",
              "factor of an update: sqrt(max(1, rows/cols)), 0.2 sqrt(max(rows, cols)), "
              "or 1"),
    ES_CHOICE(muon_params, vector, "adamw", "adamw|sgd",
              "optimiser of 1-D tensors (biases, gains), at the rate optim.lr x "
              "optim.lr_1d"),
    ES_DOUBLE(muon_params, beta1, "0.9", 0, 0.999999, "1",
              "adamw: decay factor of the running mean gradient, per step"),
    ES_DOUBLE(muon_params, beta2, "0.95", 0, 0.99999999, "1",
              "adamw: decay factor of the running mean square gradient, per step"),
    ES_DOUBLE(muon_params, eps, "1e-8", 1e-30, ES_INF, "1",
              "adamw: added to the root mean square gradient"),
    ES_PARAM_END};

/** The matrix of a tensor. */
static es_orthogonal_args matrix_of(const es_tensor_info *v) {
  return (es_orthogonal_args){.rows = (int) v->dim[0],
                              .cols = (int) (v->count / v->dim[0])};
}

static size_t workspace(const es_params *p) {
  size_t most = 0;
  for (int i = 0; i < p->n_tensors; i++) {
    const es_tensor_info *const v = &p->tensor[i];
    if (v->state || v->excluded) continue;
    const es_orthogonal_args a = matrix_of(v);
    const size_t work = es_orthogonal_work(a.rows, a.cols);
    if (work > most) most = work;
  }
  return most;
}

static es_status update_vectors(es_optim *o, double lr, const es_optim_run *r) {
  const muon_params *const w = o->own;
  es_params *const p = o->params;
  const es_backend_ops *const ops = p->backend->ops;
  const es_buf moments[2] = {es_optim_moment(o, 0, r), es_optim_moment(o, 1, r)};
  const double rate = es_optim_rate(o, r, lr);
  const es_adamw_args adamw = {.lr = rate,
                               .beta1 = w->beta1,
                               .beta2 = w->beta2,
                               .eps = w->eps,
                               .step = o->steps + 1};
  const es_sgd_args sgd = {
      .lr = rate, .scale = 1, .momentum = o->par.momentum, .nesterov = o->par.nesterov};
  return w->vector == 1 ? ops->sgd(p->backend, r->count, &sgd, p->value + r->first,
                                   p->grad + r->first, moments[0])
                        : ops->adamw(p->backend, r->count, &adamw, p->value + r->first,
                                     p->grad + r->first, moments);
}

/** Momentum of matrices: m and u; 1-D tensors entirely. */
static es_status update(es_optim *o, double lr, es_range in) {
  es_params *const p = o->params;
  const es_backend_ops *const ops = p->backend->ops;
  const es_sgd_args away = {.lr = -1, /* u = 0 + what would be subtracted */
                            .scale = 1,
                            .momentum = o->par.momentum,
                            .nesterov = o->par.nesterov};
  es_optim_run r = {0};
  while (es_optim_next(o, in, ES_SPLIT_KIND, &r)) {
    if (r.excluded) {
      ES_TRY(update_vectors(o, lr, &r));
      continue;
    }
    const es_buf m = es_optim_moment(o, 0, &r), u = es_optim_moment(o, 1, &r);
    ES_TRY(ops->zero(p->backend, u, r.count * sizeof *u));
    ES_TRY(ops->sgd(p->backend, r.count, &away, u, p->grad + r.first, m));
  }
  return ES_OK;
}

static double factor_of(const muon_params *w, es_orthogonal_args a) {
  const double rows = a.rows, cols = a.cols;
  if (w->scale == 2) return 1;
  return w->scale == 1 ? 0.2 * sqrt(fmax(rows, cols)) : sqrt(fmax(1, rows / cols));
}

/** Multiply-adds of one iteration. */
static double work_of(const es_tensor_info *v) {
  const es_orthogonal_args a = matrix_of(v);
  const double m = a.rows < a.cols ? a.rows : a.cols;
  return m * m * (3.0 * (double) v->count / m + m);
}

static es_optim_work finishes(const void *own, const es_params *p) {
  const double iterations = (double) ((const muon_params *) own)->iterations;
  es_optim_work w = {0};
  for (int i = 0; i < p->n_tensors; i++) {
    const es_tensor_info *const v = &p->tensor[i];
    if (v->state || v->excluded) continue;
    const double operations = 2 * iterations * work_of(v);
    w.operations += operations;
    if (operations > w.most) w.most = operations;
    w.numbers += (double) v->count;
  }
  return w;
}

/** How the ranks divide the matrices: `shares` by work, in the order of tensors. Share s
 *  is of the rank s mod `ranks`. Where a node shares the parameters a share is that of a
 *  lane; each node has all of them, and `node` computes. */
typedef struct division {
  const es_comm *comm; /**< NULL: this rank has all */
  bool shared;
  int shares, rank, ranks, nodes, node;
} division;

static division divide(const es_optim *o) {
  const es_comm *const c = o->comm;
  division d = {.comm = c,
                .shared = o->params->shared.comm != NULL,
                .shares = 1,
                .ranks = 1,
                .nodes = 1};
  if (c == NULL || c->size == 1) return d;
  d.rank = d.shared ? c->node_rank : c->rank;
  d.ranks = d.shared ? c->node_size : c->size;
  d.shares = d.shared ? c->lanes : c->size;
  d.nodes = d.shared ? c->nodes : 1;
  d.node = d.shared ? c->node_index : 0;
  return d;
}

/** Collective. u of one matrix, of a share <- its orthogonal factor, computed by one
 *  rank, so that ranks on unlike processors go on with the same bits. */
static es_status orthogonal_matrix(es_optim *o, const division *d, int tensor,
                                   int share) {
  es_backend *const b = o->params->backend;
  const es_tensor_info *const v = &o->params->tensor[tensor];
  const es_buf u = o->moment[1] + v->offset;
  es_orthogonal_args a = matrix_of(v);
  const int root = tensor % d->nodes;
  const bool own = share % d->ranks == d->rank;
  a.iterations = (int) ((const muon_params *) o->own)->iterations;
  if (own && d->node == root)
    ES_TRY(b->ops->orthogonalize(b, &a, u, o->work));
  else if (!d->shared)
    ES_TRY(b->ops->zero(b, u, (size_t) v->count * sizeof *u));
  if (!d->shared && d->ranks > 1)
    return b->ops->allreduce(b, d->comm, u, (size_t) v->count); /* one is not 0 */
  if (own && d->nodes > 1) /* shared memory is the host's */
    es_comm_bcast_lane(d->comm, share / d->ranks, u, (size_t) v->count * sizeof *u, root);
  return ES_OK;
}

/** p of one matrix, from u. */
static es_status step_matrix(es_optim *o, double lr, int tensor) {
  es_params *const p = o->params;
  const es_tensor_info *const v = &p->tensor[tensor];
  const double factor = factor_of(o->own, matrix_of(v));
  const es_sgd_args step = {
      .lr = lr * factor, .scale = 1, .weight_decay = o->par.weight_decay / factor};
  return p->backend->ops->sgd(p->backend, (size_t) v->count, &step, p->value + v->offset,
                              o->moment[1] + v->offset, NULL);
}

/** u of this rank's matrices; with `apply` what follows from all that it updates. */
static es_status matrices(es_optim *o, const division *d, double lr, bool apply) {
  const es_params *const p = o->params;
  double all = 0, before = 0;
  for (int i = 0; i < p->n_tensors; i++)
    if (!p->tensor[i].state && !p->tensor[i].excluded) all += work_of(&p->tensor[i]);
  for (int i = 0; i < p->n_tensors; i++) {
    if (p->tensor[i].state || p->tensor[i].excluded) continue;
    const double work = work_of(&p->tensor[i]);
    const int share = (int) ((before + work / 2) / all * d->shares);
    const bool own = share % d->ranks == d->rank;
    before += work;
    if (apply)
      ES_TRY(own || !d->shared ? step_matrix(o, lr, i) : ES_OK);
    else
      ES_TRY(orthogonal_matrix(o, d, i, share));
  }
  return ES_OK;
}

static es_status finish(es_optim *o, double lr) {
  const division d = divide(o);
  ES_TRY(matrices(o, &d, lr, false));
  return matrices(o, &d, lr, true);
}

const es_optim_ops es_optim_muon = {.name = "muon",
                                    .doc = "momentum of each matrix made orthogonal",
                                    .params = table,
                                    .size = sizeof(muon_params),
                                    .moments = 2,
                                    .momentum = true,
                                    .update = update,
                                    .finish = finish,
                                    .finishes = finishes,
                                    .workspace = workspace};
