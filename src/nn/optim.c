/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim.c  Optimisers: lookup, their moments, and their state for checkpoints. */
#include "eigenstep/optim.h"

#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

const es_param es_optim_table[] = {
    ES_STRING(es_optim_params, name, "sgd", "optimiser: sgd"),
    ES_DOUBLE(es_optim_params, lr, "0.001", 0, ES_INF, "1",
              "learning rate before the schedule's factor"),
    ES_DOUBLE(es_optim_params, momentum, "0", 0, 1, "1", "momentum"),
    ES_DOUBLE(es_optim_params, weight_decay, "0", 0, ES_INF, "1",
              "weight decay, added to the gradient"),
    ES_BOOL(es_optim_params, nesterov, "false", "Nesterov's form of the momentum"),
    ES_PARAM_END};

#define ES_OPTIM(n) extern const es_optim_ops es_optim_##n;
#include "optim_list.h"
#undef ES_OPTIM

static const es_optim_ops *const optimisers[] = {
#define ES_OPTIM(n) &es_optim_##n,
#include "optim_list.h"
#undef ES_OPTIM
};

es_status es_optim_find(const es_optim_params *par, const es_optim_ops **ops) {
  const void *found;
  ES_TRY(es_registry_find("optimiser", par->name, (const void *const *) optimisers,
                          sizeof optimisers / sizeof optimisers[0], &found));
  ES_CHECK(!par->nesterov || par->momentum > 0, ES_ECONFIG,
           "got optim.nesterov with optim.momentum = %g, expected a momentum > 0",
           par->momentum);
  *ops = found;
  return ES_OK;
}

es_status es_optim_create(const es_optim_params *par, es_params *params, es_optim **o) {
  const es_optim_ops *ops;
  ES_TRY(es_optim_find(par, &ops));
  es_optim *q;
  ES_TRY(ES_NEW(1, &q));
  q->ops = ops;
  q->par = *par;
  q->params = params;
  es_backend *const b = params->backend;
  const es_status room = ES_NEW(params->n_view * ops->sums, &q->sum);
  if (room != ES_OK) {
    es_optim_destroy(&q);
    return room;
  }
  for (int i = 0; i < q->ops->moments; i++) {
    void *p;
    const es_status st =
        b->ops->alloc(b, (size_t) params->n * sizeof(float), "moments", &p);
    if (st != ES_OK) {
      es_optim_destroy(&q);
      return st;
    }
    q->moment[i] = p;
  }
  *o = q;
  return ES_OK;
}

void es_optim_destroy(es_optim **o) {
  if (*o == NULL) return;
  es_backend *const b = (*o)->params->backend;
  for (int i = 0; i < 2; i++) {
    void *p = (*o)->moment[i];
    if (p != NULL) b->ops->release(b, &p);
  }
  es_free(&(*o)->sum);
  es_free(o);
}

es_status es_optim_update_ranges(es_optim *o, double lr, const es_comm *c, int n,
                                 const es_range *own) {
  const int sums = o->params->n_view * o->ops->sums;
  if (sums > 0) {
    memset(o->sum, 0, (size_t) sums * sizeof *o->sum);
    for (int i = 0; i < n; i++) ES_TRY(o->ops->gather(o, own[i], o->sum));
    if (c != NULL) es_comm_sum_f64(c, o->sum, sums);
  }
  for (int i = 0; i < n; i++) ES_TRY(o->ops->update(o, lr, own[i]));
  o->steps++;
  return ES_OK;
}

es_status es_optim_update(es_optim *o, double lr) {
  const es_range all = {0, o->params->n};
  return es_optim_update_ranges(o, lr, NULL, 1, &all);
}

static es_status visit_moment(es_optim *o, int i, es_visitor *v) {
  es_backend *const b = o->params->backend;
  const size_t n = (size_t) o->params->n;
  float *host;
  ES_TRY(ES_NEW(n, &host));
  char name[32];
  snprintf(name, sizeof name, "optim/moment%d", i);
  es_item item = {
      .name = name, .type = ES_ITEM_F32, .ndim = 1, .dim = {o->params->n}, .data = host};
  es_status st = ES_OK;
  if (!v->loading) ES_TRY_GOTO(b->ops->download(b, host, o->moment[i], n), done);
  ES_TRY_GOTO(v->item(v, &item), done);
  if (v->loading) st = b->ops->upload(b, o->moment[i], host, n);
done:
  es_free(&host);
  return st;
}

es_status es_optim_visit(es_optim *o, es_visitor *v) {
  for (int i = 0; i < o->ops->moments; i++) ES_TRY(visit_moment(o, i, v));
  es_item item = {.name = "optim/steps",
                  .type = ES_ITEM_I64,
                  .ndim = 1,
                  .dim = {1},
                  .data = &o->steps};
  return v->item(v, &item);
}
