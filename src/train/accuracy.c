/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy.c  Section [accuracy]: features of the bank and of the held-out
 *  records, and the accuracies measured on them. */
#include "eigenstep/accuracy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

#define ES_ACCURACY(n) extern const es_accuracy_ops es_accuracy_##n;
#include "accuracy_list.h"
#undef ES_ACCURACY

static const es_accuracy_ops *const kinds[] = {
#define ES_ACCURACY(n) &es_accuracy_##n,
#include "accuracy_list.h"
#undef ES_ACCURACY
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char list_doc[] =
    "what reads labels off the frozen features at each snapshot, any of:"
#define ES_ACCURACY(n) " " #n
#include "accuracy_list.h"
#undef ES_ACCURACY
    "; none: nothing";

const es_param es_accuracy_table[] = {
    ES_STRING(es_accuracy_params, list, "none", list_doc),
    ES_INT(es_accuracy_params, bank, "4096", 1, 1e9, "records",
           "labelled training records whose features are the bank; fewer if there are"),
    ES_INT(es_accuracy_params, test, "1024", 1, 1e9, "records",
           "held-out records whose labels are told; fewer if there are"),
    ES_PARAM_END};

struct es_accuracy {
  const es_comm *comm; /* borrowed, as are the loaders of the source and the next */
  es_traj *traj;
  es_accuracy_source source;
  es_accuracy_choice which; /* its values are borrowed */
  int series[ES_ACCURACY_MAX];
  double value[ES_ACCURACY_MAX];
  es_labelled bank, test;
  float *chunk; /* [rows of a forward, dim] owned */
};

size_t es_accuracy_list(const es_accuracy_ops *const **list) {
  *list = kinds;
  return KINDS;
}

size_t es_accuracy_sections(es_section *s, size_t max) {
  static const char *const name[] = {
#define ES_ACCURACY(n) "accuracy." #n,
#include "accuracy_list.h"
#undef ES_ACCURACY
  };
  size_t n = 0;
  if (n < max)
    s[n++] = (es_section){.name = "accuracy",
                          .table = es_accuracy_table,
                          .doc = "accuracy of labels read off the features"};
  for (size_t i = 0; i < KINDS && n < max; i++)
    s[n++] =
        (es_section){.name = name[i], .table = kinds[i]->params, .doc = kinds[i]->doc};
  return n;
}

_Static_assert((int) KINDS <= (int) ES_ACCURACY_MAX,
               "room in es_accuracy_choice for all variants");

es_status es_accuracy_find(const char *list, es_accuracy_choice *c) {
  char item[2 * KINDS][64];
  bool on[KINDS] = {false};
  size_t n = 0;
  *c = (es_accuracy_choice){0};
  ES_TRY(es_split("accuracy.list", list, 2 * KINDS, item, &n));
  for (size_t i = 0; i < n; i++) {
    const void *found;
    ES_TRY(es_registry_find("accuracy.list", item[i], (const void *const *) kinds, KINDS,
                            &found));
    for (int k = 0; k < KINDS; k++) on[k] = on[k] || kinds[k] == found;
  }
  for (int k = 0; k < KINDS; k++)
    if (on[k]) c->ops[c->n++] = kinds[k];
  return ES_OK;
}

/* Room for this rank's part of `total` records in chunks. */
static es_status make_set(const es_comm *c, const es_accuracy_source *s, int64_t total,
                          int dim, es_labelled *set) {
  int64_t lo, mine;
  es_comm_local_range(c, s->chunk, &lo, &mine);
  const int64_t room = (total + s->chunk - 1) / s->chunk * mine;
  *set = (es_labelled){.total = total, .dim = dim, .classes = s->classes};
  ES_TRY(ES_NEW(room * dim, &set->x));
  ES_TRY(ES_NEW(room, &set->label));
  return ES_NEW(room, &set->id);
}

static es_status prepare(es_accuracy *a) {
  const int dim = a->source.dim;
  int64_t lo, mine;
  for (int k = 0; k < a->which.n; k++) a->value[k] = NAN;
  es_comm_local_range(a->comm, a->source.chunk, &lo, &mine);
  ES_TRY(ES_NEW(mine * dim, &a->chunk));
  ES_TRY(make_set(a->comm, &a->source, a->source.bank, dim, &a->bank));
  return make_set(a->comm, &a->source, a->source.test, dim, &a->test);
}

static es_status declare(es_accuracy *a) {
  for (int k = 0; k < a->which.n; k++) {
    const es_accuracy_ops *const ops = a->which.ops[k];
    char path[96];
    snprintf(path, sizeof path, "/metrics/%s_accuracy", ops->name);
    const es_traj_field f = ES_TRAJ_SCALAR("value", "1", ops->doc);
    ES_TRY(es_traj_declare(a->traj, path, ops->doc, &f, 1, &a->series[k]));
  }
  return ES_OK;
}

es_status es_accuracy_create(const es_comm *c, const es_accuracy_choice *which,
                             const es_accuracy_source *s, es_traj *traj,
                             es_accuracy **out) {
  es_accuracy *a = NULL;
  es_status st = ES_NEW(1, &a);
  if (st == ES_OK) {
    a->comm = c;
    a->traj = traj;
    a->source = *s;
    a->which = *which;
    st = prepare(a);
  }
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = declare(a);
  if (st == ES_OK)
    *out = a;
  else
    es_accuracy_destroy(&a);
  return st;
}

static void free_set(es_labelled *set) {
  es_free(&set->x);
  es_free(&set->label);
  es_free(&set->id);
}

void es_accuracy_destroy(es_accuracy **a) {
  if (*a == NULL) return;
  free_set(&(*a)->bank);
  free_set(&(*a)->test);
  es_free(&(*a)->chunk);
  es_free(a);
}

/* This rank's rows of one chunk; the last chunk may reach beyond the records wanted. */
static es_status take_rows(const es_accuracy *a, const es_batch *b, int64_t first,
                           es_labelled *set) {
  for (int i = 0; i < b->n && first + i < set->total; i++) {
    ES_CHECK(
        b->label[i] >= 0 && b->label[i] < set->classes, ES_EFORMAT,
        "accuracy.list: record %lld of data set '%s' has no label, expected one of %d "
        "classes",
        (long long) b->id[i], a->source.data_name, set->classes);
    memcpy(set->x + set->n * set->dim, a->chunk + (size_t) i * (size_t) set->dim,
           (size_t) set->dim * sizeof *set->x);
    set->label[set->n] = b->label[i];
    set->id[set->n++] = first + i;
  }
  return ES_OK;
}

/* Features of the first view of each record of a batch, as many at a time as the network
 * has room for. */
static es_status features(const es_accuracy *a, es_train *t, const es_batch *b) {
  const es_shape s = es_net_shape(t->eval_net, 0);
  const size_t image = (size_t) s.c * (size_t) s.h * (size_t) s.w;
  const size_t dim = (size_t) a->bank.dim;
  const int most = t->micro > 0 ? 2 * t->micro : b->n;
  for (int i = 0; i < b->n; i += most) {
    const int n = b->n - i < most ? b->n - i : most;
    ES_TRY(es_net_forward(t->eval_net, n, 1, ES_BN_RUNNING, b->x + (size_t) i * image,
                          t->z));
    ES_TRY(es_net_read(t->eval_net, a->source.features, a->chunk + (size_t) i * dim));
  }
  return ES_OK;
}

/* Collective. Features of a whole set: the first view of each record. */
static es_status embed(es_accuracy *a, es_train *t, es_loader *loader, es_labelled *set) {
  const int64_t chunk = a->source.chunk;
  int64_t lo, mine;
  es_comm_local_range(a->comm, chunk, &lo, &mine);
  set->n = 0;
  for (int64_t c = 0; c * chunk < set->total; c++) {
    es_batch *b = NULL;
    ES_TRY(es_comm_agree(a->comm, es_loader_get(loader, c, &b)));
    es_status st = features(a, t, b);
    if (st == ES_OK) st = take_rows(a, b, c * chunk + lo, set);
    ES_TRY(es_comm_agree(a->comm, st));
  }
  return ES_OK;
}

es_status es_accuracy_measure(es_accuracy *a, es_train *t) {
  ES_TRY(embed(a, t, a->source.bank_loader, &a->bank));
  ES_TRY(embed(a, t, a->source.test_loader, &a->test));
  for (int k = 0; k < a->which.n; k++) {
    ES_TRY(a->which.ops[k]->eval(a->comm, a->which.par[k], &a->bank, &a->test,
                                 &a->value[k]));
    ES_TRY(es_traj_append(a->traj, a->series[k], t->step, t->time, &a->value[k]));
  }
  return ES_OK;
}

double es_accuracy_value(const es_accuracy *a, const char *name) {
  for (int k = 0; a != NULL && k < a->which.n; k++)
    if (strcmp(a->which.ops[k]->name, name) == 0) return a->value[k];
  return NAN;
}
