/* SPDX-License-Identifier: BSD-3-Clause */
/** @file usefulness.c  What a classifier can tell from some of the modes. */
#include <string.h>
#include "eigenstep/label_data.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/rng.h"
#include "last_step.h"

/* Coordinates of the bank and of the test records in the learned modes. */
typedef struct records {
  const es_study_state *state;
  const es_study_learned *learned;
  es_labelled set[2];
  double *u; /* [rows of a chunk, modes] */
} records;

/* What rows of a chunk are added to. */
typedef struct target {
  records *r;
  es_labelled *set;
} target;

static es_status add_rows(void *ctx, const es_probe_rows *rows) {
  const target *const t = ctx;
  es_labelled *const set = t->set;
  const es_study_learned *const l = t->r->learned;
  const es_study_frame frame = {l->d, l->modes, t->r->state->last->mean, l->w};
  es_study_project(&frame, rows->n, rows->value[0], t->r->u);
  for (int i = 0; i < rows->n; i++) {
    const int label = rows->batch->label[i];
    ES_CHECK(label >= 0 && label < set->classes, ES_EFORMAT,
             "modes.accuracy: record %lld has no label, expected one of %d classes; set "
             "modes.accuracy=none",
             (long long) rows->batch->id[i], set->classes);
    for (int k = 0; k < l->modes; k++)
      set->x[set->n * l->modes + k] = (float) t->r->u[i * l->modes + k];
    set->label[set->n] = label;
    set->id[set->n++] = rows->first + i;
  }
  return ES_OK;
}

/* Collective. All records of a loader. */
static es_status read_set(records *r, es_loader *loader, int64_t total,
                          const es_accuracy_source *from, es_labelled *set) {
  const es_study_state *const s = r->state;
  const es_probe_request request = {
      .mode = s->held_out->mode, .value = s->value, .views = 1};
  const es_probe_data_options o = {.layout = es_row_layout_distributed(s->comm),
                                   .net = s->held_out->net,
                                   .loader = loader,
                                   .records = total,
                                   .chunk = from->chunk,
                                   .views = 1,
                                   .groups = 1,
                                   .micro = s->held_out->points.most / 2};
  es_probe_data *data = NULL;
  target t = {r, set};
  *set =
      (es_labelled){.total = total, .dim = r->learned->modes, .classes = from->classes};
  es_status st = es_probe_data_create(&o, &data);
  const int64_t room = st == ES_OK ? es_probe_data_rows(data) : 0;
  if (st == ES_OK) st = ES_NEW(room * set->dim, &set->x);
  if (st == ES_OK) st = ES_NEW(room, &set->label);
  if (st == ES_OK) st = ES_NEW(room, &set->id);
  if (st == ES_OK) st = ES_NEW((int64_t) es_loader_max(loader) * set->dim, &r->u);
  st = es_comm_agree(s->comm, st);
  if (st == ES_OK) st = es_probe_data_each(data, &request, add_rows, &t);
  es_free(&r->u);
  es_probe_data_destroy(&data);
  return st;
}

static void free_set(es_labelled *set) {
  es_free(&set->x);
  es_free(&set->label);
  es_free(&set->id);
}

/* A set with n of the modes. */
static es_status select_modes(const es_labelled *from, int n, const int *mode,
                              es_labelled *to) {
  *to = *from;
  to->dim = n;
  to->x = NULL;
  ES_TRY(ES_NEW(from->n * n, &to->x));
  for (int64_t i = 0; i < from->n; i++)
    for (int k = 0; k < n; k++) to->x[i * n + k] = from->x[i * from->dim + mode[k]];
  return ES_OK;
}

/* Collective. Accuracy by n of the modes. */
static es_status eval(const records *r, const es_accuracy_choice *by, int n,
                      const int *mode, double *accuracy) {
  es_labelled part[2] = {{.x = NULL}, {.x = NULL}};
  es_status st = select_modes(&r->set[0], n, mode, &part[0]);
  if (st == ES_OK) st = select_modes(&r->set[1], n, mode, &part[1]);
  st = es_comm_agree(r->state->comm, st);
  if (st == ES_OK)
    st = by->ops[0]->eval(r->state->comm, by->par[0], &part[0], &part[1], accuracy);
  es_free(&part[0].x);
  es_free(&part[1].x);
  return st;
}

