/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss.c  The losses known, and the part all of them share.
 *  Order of calls: create -> eval ... -> destroy. */
#include "eigenstep/loss.h"

#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "symmetric.h"

static const char name_doc[] = "self-supervised loss, one of:"
#define ES_LOSS(n) " " #n
#include "loss_list.h"
#undef ES_LOSS
    ;

const es_param es_loss_table[] = {ES_STRING(es_loss_params, name, "barlow", name_doc),
                                  ES_PARAM_END};

#define ES_LOSS(n) extern const es_loss_ops es_loss_##n;
#include "loss_list.h"
#undef ES_LOSS

static const es_loss_ops *const losses[] = {
#define ES_LOSS(n) &es_loss_##n,
#include "loss_list.h"
#undef ES_LOSS
};

size_t es_loss_list(const es_loss_ops *const **list) {
  *list = losses;
  return sizeof losses / sizeof losses[0];
}

size_t es_loss_sections(es_section *s, size_t max) {
  static const char *const name[] = {
#define ES_LOSS(n) "loss." #n,
#include "loss_list.h"
#undef ES_LOSS
  };
  size_t n = 0;
  if (n < max)
    s[n++] = (es_section){
        .name = "loss", .table = es_loss_table, .doc = "self-supervised loss"};
  for (size_t i = 0; i < sizeof name / sizeof name[0] && n < max; i++)
    s[n++] =
        (es_section){.name = name[i], .table = losses[i]->params, .doc = losses[i]->doc};
  return n;
}

es_status es_loss_find(const char *name, const es_loss_ops **ops) {
  const void *found = NULL;
  ES_TRY(es_registry_find("loss", name, (const void *const *) losses,
                          sizeof losses / sizeof losses[0], &found));
  *ops = found;
  return ES_OK;
}

/** Keep and check the values, make the workspace. */
static es_status prepare(es_loss *l, const void *par, int64_t pairs, int64_t all) {
  const es_loss_ops *const ops = l->ops;
  ES_TRY(es_config_get_new(NULL, ops->name, ops->params, NULL, ops->size, &l->par));
  if (par != NULL) memcpy(l->par, par, ops->size);
  if (ops->check != NULL) ES_TRY(ops->check(l->par, pairs, l->dim));
  if (ops->workspace == NULL) return ES_OK;
  const size_t bytes = ops->workspace(l->par, l->n_max, all, l->dim);
  void *work;
  ES_TRY(es_alloc(bytes, "workspace of the loss", &work));
  l->work = work;
  return ES_OK;
}

static es_gram_size gram_size(const es_loss_ops *ops, int n_max, int dim) {
  return (es_gram_size){.n_max = n_max,
                        .dim = dim,
                        .matrices = ops->matrices,
                        .work = ops->eigen ? es_symmetric_work(dim) : 0};
}

es_status es_loss_create(const es_loss_choice *which, const es_loss_size *size,
                         const es_comm *comm, es_loss **l) {
  es_loss *q = NULL;
  es_status st;
  int64_t all = size->n_max > 0 ? size->n_max : 0;
  const es_comm *const decide = size->replicas != NULL ? size->replicas : comm;
  es_comm_sum_i64(comm, &all, 1);
  ES_CHECK_GOTO(size->n_max >= 0 && size->dim >= 1, ES_EARG, agreed,
                "loss: got %d pairs of width %d, expected >= 0 pairs of width >= 1",
                size->n_max, size->dim);
  ES_TRY_GOTO(ES_NEW(1, &q), agreed);
  q->ops = which->ops;
  q->comm = comm;
  q->decide = decide;
  q->n_max = size->n_max;
  q->dim = size->dim;
  q->seed = size->seed;
  st = prepare(q, which->par, size->pairs, all);
agreed:
  st = es_comm_agree(decide, st);
  if (st == ES_OK && q->ops->matrices > 0) {
    const es_gram_size matrices = gram_size(q->ops, q->n_max, q->dim);
    st = es_gram_create(comm, decide, &matrices, &q->gram);
  }
  if (st == ES_OK)
    *l = q;
  else
    es_loss_destroy(&q);
  return st;
}

double es_loss_bytes(const es_loss_choice *which, const es_loss_size *size, int64_t all,
                     int node) {
  const es_loss_ops *const ops = which->ops;
  const es_gram_size matrices = gram_size(ops, size->n_max, size->dim);
  double bytes = ops->matrices > 0 ? es_gram_bytes(&matrices, node) : 0;
  if (ops->workspace != NULL)
    bytes += (double) ops->workspace(which->par, size->n_max, all, size->dim);
  return bytes;
}

double es_loss_shared(const es_loss_choice *which, const es_loss_size *size, int node) {
  const es_gram_size matrices = gram_size(which->ops, size->n_max, size->dim);
  return which->ops->matrices > 0 ? es_gram_shared(&matrices, node) : 0;
}

es_loss_exchange es_loss_exchange_of(const es_loss_choice *which,
                                     const es_loss_size *size) {
  return which->ops->exchange(which->par, size->pairs, size->dim);
}

void es_loss_destroy(es_loss **l) {
  if (*l == NULL) return;
  es_gram_destroy(&(*l)->gram);
  es_free(&(*l)->work);
  es_free(&(*l)->par);
  es_free(l);
}

es_status es_loss_visit(es_loss *l, es_visitor *v) {
  return l->ops->visit != NULL ? l->ops->visit(l, v) : ES_OK;
}

es_loss_modes es_loss_modes_with(const es_loss_choice *which, int dim) {
  es_loss_modes m = {.rate = 2, .settled = 1};
  if (which->ops->modes != NULL) which->ops->modes(which->par, dim, &m);
  return m;
}

es_loss_modes es_loss_modes_of(const es_loss *l) {
  return es_loss_modes_with(&(es_loss_choice){l->ops, l->par}, l->dim);
}

es_status es_loss_eval(es_loss *l, const es_loss_batch *b, double *value) {
  es_status st = ES_OK;
  ES_CHECK_GOTO(b->n >= 0 && b->n <= l->n_max, ES_EARG, agreed,
                "loss: got %d pairs, expected at most %d", b->n, l->n_max);
  ES_CHECK_GOTO((b->dz[0] == NULL) == (b->dz[1] == NULL), ES_EARG, agreed,
                "loss: got a gradient of one view, expected both or none");
agreed:
  ES_TRY(es_comm_agree(l->decide, st));
  return l->ops->eval(l, b, value);
}
