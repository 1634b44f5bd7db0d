/* SPDX-License-Identifier: BSD-3-Clause */
/** @file replicas.c  Do all ranks hold the same model? Weights, moments and the rest of
 *  the state are replicated and updated by each rank or node, so that a difference, once
 *  there, grows unseen: it is looked for after the first step of a run instead of when
 *  the first checkpoint is written. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "train_private.h"

typedef struct entry {
  char name[ES_NAME_MAX + 8];
  int64_t hash;
} entry;

typedef struct inventory {
  const es_train *train;
  entry *item; /* owned [room] */
  int n, room;
} inventory;

/* Running averages of ranks that take statistics alone differ until they are averaged. */
static bool is_local(const es_train *t, const char *name) {
  const es_params *const p = es_net_params(t->passes.o.net);
  const char *const tensor = strncmp(name, "model/", 6) == 0 ? name + 6 : name;
  const int at = t->local_bn ? es_params_find(p, tensor) : -1;
  return at >= 0 && p->tensor[at].state;
}

static es_status add(es_visitor *v, es_item *item) {
  inventory *const all = v->ctx;
  if (is_local(all->train, item->name)) return ES_OK;
  if (all->n == all->room) {
    entry *more = NULL;
    const int room = 2 * all->room + 64;
    ES_TRY(ES_NEW(room, &more));
    if (all->n > 0) memcpy(more, all->item, (size_t) all->n * sizeof *more);
    es_free(&all->item);
    all->item = more;
    all->room = room;
  }
  entry *const e = &all->item[all->n++];
  snprintf(e->name, sizeof e->name, "%s", item->name);
  e->hash = es_item_hash(item);
  return ES_OK;
}

es_status es_train_compare(es_train *t) {
  const es_comm *const c = t->layout.comm;
  inventory all = {.train = t};
  es_visitor v = {.item = add, .ctx = &all};
  if (c->size == 1) return ES_OK;
  es_status st = es_comm_agree(c, es_train_visit(t, &v));
  if (st == ES_OK)
    st = es_comm_assert_equal(c, &all.n, sizeof all.n, "parts of the state");
  for (int i = 0; i < all.n && st == ES_OK; i++) {
    char what[ES_NAME_MAX + 64];
    snprintf(what, sizeof what, "state after step %lld, %s", (long long) t->done.steps,
             all.item[i].name);
    st = es_comm_assert_equal(c, &all.item[i].hash, sizeof all.item[i].hash, what);
  }
  es_free(&all.item);
  return st;
}
