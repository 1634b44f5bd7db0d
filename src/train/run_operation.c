/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_operation.c  Modes of the embedding are changed between two steps. */
#include "eigenstep/mem.h"
#include "eigenstep/net_layers.h"
#include "eigenstep/progress.h"
#include "run_loop_private.h"
#include "train_private.h"

/* Collective: ranks may share the buffer, so that all have read it before any writes.
 * Values, or sums of gradients, of one tensor, in place. */
static es_status move(const es_train *t, int tensor, bool momentum, es_buf buffer) {
  const es_params *const p = es_net_params(t->passes.o.net);
  const es_comm *const c = t->layout.comm;
  const es_tensor_info *const info = &p->tensor[tensor];
  const size_t count = (size_t) info->count;
  es_backend *const b = p->backend;
  float *host = NULL;
  double *x = NULL;
  es_status st = ES_NEW(count, &host);
  if (st == ES_OK) st = ES_NEW(count, &x);
  if (st == ES_OK) st = b->ops->download(b, host, buffer + info->offset, count);
  st = es_comm_agree(c, st);
  if (st == ES_OK) {
    for (size_t i = 0; i < count; i++) x[i] = host[i];
    es_surgery_move(t->surgery, momentum, info->count / info->dim[0], x);
    for (size_t i = 0; i < count; i++) host[i] = (float) x[i];
    st = es_comm_agree(c, b->ops->upload(b, buffer + info->offset, host, count));
  }
  es_free(&x);
  es_free(&host);
  return st;
}

/* Collective. Weights of the last layer and their momentum, which with all optimisers is
 * the first moment and linear in the gradients. */
static es_status move_layer(const es_train *t) {
  es_net *const net = t->passes.o.net;
  es_params *const p = es_net_params(net);
  const es_net_layer last = es_net_layer_of(net, es_net_layers(net) - 1);
  const int tensor[2] = {last.w, last.b};
  for (int i = 0; i < 2; i++) {
    if (tensor[i] < 0) continue;
    ES_TRY(move(t, tensor[i], false, p->value));
    if (t->optim->moments > 0) ES_TRY(move(t, tensor[i], true, t->optim->moment[0]));
  }
  p->version++;
  return ES_OK;
}

/* Collective. */
static es_status find_modes(const es_run_parts *p, double *value, double *q) {
  es_train *const t = p->train;
  es_embedding e;
  ES_TRY(es_train_sync_bn(t));
  ES_TRY(es_probe_embed(p->probe, &e));
  const es_status st =
      es_snapshot_directions(p->snapshot, &e, es_surgery_modes(t->surgery), value, q);
  ES_TRY(es_comm_agree(t->layout.comm, st));
  es_surgery_set(t->surgery, es_train_time(t), value, q);
  return ES_OK;
}

es_status es_run_operation(const es_run_parts *p) {
  const es_train *const t = p->train;
  double *value = NULL, *q = NULL;
  if (!es_surgery_is_due(t->surgery, es_train_steps(t))) return ES_OK;
  es_clock_mark(es_train_clock(p->train));
  const int k = es_surgery_modes(t->surgery), d = es_net_dim(t->passes.o.net);
  es_status st = ES_NEW(k, &value);
  if (st == ES_OK) st = ES_NEW((int64_t) k * d, &q);
  st = es_comm_agree(t->layout.comm, st);
  es_progress_begin("modes at step %lld, to be changed", (long long) es_train_steps(t));
  if (st == ES_OK) st = find_modes(p, value, q);
  if (st == ES_OK) es_progress_end();
  es_free(&q);
  es_free(&value);
  if (st == ES_OK) st = move_layer(t);
  if (st == ES_OK) st = es_surgery_record(t->surgery, p->traj);
  es_clock_lap(es_train_clock(p->train), ES_PHASE_SNAPSHOT);
  return st;
}

es_status es_run_operation_resume(const es_run_parts *p) {
  return es_surgery_resume(p->train->surgery, p->traj);
}
