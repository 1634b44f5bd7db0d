/* SPDX-License-Identifier: BSD-3-Clause */
/** @file gradient_reduction.c  Gradients of all ranks summed, after or during backward.
 *
 *  Phase `allreduce` is what that costs the step: adding between the ops of backward, and
 *  waiting at its end, after the update and after the weights are packed. */
#include "gradient_reduction.h"

/* Parts that a backend sums beside backward, about: only the last one is waited for. */
enum { PARTS = 16 };

/* Backward calls it: gradients [from, n) are final once `mark` is reached. */
static es_status sum_ready(void *ctx, int64_t from, es_mark mark) {
  es_gradient_reduction *const r = ctx;
  es_backend *const b = r->params->backend;
  ES_TRY(b->ops->wait(b, mark)); /* ranks of a node read each other's gradients */
  es_clock_lap(r->clock, ES_PHASE_BACKWARD);
  es_reduction_ready(r->overlapped, from);
  es_clock_lap(r->clock, ES_PHASE_ALLREDUCE);
  return ES_OK;
}

/* Elements [from, n) are final where the calls so far are done. Every rank begins the
 * same sums: they depend on the parameters alone. */
static es_status begin_ready(void *ctx, int64_t from, es_mark mark) {
  es_gradient_reduction *const r = ctx;
  es_backend *const b = r->params->backend;
  const int64_t end = r->begun;
  (void) mark; /* the sum itself waits for the calls */
  if (end - from < r->params->n / PARTS + 1 && from > 0) return ES_OK;
  r->begun = from;
  return b->ops->sum_begin(b, r->layout.comm, r->params->grad + from,
                           (size_t) (end - from));
}

void es_gradient_reduction_init(es_gradient_reduction *r, const es_row_layout *layout,
                                es_params *params, es_clock *clock) {
  *r = (es_gradient_reduction){
      .layout = *layout, .params = params, .clock = clock, .all = {0, params->n}};
  r->beside = params->backend->ops->sum_begin != NULL && layout->comm->size > 1 &&
              !es_row_layout_replicated(layout);
  r->listener = (es_net_listener){.ready = r->beside ? begin_ready : sum_ready,
                                  .ctx = r,
                                  .without_marks = r->beside,
                                  .ranks = layout->comm};
  r->begun = params->n;
  /* each rank updates everything, by rank 0's sums: processors round differently */
  r->whole = (es_partition){.comm = layout->comm,
                            .n = 1,
                            .range = &r->all,
                            .contributes = layout->comm->rank == 0};
}

es_status es_gradient_reduction_overlap(es_gradient_reduction *r, es_shared *counters) {
  const es_params *const p = r->params;
  const es_reduction_options o = {.x = p->shared.grads,
                                  .counters = counters,
                                  .n = p->n,
                                  .bucket = es_reduction_bucket(p->shared.comm->lanes),
                                  .threads = p->backend->threads};
  r->counters = counters;
  return es_reduction_create(p->shared.comm, &o, &r->overlapped);
}

void es_gradient_reduction_progress(es_gradient_reduction *r) {
  if (r->overlapped != NULL) es_reduction_progress(r->overlapped);
}

void es_gradient_reduction_free(es_gradient_reduction *r) {
  es_reduction_destroy(&r->overlapped);
  es_shared_destroy(&r->counters);
}

const es_net_listener *es_gradient_reduction_listener(const es_gradient_reduction *r) {
  return r->overlapped != NULL || r->beside ? &r->listener : NULL;
}

/* What backward has not begun is begun here: parameters before those of the first op. */
static es_status end_beside(es_gradient_reduction *r) {
  es_backend *const b = r->params->backend;
  es_status st = ES_OK;
  if (r->begun > 0)
    st = b->ops->sum_begin(b, r->layout.comm, r->params->grad, (size_t) r->begun);
  if (st == ES_OK) st = b->ops->sums_end(b);
  r->begun = r->params->n;
  return es_comm_abort_if_alone(r->layout.comm, st);
}

static es_status sum_now(const es_gradient_reduction *r) {
  const es_comm *const c = r->layout.comm;
  es_backend *const b = r->params->backend;
  const es_buf grad = r->params->grad;
  const size_t n = (size_t) r->params->n;
  return es_comm_abort_if_alone(c, es_row_layout_replicated(&r->layout)
                                       ? b->ops->treesum(b, c, grad, n)
                                       : b->ops->allreduce(b, c, grad, n));
}

es_status es_gradient_reduction_finish(es_gradient_reduction *r, int64_t *flags, int n) {
  if (r->overlapped != NULL) {
    es_reduction_finish(r->overlapped, flags, n);
    return ES_OK;
  }
  if (flags != NULL) es_comm_max_i64(r->layout.comm, flags, n);
  return r->beside ? end_beside(r) : sum_now(r);
}

const es_partition *es_gradient_reduction_part(const es_gradient_reduction *r) {
  return r->overlapped != NULL ? es_reduction_partition(r->overlapped) : &r->whole;
}

void es_gradient_reduction_barrier(es_gradient_reduction *r) {
  if (r->overlapped != NULL) es_reduction_barrier(r->overlapped);
}