/* The first, the last k modes, mode k; k of them at random, for draw >= 0. */
static int choose(int sort, int modes, int k, int draw, int *mode) {
  for (int i = 0; i < k; i++)
    mode[i] = sort == ES_LAST_K     ? modes - k + i
              : sort == ES_RANDOM_K ? (int) es_permute((uint64_t) draw, (uint64_t) k,
                                                       (uint64_t) modes, (uint64_t) i)
                                    : i;
  if (sort != ES_ALONE) return k;
  mode[0] = k - 1;
  return 1;
}

/* Collective. All accuracies; mode [modes]: workspace. */
static es_status eval_all(const records *r, const es_accuracy_choice *by, int draws,
                          int *mode, es_study_usefulness *u) {
  const int modes = r->learned->modes;
  for (int sort = 0; sort < ES_MODE_SETS; sort++)
    for (int k = 1; k <= modes; k++) {
      ES_TRY(es_stop_between(r->state->stop, r->state->comm, "the next classifier"));
      const int times = sort == ES_RANDOM_K && k < modes ? draws : 1;
      double *const mean = u->accuracy + sort * modes + k - 1, value;
      for (int draw = 0; draw < times; draw++) {
        const int n = choose(sort, modes, k, draw, mode);
        ES_TRY(eval(r, by, n, mode, &value));
        *mean += value / times;
      }
      es_progress_at(sort * modes + k, ES_MODE_SETS * modes);
    }
  return ES_OK;
}

/* Collective. Share of the most frequent class among the test records. */
static es_status measure_chance(const es_comm *c, const es_labelled *set, double *share) {
  int64_t *count = NULL, most = 0;
  ES_TRY(ES_COMM_NEW(c, set->classes, &count));
  for (int64_t i = 0; i < set->n; i++) count[set->label[i]]++;
  es_comm_sum_i64(c, count, set->classes);
  for (int k = 0; k < set->classes; k++) most = count[k] > most ? count[k] : most;
  *share = (double) most / (double) set->total;
  es_free(&count);
  return ES_OK;
}

/* Collective. With the labelled records open. */
static es_status classify(records *r, const es_label_data *data,
                          const es_accuracy_choice *by, int draws,
                          es_study_usefulness *u) {
  const es_accuracy_source *const from = &data->source;
  const int modes = r->learned->modes;
  int *mode = NULL;
  es_progress_begin("modes of %lld records", (long long) (from->bank + from->test));
  es_status st = read_set(r, data->loader[0], from->bank, from, &r->set[0]);
  if (st == ES_OK) st = read_set(r, data->loader[1], from->test, from, &r->set[1]);
  es_progress_end();
  ES_TRY(st);
  st = ES_NEW(ES_MODE_SETS * modes, &u->accuracy);
  if (st == ES_OK) st = ES_NEW(modes, &mode);
  st = es_comm_agree(r->state->comm, st);
  if (st == ES_OK) st = measure_chance(r->state->comm, &r->set[1], &u->chance);
  es_progress_begin("%s of modes", by->ops[0]->doc);
  if (st == ES_OK) st = eval_all(r, by, draws, mode, u);
  es_progress_end();
  es_free(&mode);
  return st;
}

/* Settings of the run with another classifier; borrowed, both. */
static es_settings settings_with(const es_held_out *h, const es_accuracy_choice *by) {
  es_settings with = h->run->settings;
  with.selected.accuracy = *by;
  return with;
}

es_status es_study_find_classes(const es_comm *c, const es_held_out *h,
                                const es_accuracy_choice *by, bool *found) {
  const es_settings with = settings_with(h, by);
  es_label_data data = {.wanted = false};
  *found = false;
  if (by->n == 0) return ES_OK;
  ES_TRY(es_label_data_exist(c, &with, h->run->parts, found));
  if (!*found) {
    es_warn("modes.accuracy: the data have no classes, or not for training and held-out "
            "records both; how useful modes are is not measured");
    return ES_OK;
  }
  const es_status st = es_label_data_open(c, &with, h->run->parts, &data);
  es_label_data_close(&data);
  return st;
}

es_status es_study_classify(const es_study_state *s, const es_study_learned *l,
                            const es_accuracy_choice *by, int draws,
                            es_study_usefulness *u) {
  const es_settings with = settings_with(s->held_out, by);
  es_label_data data = {.wanted = false};
  records r = {.state = s, .learned = l};
  ES_TRY(es_label_data_open(s->comm, &with, s->held_out->run->parts, &data));
  const es_status st = classify(&r, &data, by, draws, u);
  free_set(&r.set[0]);
  free_set(&r.set[1]);
  es_label_data_close(&data);
  return st;
}
