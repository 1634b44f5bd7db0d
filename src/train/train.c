/* SPDX-License-Identifier: BSD-3-Clause */
/** @file train.c  Parts and state of a model in training; the step itself: step.c. */
#include "eigenstep/mem.h"
#include "train_private.h"

static es_status create_parts(const es_train_options *o, es_train *t) {
  const es_passes_options passes = {.layout = o->layout,
                                    .net = o->net,
                                    .n_max = o->n_max,
                                    .views = 2,
                                    .groups = o->groups,
                                    .micro = o->micro,
                                    .backward = true};
  const size_t dim = (size_t) es_net_dim(o->net);
  const size_t rows = (size_t) es_row_layout_rows(&o->layout, o->n_max);
  es_params *const params = es_net_params(o->net);
  es_gradient_reduction_init(&t->reduction, &o->layout, params, &t->clock);
  ES_TRY(es_passes_create(&passes, &t->passes));
  ES_TRY(ES_NEW(2 * rows * dim, &t->rows.z));
  ES_TRY(ES_NEW(2 * rows * dim, &t->rows.dz));
  return es_nonfinite_create(o->layout.comm, params, o->skip_max, &t->nonfinite);
}

es_status es_train_create(const es_train_options *o, es_train **out) {
  es_train *t = NULL;
  ES_TRY(ES_NEW(1, &t));
  t->layout = o->layout;
  t->loss = o->loss;
  t->precondition = o->precondition;
  t->optim = o->optim;
  t->surgery = o->surgery;
  if (t->optim != NULL) t->optim->comm = o->layout.comm;
  t->data = o->data;
  t->local_bn = o->local_bn;
  const es_status st = create_parts(o, t);
  if (st == ES_OK)
    *out = t;
  else
    es_train_destroy(&t);
  return st;
}

void es_train_destroy(es_train **t) {
  if (*t == NULL) return;
  es_gradient_reduction_free(&(*t)->reduction);
  es_passes_free(&(*t)->passes);
  es_nonfinite_free(&(*t)->nonfinite);
  es_free(&(*t)->rows.z);
  es_free(&(*t)->rows.dz);
  es_free(t);
}

enum { VALUES, GRADS, COUNTERS, MOMENTS };
_Static_assert((int) MOMENTS + 2 == (int) ES_TRAIN_SHARED, "room for two moments");

int es_train_shared_memory(int64_t parameters, int moments, es_shared_request *want) {
  const size_t bytes = (size_t) parameters * sizeof(float);
  want[VALUES] = (es_shared_request){.bytes = bytes};
  want[GRADS] = (es_shared_request){.bytes = bytes, .per_rank = true};
  want[COUNTERS] =
      (es_shared_request){.bytes = es_reduction_counters(), .per_rank = true};
  for (int i = 0; i < moments; i++)
    want[MOMENTS + i] = (es_shared_request){.bytes = bytes};
  return MOMENTS + moments;
}

es_status es_train_share(es_train *t) {
  const es_comm *const c = t->layout.comm;
  es_params *const p = es_net_params(t->passes.o.net);
  es_shared_request want[ES_TRAIN_SHARED];
  es_shared *got[ES_TRAIN_SHARED];
  if (!p->backend->ops->host || p->shared.comm != NULL) return ES_OK;
  if (es_row_layout_replicated(&t->layout)) return ES_OK; /* treesum has its own order */
  const int n = es_train_shared_memory(p->n, t->optim->moments, want);
  ES_TRY(es_shared_create(c, want, n, "parameters, gradients and moments", got));
  if (got[VALUES] == NULL) return ES_OK;
  es_params_share(p, c, got[VALUES], got[GRADS]);
  es_optim_share(t->optim, got + MOMENTS);
  return es_gradient_reduction_overlap(&t->reduction, got[COUNTERS]);
}

void es_train_progress(es_train *t) {
  es_gradient_reduction_progress(&t->reduction);
}

es_status es_train_embed(es_train *t, const es_batch *b, es_bn_mode mode, int *n,
                         double *z) {
  const int rows = es_row_layout_rows(&t->layout, b->n);
  double *const view[] = {z, z + (size_t) rows * (size_t) es_net_dim(t->passes.o.net)};
  ES_TRY(es_passes_embed(&t->passes, b, mode, view));
  *n = rows;
  return ES_OK;
}

const double *es_train_embeddings(const es_train *t) {
  return t->rows.z;
}

int64_t es_train_steps(const es_train *t) {
  return t->done.steps;
}

double es_train_time(const es_train *t) {
  return t->done.time;
}

int64_t es_train_skipped(const es_train *t) {
  return t->nonfinite.skipped;
}

bool es_train_shares(const es_train *t) {
  return t->reduction.overlapped != NULL;
}

es_clock *es_train_clock(es_train *t) {
  return &t->clock;
}

const es_comm *es_train_comm(const es_train *t) {
  return t->layout.comm;
}

es_status es_train_sync_bn(es_train *t) {
  const es_comm *const c = t->layout.comm;
  if (!t->local_bn || c->size == 1) return ES_OK;
  const es_params *p = es_net_params(t->passes.o.net);
  const es_backend_ops *ops = p->backend->ops;
  es_status st = ops->allreduce(p->backend, c, p->state, (size_t) p->n_state);
  if (st == ES_OK)
    st = ops->scale(p->backend, (size_t) p->n_state, 1.0 / c->size, p->state);
  return es_comm_abort_if_alone(c, st);
}

es_status es_train_visit_view(int64_t view[3], es_visitor *v) {
  es_item item = {"train/view", ES_ITEM_I64, 1, {3}, view};
  return v->item(v, &item);
}

static es_status visit_data(const es_train *t, es_visitor *v) {
  int64_t data = t->data;
  es_item item = {"train/data", ES_ITEM_I64, 1, {1}, &data};
  ES_TRY(v->item(v, &item));
  ES_CHECK(data == t->data, ES_ECONFIG,
           "data.path: got data, or held-out records, of checksum %016llx, expected the "
           "checkpoint's, %016llx",
           (unsigned long long) t->data, (unsigned long long) data);
  return ES_OK;
}

es_status es_train_visit(void *train, es_visitor *v) {
  es_train *t = train;
  es_net *const net = t->passes.o.net;
  const es_shape input = es_net_shape(net, 0);
  int64_t view[3] = {input.c, input.h, input.w};
  ES_TRY(es_train_visit_view(view, v));
  ES_TRY(visit_data(t, v));
  es_item step = {"train/step", ES_ITEM_I64, 1, {1}, &t->done.steps};
  es_item time = {"train/time", ES_ITEM_F64, 1, {1}, &t->done.time};
  ES_TRY(v->item(v, &step));
  ES_TRY(v->item(v, &time));
  es_item skipped = {"train/skipped", ES_ITEM_I64, 1, {1}, &t->nonfinite.skipped};
  es_item in_row = {"train/skipped_in_row", ES_ITEM_I64, 1, {1}, &t->nonfinite.in_row};
  ES_TRY(v->item(v, &skipped));
  ES_TRY(v->item(v, &in_row));
  ES_TRY(es_params_visit(es_net_params(net), v));
  ES_TRY(es_loss_visit(t->loss, v));
  ES_TRY(es_precondition_visit(t->precondition, v));
  ES_TRY(es_surgery_visit(t->surgery, t->done.steps, v));
  return es_optim_visit(t->optim, v);
}
