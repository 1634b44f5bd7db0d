/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exchange.c  Gradients of all ranks summed, the update divided among a node.
 *
 *  Phase `allreduce` is what that costs the step: adding between the ops of backward, and
 *  waiting at its end and after the update. */
#include "exchange.h"

#include <math.h>
#include "skip.h"

/* Elements summed together: small enough to be in the cache still and to leave little
 * after the last op, large enough for the bandwidth of a network. */
enum { BUCKET = 1 << 20 };

es_status es_train_share(es_train *t) {
  es_params *const p = es_net_params(t->net);
  if (t->deterministic) return ES_OK; /* sums of parts know the ranks */
  ES_TRY(es_params_share(p, t->comm));
  if (p->shared.comm == NULL) return ES_OK;
  ES_TRY(es_optim_share(t->optim));
  return es_reduction_create(t->comm, p->shared.grads, p->n, BUCKET, p->backend->threads,
                             &t->reduction);
}

/* Gradients from element `from` on are final once `mark` is reached. */
static es_status pass_on(void *ctx, int64_t from, es_mark mark) {
  es_train *const t = ctx;
  es_backend *const b = es_net_params(t->net)->backend;
  ES_TRY(b->ops->wait(b, mark)); /* ranks of a node read each other's gradients */
  es_clock_lap(&t->clock, ES_PHASE_BACKWARD);
  es_reduction_ready(t->reduction, from);
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);
  return ES_OK;
}

es_status es_exchange_backward(es_train *t, const es_batch *b) {
  const es_net_listener to = {.ready = pass_on, .ctx = t};
  ES_TRY(es_train_backward(t, b, t->dzd, t->reduction != NULL ? &to : NULL));
  es_clock_lap(&t->clock, ES_PHASE_BACKWARD);
  return ES_OK;
}

static es_status sum_now(const es_train *t) {
  const es_params *const p = es_net_params(t->net);
  es_backend *const b = p->backend;
  const size_t n = (size_t) p->n;
  return es_comm_abort_if_alone(t->comm, t->deterministic
                                             ? b->ops->treesum(b, t->comm, p->grad, n)
                                             : b->ops->allreduce(b, t->comm, p->grad, n));
}

es_status es_exchange_sum(es_train *t, int64_t *vote) {
  es_clock_mark(&t->clock);
  if (t->reduction != NULL) {
    es_reduction_finish(t->reduction, vote, ES_VOTES);
  } else {
    if (vote != NULL) es_comm_max_i64(t->comm, vote, ES_VOTES);
    ES_TRY(sum_now(t));
  }
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);
  return ES_OK;
}

/* By what is the same on all ranks. */
static es_status update_or_skip(es_train *t, const es_partition *mine) {
  ES_TRY(es_comm_abort_if_alone(t->comm, es_optim_norm(t->optim, mine, &t->norm)));
  if (!isfinite(t->norm) || !isfinite(t->trouble.loss)) return es_skip_step(t);
  ES_TRY(es_comm_abort_if_alone(t->comm, es_optim_update_part(t->optim, t->lr, mine)));
  t->in_row = 0;
  t->time += t->lr;
  return ES_OK;
}

es_status es_exchange_update(es_train *t) {
  const es_range all = {0, es_net_params(t->net)->n};
  const es_partition whole = {.n = 1, .range = &all};
  es_reduction *const r = t->reduction;
  es_clock_mark(&t->clock);
  ES_TRY(update_or_skip(t, r != NULL ? es_reduction_partition(r) : &whole));
  es_clock_lap(&t->clock, ES_PHASE_OPTIM);
  if (r != NULL) es_reduction_barrier(r);
  es_clock_lap(&t->clock, ES_PHASE_ALLREDUCE);
  return ES_OK;
}
