/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim.c  Optimisers: lookup, their moments, and their state for checkpoints. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "optim_private.h"

static const char name_doc[] = "optimiser, one of:"
#define ES_OPTIM(n) " " #n
#include "optim_list.h"
#undef ES_OPTIM
    ;

const es_param es_optim_table[] = {
    ES_STRING(es_optim_params, name, "sgd", name_doc),
    ES_DOUBLE_OR(es_optim_params, lr, "0.001", 0, ES_INF, "1", "auto",
                 "learning rate before the schedule's factor; auto (train): a quarter of "
                 "the largest stable one, 1 / (16 gamma_1) with gamma_1 of the initial "
                 "features, or, where the loss says only how modes grow, that with which "
                 "the first amplitude grows by a quarter in a step; times (1 - mu) / "
                 "(1 + mu) with momentum mu"),
    ES_DOUBLE(es_optim_params, lr_1d, "1", 0, ES_INF, "optim.lr",
              "learning rate of 1-D tensors (biases, gains), in units of optim.lr"),
    ES_DOUBLE(es_optim_params, momentum, "0", 0, 1, "1", "momentum, less than 1"),
    ES_DOUBLE(es_optim_params, weight_decay, "0", 0, ES_INF, "1",
              "weight decay, added to the gradient (adamw: to the step)"),
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

size_t es_optim_sections(es_section *s, size_t max) {
  static const char *const name[] = {
#define ES_OPTIM(n) "optim." #n,
#include "optim_list.h"
#undef ES_OPTIM
  };
  size_t n = 0;
  if (n < max)
    s[n++] = (es_section){.name = "optim", .table = es_optim_table, .doc = "optimiser"};
  for (size_t i = 0; i < sizeof name / sizeof name[0] && n < max; i++)
    if (optimisers[i]->params != NULL)
      s[n++] = (es_section){
          .name = name[i], .table = optimisers[i]->params, .doc = optimisers[i]->doc};
  return n;
}

es_status es_optim_find(const es_optim_params *par, const es_optim_ops **ops) {
  const void *found;
  ES_TRY(es_registry_find("optimiser", par->name, (const void *const *) optimisers,
                          sizeof optimisers / sizeof optimisers[0], &found));
  ES_CHECK(!par->nesterov || par->momentum > 0, ES_ECONFIG,
           "optim.nesterov: got true with optim.momentum = %g, expected a momentum > 0",
           par->momentum);
  ES_CHECK(
      par->momentum < 1, ES_ECONFIG,
      "optim.momentum: got %g, expected less than 1: updates would grow without bound",
      par->momentum);
  const es_optim_ops *const o = found;
  ES_CHECK(o->momentum || (par->momentum == 0 && !par->nesterov), ES_ECONFIG,
           "optim.momentum: got %g%s, which optim.name = %s does not have", par->momentum,
           par->nesterov ? " and optim.nesterov" : "", o->name);
  *ops = o;
  return ES_OK;
}

int es_optim_moments(const es_optim_params *par, const es_optim_ops *ops) {
  const bool none = ops->momentum && par->momentum == 0 && ops->finish == NULL;
  return none ? 0 : ops->moments;
}

/** Elements of o->partial: at least the one of es_optim_norm. */
static int sums_of(const es_optim *o) {
  const int n = o->params->n_tensors * o->ops->sums;
  return n > 0 ? n : 1;
}

/** Keep the values of the optimiser's own section, make its moments. */
static es_status prepare(es_optim *o, const void *own) {
  const es_optim_ops *const ops = o->ops;
  es_backend *const b = o->params->backend;
  if (ops->params != NULL) {
    ES_TRY(es_config_get_new(NULL, ops->name, ops->params, NULL, ops->size, &o->own));
    if (own != NULL) memcpy(o->own, own, ops->size);
  }
  void *room = NULL;
  ES_TRY(ES_NEW(o->params->n_tensors * ops->sums, &o->sum));
  ES_TRY(
      b->ops->alloc(b, (size_t) sums_of(o) * sizeof(double), "sums of tensors", &room));
  o->partial = room;
  const size_t work = ops->workspace != NULL ? ops->workspace(o->params) : 0;
  room = NULL;
  if (work > 0)
    ES_TRY(b->ops->alloc(b, work * sizeof(float), "workspace of the optimiser", &room));
  o->work = room;
  for (o->moments = 0; o->moments < es_optim_moments(&o->par, ops); o->moments++) {
    void *p;
    ES_TRY(b->ops->alloc(b, (size_t) o->params->n * sizeof(float), "moments", &p));
    o->moment[o->moments] = p;
  }
  return ES_OK;
}

es_status es_optim_create(const es_optim_params *par, const void *own, es_params *params,
                          es_optim **o) {
  const es_optim_ops *ops;
  ES_TRY(es_optim_find(par, &ops));
  es_optim *q;
  ES_TRY(ES_NEW(1, &q));
  q->ops = ops;
  q->par = *par;
  q->params = params;
  const es_status st = prepare(q, own);
  if (st == ES_OK)
    *o = q;
  else
    es_optim_destroy(&q);
  return st;
}

void es_optim_destroy(es_optim **o) {
  if (*o == NULL) return;
  es_backend *const b = (*o)->params->backend;
  for (int i = 0; i < 2; i++) {
    void *p = (*o)->moment[i];
    if (p != NULL && (*o)->shared[i] == NULL) b->ops->release(b, &p);
    es_shared_destroy(&(*o)->shared[i]);
  }
  void *partial = (*o)->partial;
  if (partial != NULL) b->ops->release(b, &partial);
  void *work = (*o)->work;
  if (work != NULL) b->ops->release(b, &work);
  es_free(&(*o)->sum);
  es_free(&(*o)->own);
  es_free(o);
}

bool es_optim_next(const es_optim *o, es_range in, es_optim_split split,
                   es_optim_run *r) {
  const es_params *const p = o->params;
  r->count = 0;
  for (; r->next < p->n_tensors; r->next++) {
    const es_tensor_info *const v = &p->tensor[r->next];
    const int64_t begin = v->offset > in.first ? v->offset : in.first;
    const int64_t end = v->offset + v->count, last = in.first + in.count;
    const int64_t count = (end < last ? end : last) - begin;
    if (v->state || count <= 0) continue;
    const bool alike =
        split == ES_SPLIT_NONE || (split == ES_SPLIT_KIND && v->excluded == r->excluded);
    if (r->count > 0 && !alike) return true;
    if (r->count == 0) {
      r->first = (size_t) begin;
      r->excluded = v->excluded;
      r->tensor = r->next;
    }
    r->count += (size_t) count;
  }
  return r->count > 0;
}

es_buf es_optim_moment(const es_optim *o, int i, const es_optim_run *r) {
  return i < o->moments ? o->moment[i] + r->first : NULL;
}

double es_optim_rate(const es_optim *o, const es_optim_run *r, double lr) {
  return r->excluded ? lr * o->par.lr_1d : lr;
}

/** Sums of whole tensors, into o->sum; gg: the sum of those of the gradient's squares. */
static es_status gather(es_optim *o, const es_partition *d, double *gg) {
  es_backend *const b = o->params->backend;
  const int width = o->ops->sums, n = o->params->n_tensors * width;
  ES_TRY(b->ops->zero(b, o->partial, (size_t) n * sizeof(double)));
  for (int i = 0; i < d->n; i++) ES_TRY(o->ops->gather(o, d->range[i]));
  ES_TRY(b->ops->download64(b, o->sum, o->partial, (size_t) n));
  es_partition_sum(d, o->sum, n);
  *gg = 0;
  for (int i = width - 1; i < n; i += width) *gg += o->sum[i];
  return ES_OK;
}

/** Of an optimiser that needs no sums. */
static es_status square(const es_optim *o, const es_partition *d, double *gg) {
  const es_params *const p = o->params;
  es_backend *const b = p->backend;
  ES_TRY(b->ops->zero(b, o->partial, sizeof *gg));
  for (int i = 0; i < d->n; i++) {
    const es_buf g = p->grad + d->range[i].first;
    ES_TRY(b->ops->dot(b, (size_t) d->range[i].count, g, g, o->partial));
  }
  ES_TRY(b->ops->download64(b, gg, o->partial, 1));
  es_partition_sum(d, gg, 1);
  return ES_OK;
}

es_status es_optim_norm(es_optim *o, const es_partition *d, double *norm) {
  double gg = 0;
  ES_TRY(o->ops->sums > 0 ? gather(o, d, &gg) : square(o, d, &gg));
  *norm = sqrt(gg);
  return ES_OK;
}

void es_optim_share(es_optim *o, es_shared *const *moment) {
  const es_comm *const c = o->params->shared.comm;
  es_backend *const b = o->params->backend;
  const size_t bytes = (size_t) o->params->n * sizeof(float);
  for (int i = 0; i < o->moments; i++) {
    void *old = o->moment[i];
    o->shared[i] = moment[i];
    if (c->node_rank == 0) memcpy(moment[i]->part[0], old, bytes);
    es_comm_barrier(c);
    o->moment[i] = moment[i]->part[0];
    b->ops->release(b, &old);
  }
}

/** Range *i and those that continue it downwards; *i is the next. A tensor is whole then,
 *  unless another rank has a part of it. */
static es_range joined(const es_partition *d, int *i) {
  es_range all = d->range[(*i)++];
  for (; *i < d->n; (*i)++) {
    const es_range next = d->range[*i];
    if (next.first + next.count != all.first) break;
    all = (es_range){next.first, next.count + all.count};
  }
  return all;
}

es_status es_optim_update_part(es_optim *o, double lr, const es_partition *d) {
  o->params->version++;
  for (int i = 0; i < d->n;) ES_TRY(o->ops->update(o, lr, joined(d, &i)));
  if (o->ops->finish != NULL) {
    const es_comm *const c = o->params->shared.comm;
    if (c != NULL) es_comm_barrier(c);
    ES_TRY(o->ops->finish(o, lr));
  }
  o->steps++;
  return ES_OK;
}

es_status es_optim_update(es_optim *o, double lr) {
  const es_range all = {0, o->params->n};
  const es_partition whole = {.n = 1, .range = &all};
  double norm;
  if (o->ops->sums > 0) ES_TRY(es_optim_norm(o, &whole, &norm));
  return es_optim_update_part(o, lr, &whole);
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
  for (int i = 0; i < o->moments; i++) ES_TRY(visit_moment(o, i, v));
  es_item item = {.name = "optim/steps",
                  .type = ES_ITEM_I64,
                  .ndim = 1,
                  .dim = {1},
                  .data = &o->steps};
  return v->item(v, &item);
}
