/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss.c  The losses known, and the part all of them share.
 *  Order of calls: create -> eval ... -> destroy. */
#include "eigenstep/loss.h"

#include <stdio.h>

#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

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

/** Read and check the parameters, make the workspace. */
static es_status prepare(es_loss *l, es_config *cfg, int64_t pairs, int64_t all) {
  char section[64];
  snprintf(section, sizeof section, "loss.%s", l->ops->name);
  ES_TRY(es_alloc(l->ops->size, section, &l->par));
  ES_TRY(es_config_get(cfg, section, l->ops->params, NULL, l->ops->size, l->par));
  if (l->ops->check != NULL) ES_TRY(l->ops->check(l->par, pairs, l->dim));
  if (l->ops->workspace == NULL) return ES_OK;
  const size_t bytes = l->ops->workspace(l->par, l->n_max, all, l->dim);
  void *work;
  ES_TRY(es_alloc(bytes, "workspace of the loss", &work));
  l->work = work;
  return ES_OK;
}

es_status es_loss_create(es_config *cfg, const char *name, const es_comm *comm, int n_max,
                         int64_t pairs, int dim, es_loss **l) {
  const void *found = NULL;
  es_loss *q = NULL;
  es_status st;
  int64_t all = n_max > 0 ? n_max : 0;
  es_comm_sum_i64(comm, &all, 1);
  ES_TRY_GOTO(es_registry_find("loss", name, (const void *const *) losses,
                               sizeof losses / sizeof losses[0], &found),
              agreed);
  ES_CHECK_GOTO(n_max >= 0 && dim >= 1, ES_EARG, agreed,
                "got %d pairs of width %d, expected >= 0 pairs of width >= 1", n_max,
                dim);
  ES_TRY_GOTO(ES_NEW(1, &q), agreed);
  q->ops = found;
  q->comm = comm;
  q->n_max = n_max;
  q->dim = dim;
  st = prepare(q, cfg, pairs, all);
agreed:
  st = es_comm_agree(comm, st);
  if (st == ES_OK)
    *l = q;
  else
    es_loss_destroy(&q);
  return st;
}

es_status es_loss_bytes(es_config *cfg, const char *name, int n_max, int64_t all, int dim,
                        size_t *bytes) {
  const void *found = NULL;
  void *par = NULL;
  char section[64];
  ES_TRY(es_registry_find("loss", name, (const void *const *) losses,
                          sizeof losses / sizeof losses[0], &found));
  const es_loss_ops *const ops = found;
  snprintf(section, sizeof section, "loss.%s", ops->name);
  ES_TRY(es_alloc(ops->size, section, &par));
  const es_status st = es_config_get(cfg, section, ops->params, NULL, ops->size, par);
  if (st == ES_OK)
    *bytes = ops->workspace != NULL ? ops->workspace(par, n_max, all, dim) : 0;
  es_free(&par);
  return st;
}

void es_loss_destroy(es_loss **l) {
  if (*l == NULL) return;
  es_free(&(*l)->work);
  es_free(&(*l)->par);
  es_free(l);
}

es_loss_growth es_loss_growth_of(const es_loss *l) {
  es_loss_growth g = {.rate = 2, .settled = 1};
  if (l->ops->growth != NULL) l->ops->growth(l->par, l->dim, &g);
  return g;
}

es_status es_loss_eval(es_loss *l, const es_loss_batch *b, double *value) {
  es_status st = ES_OK;
  ES_CHECK_GOTO(b->n >= 0 && b->n <= l->n_max, ES_EARG, agreed,
                "got %d pairs, expected at most %d", b->n, l->n_max);
  ES_CHECK_GOTO((b->dz[0] == NULL) == (b->dz[1] == NULL), ES_EARG, agreed,
                "got a gradient of one view, expected both or none");
agreed:
  ES_TRY(es_comm_agree(l->comm, st));
  return l->ops->eval(l, b, value);
}
