/* SPDX-License-Identifier: BSD-3-Clause */
/** @file label_data.c  Bank and held-out records for the accuracies of section
 *  [accuracy]. */
#include "eigenstep/label_data.h"

#include <string.h>

/* The data set of the bank: one with labels, where there is one. */
static es_status find_bank(const es_comm *c, const es_settings *s, const es_assembly *p,
                           es_label_data *set, const es_dataset **bank) {
  const es_dataset *const ds = p->input.data;
  const char *const splits = ds->ops->splits;
  *bank = ds;
  if (ds->labels == 0 && splits != NULL && strstr(splits, "train") != NULL &&
      strcmp(ds->split, "train") != 0 && strcmp(ds->split, "all") != 0) {
    es_data_params train = s->data;
    train.limit = 0;
    ES_TRY(es_dataset_open(c, &train, "train", (uint64_t) s->run.seed, &set->labelled));
    *bank = set->labelled;
  }
  return ES_OK;
}

static es_status check_labels(const es_settings *s, const es_assembly *p,
                              const es_dataset *bank) {
  ES_CHECK(
      bank->labels > 0 && es_assembly_probe_set(p)->labels > 0, ES_ECONFIG,
      "accuracy.list: got '%s', but data set '%s' has no labels%s; expected a labelled "
      "one (cifar10, stl10, a folder per class, hdf5 with /label) or accuracy.list = "
      "none",
      s->accuracy.list, s->data.name,
      bank->labels > 0 ? " in what is held out of it" : "");
  return ES_OK;
}

static es_status open_loaders(const es_comm *c, const es_augment_steps *plain,
                              const es_settings *s, const es_assembly *p,
                              es_label_data *set) {
  const es_dataset *bank = NULL;
  ES_TRY(find_bank(c, s, p, set, &bank));
  ES_TRY(check_labels(s, p, bank));
  const es_dataset *const test = es_assembly_probe_set(p);
  const bool whole = p->input.held_out != NULL; /* or else the probe's records alone */
  const int64_t train = es_assembly_training_records(p);
  const bool own = bank == p->input.data;
  es_loader_options o[2] = {
      {.record = own ? p->input.record : NULL, .count = own ? train : bank->size},
      {.first = whole || p->probe.record != NULL ? 0 : train,
       .record = whole ? NULL : p->probe.record,
       .count = whole ? test->size : p->probe.pairs}};
  const int64_t want[2] = {s->accuracy.bank, s->accuracy.test};
  int64_t taken[2];
  for (int i = 0; i < 2; i++) {
    es_shape view;
    const es_dataset *const ds = i == 0 ? bank : test;
    o[i].seed = (uint64_t) s->run.seed;
    o[i].pairs = s->batch.pairs;
    o[i].shuffle = true; /* records may be sorted by class */
    o[i].threads = (int) s->backend.threads;
    taken[i] = want[i] < o[i].count ? want[i] : o[i].count;
    ES_TRY(es_comm_agree(c, es_augment_create(plain, ds, &set->plain[i], &view)));
    ES_CHECK(view.c == p->input.view.c && view.h == p->input.view.h &&
                 view.w == p->input.view.w,
             ES_ECONFIG,
             "accuracy.list: got images of %d x %d x %d, expected %d x %d x %d", view.c,
             view.h, view.w, p->input.view.c, p->input.view.h, p->input.view.w);
    ES_TRY(es_loader_create(c, ds, set->plain[i], view, &o[i], &set->loader[i]));
  }
  set->source = (es_accuracy_source){
      .net = p->model.eval_net,
      .features = p->model.features,
      .micro = (int) s->batch.micro,
      .bank_loader = set->loader[0],
      .test_loader = set->loader[1],
      .bank = taken[0],
      .test = taken[1],
      .chunk = s->batch.pairs,
      .classes = bank->labels > test->labels ? bank->labels : test->labels,
      .data_name = s->data.name};
  return ES_OK;
}

es_status es_label_data_open(const es_comm *c, const es_settings *s, const es_assembly *p,
                             es_label_data *set) {
  es_augment_steps plain = {0};
  set->wanted = s->selected.accuracy.n > 0;
  if (!set->wanted) return ES_OK;
  es_status st = es_comm_agree(c, es_augment_steps_whole(&s->selected.augment, &plain));
  if (st == ES_OK) st = open_loaders(c, &plain, s, p, set);
  es_augment_steps_free(&plain);
  if (st != ES_OK) es_label_data_close(set);
  return st;
}

es_status es_label_data_check(const es_comm *c, const es_settings *s,
                              const es_assembly *p) {
  es_label_data set = {0};
  const es_dataset *bank;
  if (s->selected.accuracy.n == 0) return ES_OK;
  es_status st = find_bank(c, s, p, &set, &bank);
  if (st == ES_OK) st = check_labels(s, p, bank);
  es_label_data_close(&set);
  return st;
}

es_status es_label_data_exist(const es_comm *c, const es_settings *s,
                              const es_assembly *p, bool *exist) {
  es_label_data set = {0};
  const es_dataset *bank;
  *exist = es_assembly_probe_set(p)->labels > 0;
  if (!*exist) return ES_OK;
  const es_status st = find_bank(c, s, p, &set, &bank);
  *exist = st == ES_OK && bank->labels > 0;
  es_label_data_close(&set);
  return st;
}

void es_label_data_close(es_label_data *set) {
  for (int i = 0; i < 2; i++) {
    es_loader_destroy(&set->loader[i]);
    es_augment_destroy(&set->plain[i]);
  }
  es_dataset_close(&set->labelled);
}
