/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step.c  One training step. */
#include "exchange.h"

#include <math.h>
#include "eigenstep/mem.h"
#include "skip.h"

es_status es_train_create(const es_train_options *o, es_train **out) {
  es_train *t = NULL;
  const es_shape s = es_net_shape(o->net, 0);
  const size_t image = (size_t) s.c * (size_t) s.h * (size_t) s.w;
  const bool cut = o->micro > 0 && o->micro < o->n_max;
  const size_t dim = (size_t) es_net_dim(o->net), most = (size_t) o->n_max;
  const size_t pass = cut ? (size_t) o->micro : most;
  const size_t seen = o->deterministic ? most * (size_t) o->comm->size : most;
  es_status st;
  ES_TRY_GOTO(ES_NEW(1, &t), fail);
  if (cut) ES_TRY_GOTO(ES_NEW(2 * pass * image, &t->x), fail);
  ES_TRY_GOTO(ES_NEW(2 * pass * dim, &t->z), fail);
  ES_TRY_GOTO(ES_NEW(2 * pass * dim, &t->dz), fail);
  ES_TRY_GOTO(ES_NEW(2 * seen * dim, &t->zd), fail);
  ES_TRY_GOTO(ES_NEW(2 * seen * dim, &t->dzd), fail);
  ES_TRY_GOTO(ES_NEW(es_net_params(o->net)->n_state, &t->kept), fail);
  t->comm = o->comm;
  t->net = o->net;
  t->eval_net = o->eval_net != NULL ? o->eval_net : o->net;
  t->loss = o->loss;
  t->optim = o->optim;
  t->groups = o->groups;
  t->micro = o->micro;
  t->local_bn = o->local_bn;
  t->deterministic = o->deterministic;
  *out = t;
  return ES_OK;
fail:
  es_train_destroy(&t);
  return st;
}

void es_train_destroy(es_train **t) {
  if (*t == NULL) return;
  es_reduction_destroy(&(*t)->reduction);
  es_free(&(*t)->x);
  es_free(&(*t)->z);
  es_free(&(*t)->dz);
  es_free(&(*t)->zd);
  es_free(&(*t)->dzd);
  es_free(&(*t)->kept);
  es_free(t);
}

es_status es_train_gradient(es_train *t, const es_batch *b, double lr, double *loss) {
  int n;

  t->lr = lr;
  es_clock_mark(&t->clock);
  ES_TRY(es_comm_abort_if_alone(t->comm, es_skip_keep(t)));
  ES_TRY(es_train_embed(t, b, ES_BN_TRAIN, &n, t->zd));
  es_clock_lap(&t->clock, ES_PHASE_FORWARD);

  const size_t half = (size_t) n * (size_t) es_net_dim(t->net);
  const es_loss_batch pairs = {n, {t->zd, t->zd + half}, {t->dzd, t->dzd + half}};
  es_status st = es_loss_eval(t->loss, &pairs, loss);
  if (st == ES_OK) st = es_precondition_apply(t->precondition, lr, &pairs);
  ES_TRY(es_comm_abort_if_alone(t->comm,
                                st)); /* deterministic: each rank has a loss by itself */
  es_skip_note(t, b, n, *loss);
  es_clock_lap(&t->clock, ES_PHASE_LOSS);

  es_net_zero_grad(t->net);
  return es_exchange_backward(t, b);
}

es_status es_train_update(es_train *t, int64_t *vote) {
  /* dz is the gradient of the global loss, so the ranks' shares add up: a sum, no average
   */
  ES_TRY(es_exchange_sum(t, vote));
  ES_TRY(es_exchange_update(t));
  t->step++;
  return ES_OK;
}

es_status es_train_step(es_train *t, const es_batch *b, double lr, double *loss) {
  ES_TRY(es_train_gradient(t, b, lr, loss));
  return es_train_update(t, NULL);
}

es_status es_train_sync_bn(es_train *t) {
  if (!t->local_bn || t->comm->size == 1) return ES_OK;
  const es_params *p = es_net_params(t->net);
  const es_backend_ops *ops = p->backend->ops;
  es_status st = ops->allreduce(p->backend, t->comm, p->state, (size_t) p->n_state);
  if (st == ES_OK)
    st = ops->scale(p->backend, (size_t) p->n_state, 1.0 / t->comm->size, p->state);
  return es_comm_abort_if_alone(t->comm, st);
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
           "data.path: got data of checksum %016llx, expected the checkpoint's, %016llx",
           (unsigned long long) t->data, (unsigned long long) data);
  return ES_OK;
}

es_status es_train_visit(void *train, es_visitor *v) {
  es_train *t = train;
  const es_shape input = es_net_shape(t->net, 0);
  int64_t view[3] = {input.c, input.h, input.w};
  ES_TRY(es_train_visit_view(view, v));
  ES_TRY(visit_data(t, v));
  es_item step = {"train/step", ES_ITEM_I64, 1, {1}, &t->step};
  es_item time = {"train/time", ES_ITEM_F64, 1, {1}, &t->time};
  ES_TRY(v->item(v, &step));
  ES_TRY(v->item(v, &time));
  es_item skipped = {"train/skipped", ES_ITEM_I64, 1, {1}, &t->skipped};
  es_item in_row = {"train/skipped_in_row", ES_ITEM_I64, 1, {1}, &t->in_row};
  ES_TRY(v->item(v, &skipped));
  ES_TRY(v->item(v, &in_row));
  ES_TRY(es_params_visit(es_net_params(t->net), v));
  ES_TRY(es_precondition_visit(t->precondition, v));
  return es_optim_visit(t->optim, v);
}
