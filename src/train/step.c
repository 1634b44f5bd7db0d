/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step.c  One training step:
 *
 *      batch -> forward -> loss -> backward, gradients summed over ranks -> update
 *
 *  in two halves, between which nothing of the batch is needed any more. */
#include <math.h>
#include "train_private.h"

/* L of the global batch, and dL/dz of it in place of dz. Every rank may fail alone: where
 * rows are replicated each evaluates the loss by itself. */
static es_status evaluate_loss(es_train *t, int n, double lr, double *loss) {
  const size_t view = (size_t) n * (size_t) es_net_dim(t->passes.o.net);
  double *const z = t->rows.z, *const dz = t->rows.dz;
  const es_loss_batch rows = {
      .n = n, .z = {z, z + view}, .dz = {dz, dz + view}, .step = t->done.steps};
  es_status st = es_loss_eval(t->loss, &rows, loss);
  if (st == ES_OK) st = es_precondition_apply(t->precondition, lr, &rows);
  if (st == ES_OK) es_surgery_steer(t->surgery, &rows);
  return es_comm_abort_if_alone(t->layout.comm, st);
}

es_status es_train_gradient(es_train *t, const es_batch *b, double lr,
                            es_step_result *r) {
  es_net *const net = t->passes.o.net;
  int n;
  *r = (es_step_result){.lr = lr, .loss = NAN, .norm = NAN};
  es_clock_mark(&t->clock);
  ES_TRY(es_comm_abort_if_alone(t->layout.comm, es_nonfinite_save(&t->nonfinite)));
  ES_TRY(es_train_embed(t, b, ES_BN_TRAIN, &n, t->rows.z));
  es_clock_lap(&t->clock, ES_PHASE_FORWARD);

  ES_TRY(evaluate_loss(t, n, lr, &r->loss));
  es_nonfinite_count(&t->layout, b, es_net_dim(net), t->rows.z, t->rows.dz, &r->values);
  es_clock_lap(&t->clock, ES_PHASE_LOSS);

  es_net_zero_grad(net);
  ES_TRY(es_passes_backward(&t->passes, b, t->rows.dz,
                            es_gradient_reduction_listener(&t->reduction)));
  es_clock_lap(&t->clock, ES_PHASE_BACKWARD);
  return ES_OK;
}

/* The decision rests on numbers that are the same on all ranks. */
static es_status update_or_skip(es_train *t, es_step_result *r) {
  const es_partition *const part = es_gradient_reduction_part(&t->reduction);
  const es_comm *const c = t->layout.comm;
  ES_TRY(es_comm_abort_if_alone(c, es_optim_norm(t->optim, part, &r->norm)));
  r->updated = isfinite(r->norm) && isfinite(r->loss);
  if (!r->updated) {
    es_precondition_forget(t->precondition);
    return es_nonfinite_skip(&t->nonfinite, t->done.steps, r);
  }
  ES_TRY(es_comm_abort_if_alone(c, es_optim_update_part(t->optim, r->lr, part)));
  t->nonfinite.in_row = 0;
  t->done.time += r->lr;
  return ES_OK;
}

/* Weights in the layout of the next step's products: ranks of a node share this work. */
static es_status pack_weights(es_train *t) {
  const es_params *const p = es_net_params(t->passes.o.net);
  const es_comm *const c = t->layout.comm;
  es_backend *const b = p->backend;
  if (!es_train_shares(t) || b->ops->pack == NULL) return ES_OK;
  ES_TRY(
      es_comm_abort_if_alone(c, b->ops->pack(b, c, (size_t) p->n, p->value, p->version)));
  es_clock_lap(&t->clock, ES_PHASE_OPTIM);
  es_gradient_reduction_barrier(&t->reduction);
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);
  return ES_OK;
}

es_status es_train_update(es_train *t, es_step_result *r, int64_t *flags) {
  es_clock_mark(&t->clock);
  ES_TRY(es_gradient_reduction_finish(&t->reduction, flags, ES_STEP_FLAGS));
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);

  ES_TRY(update_or_skip(t, r));
  es_clock_lap(&t->clock, ES_PHASE_OPTIM);

  es_gradient_reduction_barrier(&t->reduction);
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);

  ES_TRY(pack_weights(t));
  t->done.steps++;
  return ES_OK;
}

es_status es_train_step(es_train *t, const es_batch *b, double lr, es_step_result *r) {
  ES_TRY(es_train_gradient(t, b, lr, r));
  return es_train_update(t, r, NULL);
}
