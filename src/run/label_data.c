/* SPDX-License-Identifier: BSD-3-Clause */
/** @file label_data.c  Bank and held-out records for the accuracies of section
 *  [probe]. */
#include "eigenstep/label_data.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

/* The configuration with views that are whole images without anything random. */
static es_status plain_config(const es_job *job, es_config *cfg, es_config **plain) {
  static const char *const whole[] = {"mode=resized", "scale_min=1", "scale_max=1",
                                      "ratio=1, 1"};
  char *text = NULL, item[64][64], set[256] = "augment.list=";
  size_t steps = 0;
  es_augment_params a;
  es_config *made = NULL;
  es_status st;
  ES_TRY_GOTO(es_config_get(cfg, "augment", es_augment_table, NULL, sizeof a, &a), done);
  ES_TRY_GOTO(es_split("augment.list", a.list, 64, item, &steps), done);
  ES_TRY_GOTO(es_config_text(cfg, job->section, job->sections, false, &text), done);
  ES_TRY_GOTO(es_config_create(&made), done);
  ES_TRY_GOTO(es_config_read_text(made, text, "the effective parameters"), done);
  for (size_t i = 0; i < steps; i++) {
    if (strcmp(item[i], "crop") != 0 && strcmp(item[i], "normalize") != 0) continue;
    const size_t used = strlen(set);
    snprintf(set + used, sizeof set - used, "%s%s", set[used - 1] == '=' ? "" : ", ",
             item[i]);
  }
  ES_TRY_GOTO(es_config_set(made, set), done);
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    for (int v = 0; v < 2; v++) {
      snprintf(set, sizeof set, "%s.crop.%s", v ? "view2" : "augment", whole[i]);
      ES_TRY_GOTO(es_config_set(made, set), done);
    }
  *plain = made;
  made = NULL;
done:
  es_config_destroy(&made);
  es_free(&text);
  return st;
}

/* The data set of the bank, one with labels. */
static es_status find_bank(const es_comm *c, const es_settings *s, const es_assembly *p,
                           es_label_data *set, const es_dataset **bank) {
  const char *const splits = p->data->ops->splits;
  *bank = p->data;
  if (p->data->labels == 0 && splits != NULL && strstr(splits, "train") != NULL &&
      strcmp(s->data.split, "train") != 0 && s->data.split[0] != '\0') {
    es_data_params train = s->data;
    train.limit = 0;
    ES_TRY(es_dataset_open(c, &train, "train", (uint64_t) s->run.seed, &set->labelled));
    *bank = set->labelled;
  }
  const es_dataset *const test = p->held_out != NULL ? p->held_out : p->data;
  ES_CHECK(
      (*bank)->labels > 0 && test->labels > 0, ES_ECONFIG,
      "probe.list: got '%s', but data set '%s' has no labels%s; expected a labelled "
      "one (cifar10, stl10, a folder per class, hdf5 with /label) or probe.list = none",
      s->probe.list, s->data.name,
      (*bank)->labels > 0 ? " in what is held out of it" : "");
  return ES_OK;
}

static es_status open_loaders(const es_comm *c, es_config *plain, const es_settings *s,
                              const es_assembly *p, es_label_data *set) {
  const es_dataset *bank = NULL;
  ES_TRY(find_bank(c, s, p, set, &bank));
  const es_dataset *const test = p->held_out != NULL ? p->held_out : p->data;
  const bool apart = p->held_out == NULL && !p->data->endless;
  const int64_t train = p->data->size - (apart ? p->probe_pairs : 0);
  es_loader_options o[2] = {{.count = bank == p->data ? train : bank->size},
                            {.first = p->held_out != NULL ? 0 : train,
                             .count = p->held_out != NULL ? test->size : p->probe_pairs}};
  const int64_t want[2] = {s->probe.bank, s->probe.test};
  int64_t taken[2];
  for (int i = 0; i < 2; i++) {
    es_shape view;
    const es_dataset *const ds = i == 0 ? bank : test;
    o[i].seed = (uint64_t) s->run.seed;
    o[i].pairs = s->batch.pairs;
    o[i].shuffle = true; /* records may be sorted by class */
    taken[i] = want[i] < o[i].count ? want[i] : o[i].count;
    ES_TRY(es_comm_agree(c, es_augment_create(plain, ds, &set->plain[i], &view)));
    ES_CHECK(view.c == p->view.c && view.h == p->view.h && view.w == p->view.w,
             ES_ECONFIG, "probe.list: got images of %d x %d x %d, expected %d x %d x %d",
             view.c, view.h, view.w, p->view.c, p->view.h, p->view.w);
    ES_TRY(es_loader_create(c, ds, set->plain[i], view, &o[i], &set->loader[i]));
  }
  set->source = (es_accuracy_source){
      .bank_loader = set->loader[0],
      .test_loader = set->loader[1],
      .bank = taken[0],
      .test = taken[1],
      .chunk = s->batch.pairs,
      .classes = bank->labels > test->labels ? bank->labels : test->labels,
      .features = p->features,
      .data_name = s->data.name};
  return ES_OK;
}

es_status es_label_data_open(const es_job *job, es_config *cfg, const es_settings *s,
                             const es_assembly *p, es_label_data *set) {
  const es_comm *const c = job->comm;
  es_config *plain = NULL;
  ES_TRY(es_accuracy_check(&s->probe, &set->wanted));
  if (!set->wanted) return ES_OK;
  es_status st = es_comm_agree(c, plain_config(job, cfg, &plain));
  if (st == ES_OK) st = open_loaders(c, plain, s, p, set);
  es_config_destroy(&plain);
  if (st != ES_OK) es_label_data_close(set);
  return st;
}

es_status es_label_data_check(const es_comm *c, const es_settings *s,
                              const es_assembly *p) {
  es_label_data set = {0};
  const es_dataset *bank;
  ES_TRY(es_accuracy_check(&s->probe, &set.wanted));
  const es_status st = set.wanted ? find_bank(c, s, p, &set, &bank) : ES_OK;
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
