/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy.c  Section [accuracy]: features of the bank and of the held-out
 *  records, and the accuracies measured on them. */
#include "eigenstep/accuracy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/registry.h"
#include "label_index.h"

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
    "classifiers whose accuracy on the frozen features is measured, any of:"
#define ES_ACCURACY(n) " " #n
#include "accuracy_list.h"
#undef ES_ACCURACY
    "; or none";

const es_param es_accuracy_table[] = {
    ES_STRING(es_accuracy_params, list, "none", list_doc),
    ES_STRING(
        es_accuracy_params, every, "",
        "steps between measurements, written as spectrum.every is; empty: with each "
        "snapshot; the first and last state are always measured"),
    ES_INT(es_accuracy_params, bank, "4096", 1, 1e9, "records",
           "labelled training records that classifiers learn from, or all if there are "
           "fewer"),
    ES_INT(es_accuracy_params, test, "1024", 1, 1e9, "records",
           "held-out records that are classified, or all if there are fewer"),
    ES_PARAM_END};

struct es_accuracy {
  const es_comm *comm; /* borrowed, as are the loaders of the source and the next */
  es_traj *traj;
  es_accuracy_source source;
  es_accuracy_choice which; /* its values are borrowed */
  int series[ES_ACCURACY_MAX];
  double value[ES_ACCURACY_MAX];
  es_probe_data *bank_data, *test_data; /* owned */
  es_labelled bank, test;
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
                          .doc = "accuracy of classifiers on the frozen features"};
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

/* Reads the features of a loader's records, and room for this rank's part of them. */
static es_status make_set(const es_accuracy *a, es_loader *loader, int64_t total,
                          es_probe_data **data, es_labelled *set) {
  const es_accuracy_source *const s = &a->source;
  const es_probe_data_options o = {.layout = es_row_layout_distributed(a->comm),
                                   .net = s->net,
                                   .loader = loader,
                                   .records = total,
                                   .chunk = s->chunk,
                                   .views = 1,
                                   .groups = 1,
                                   .micro = s->micro};
  ES_TRY(es_probe_data_create(&o, data));
  const int dim = es_probe_data_width(*data, s->features);
  const int64_t room = es_probe_data_rows(*data);
  *set = (es_labelled){.total = total, .dim = dim, .classes = s->classes};
  ES_TRY(ES_NEW(room * dim, &set->x));
  ES_TRY(ES_NEW(room, &set->label));
  return ES_NEW(room, &set->id);
}

static es_status prepare(es_accuracy *a) {
  const es_accuracy_source *const s = &a->source;
  for (int k = 0; k < a->which.n; k++) a->value[k] = NAN;
  ES_TRY(make_set(a, s->bank_loader, s->bank, &a->bank_data, &a->bank));
  return make_set(a, s->test_loader, s->test, &a->test_data, &a->test);
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
  es_probe_data_destroy(&(*a)->bank_data);
  es_probe_data_destroy(&(*a)->test_data);
  es_free(a);
}

/* What features of a chunk are added to. */
typedef struct target {
  const es_accuracy *a;
  es_labelled *set;
} target;

static es_status add_rows(void *ctx, const es_probe_rows *rows) {
  const target *const t = ctx;
  es_labelled *const set = t->set;
  const es_batch *const b = rows->batch;
  for (int i = 0; i < rows->n; i++) {
    ES_CHECK(
        b->label[i] >= 0 && b->label[i] < set->classes, ES_EFORMAT,
        "accuracy.list: record %lld of data set '%s' has no label, expected one of %d "
        "classes",
        (long long) b->id[i], t->a->source.data_name, set->classes);
    const double *const from = rows->value[0] + (size_t) i * (size_t) set->dim;
    float *const to = set->x + set->n * set->dim;
    for (int j = 0; j < set->dim; j++) to[j] = (float) from[j];
    set->label[set->n] = b->label[i];
    set->id[set->n++] = rows->first + i;
  }
  return ES_OK;
}

/* Collective. Features of the first view of each record. */
static es_status read_features(const es_accuracy *a, es_probe_data *data,
                               es_labelled *set) {
  const es_probe_request features = {
      .mode = ES_BN_RUNNING, .value = a->source.features, .views = 1};
  target t = {a, set};
  set->n = 0;
  set->classes = a->source.classes;
  return es_probe_data_each(data, &features, add_rows, &t);
}

es_status es_accuracy_measure(es_accuracy *a, int64_t step, double time) {
  es_progress_begin("features of %lld records for accuracies at step %lld",
                    (long long) es_probe_data_records(a->bank_data), (long long) step);
  ES_TRY(read_features(a, a->bank_data, &a->bank));
  ES_TRY(read_features(a, a->test_data, &a->test));
  es_progress_end();
  const es_label_list bank = {a->bank.label, a->bank.n};
  const es_label_list test = {a->test.label, a->test.n};
  ES_TRY(es_labels_compact(a->comm, a->bank.total, &bank, &test, &a->bank.classes));
  a->test.classes = a->bank.classes;
  for (int k = 0; k < a->which.n; k++) {
    es_progress_begin("%s at step %lld", a->which.ops[k]->doc, (long long) step);
    ES_TRY(a->which.ops[k]->eval(a->comm, a->which.par[k], &a->bank, &a->test,
                                 &a->value[k]));
    es_progress_end();
    ES_TRY(es_traj_append(a->traj, a->series[k], step, time, &a->value[k]));
  }
  return ES_OK;
}

es_status es_accuracy_cadence(const es_accuracy_params *p, const es_cadence *snapshots,
                              es_cadence *c) {
  if (p->every[0] != '\0') return es_cadence_parse(p->every, "accuracy.every", c);
  *c = *snapshots;
  return ES_OK;
}

bool es_accuracy_owns(const es_accuracy *a, int series) {
  for (int k = 0; a != NULL && k < a->which.n; k++)
    if (a->series[k] == series) return true;
  return false;
}

double es_accuracy_value(const es_accuracy *a, const char *name) {
  for (int k = 0; a != NULL && k < a->which.n; k++)
    if (strcmp(a->which.ops[k]->name, name) == 0) return a->value[k];
  return NAN;
}
