/* SPDX-License-Identifier: BSD-3-Clause */
/** @file selected.c  The sections of the variants that a configuration names. */
#include "eigenstep/selected.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/encoder.h"
#include "eigenstep/mem.h"

enum { SECTION_MAX = 96 };

es_status es_select_loss(es_config *cfg, const char *name, es_loss_choice *out) {
  char section[SECTION_MAX];
  ES_TRY(es_loss_find(name, &out->ops));
  snprintf(section, sizeof section, "loss.%s", out->ops->name);
  return es_config_get_new(cfg, section, out->ops->params, NULL, out->ops->size,
                           &out->par);
}

es_status es_select_kernel(es_config *cfg, const char *name, es_kernel_choice *out) {
  char section[SECTION_MAX];
  ES_TRY(es_kernel_find(name, &out->ops));
  snprintf(section, sizeof section, "kernel.%s", out->ops->name);
  return es_config_get_new(cfg, section, out->ops->params, NULL, out->ops->size,
                           &out->par);
}

es_status es_select_optim(es_config *cfg, const es_optim_params *par, void **own) {
  char section[SECTION_MAX];
  const es_optim_ops *ops;
  ES_TRY(es_optim_find(par, &ops));
  snprintf(section, sizeof section, "optim.%s", ops->name);
  return es_config_get_new(cfg, section, ops->params, NULL, ops->size, own);
}

static void free_accuracy(es_accuracy_choice *c) {
  for (int k = 0; k < c->n; k++) es_free(&c->par[k]);
  c->n = 0;
}

es_status es_select_accuracy(es_config *cfg, const char *list, es_accuracy_choice *out) {
  es_status st = es_accuracy_find(list, out);
  for (int k = 0; k < out->n && st == ES_OK; k++) {
    const es_accuracy_ops *const ops = out->ops[k];
    char section[SECTION_MAX];
    snprintf(section, sizeof section, "accuracy.%s", ops->name);
    st = es_config_get_new(cfg, section, ops->params, NULL, ops->size, &out->par[k]);
  }
  if (st != ES_OK) free_accuracy(out);
  return st;
}

/* The values of a step for both views; the second has those of the first where its own
 * section gives none. */
static es_status read_step(es_config *cfg, es_augment_step *s) {
  const es_augment_ops *const ops = s->ops;
  char section[SECTION_MAX];
  snprintf(section, sizeof section, "augment.%s", ops->name);
  ES_TRY(es_config_get_new(cfg, section, ops->params, NULL, ops->size, &s->par[0]));
  snprintf(section, sizeof section, "view2.%s", ops->name);
  return es_config_get_new(cfg, section, ops->params, s->par[0], ops->size, &s->par[1]);
}

/* An unknown name is refused where the data set is opened. */
static bool makes_pairs(const char *name) {
  const es_dataset_ops *const *list;
  const size_t n = es_dataset_list(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0) return list[i]->pairs;
  return false;
}

es_status es_select_augment(es_config *cfg, const char *data_name,
                            es_augment_steps *out) {
  es_augment_params a;
  out->n = 0;
  if (makes_pairs(data_name)) return ES_OK;
  ES_TRY(es_config_get(cfg, "augment", es_augment_table, NULL, sizeof a, &a));
  es_status st = es_augment_steps_find(a.list, out);
  for (int i = 0; i < out->n && st == ES_OK; i++) st = read_step(cfg, &out->step[i]);
  if (st != ES_OK) es_augment_steps_free(out);
  return st;
}

es_status es_select_device(es_config *cfg, es_augment_device *out) {
  es_augment_params a;
  ES_TRY(es_config_get(cfg, "augment", es_augment_table, NULL, sizeof a, &a));
  *out = (es_augment_device) a.device;
  return ES_OK;
}

enum { MOST_VARIANTS = 64 };

/* `list`: the ops of all variants, of any kind that has the members name and reads. */
#define ES_UNREAD(cfg, section, selected, list, n)                                       \
  do {                                                                                   \
    es_reader r[MOST_VARIANTS];                                                          \
    size_t count = 0;                                                                    \
    for (; count < (n) && count < MOST_VARIANTS; count++)                                \
      r[count] = (es_reader){(list)[count]->name, (list)[count]->reads};                 \
    es_config_unread(cfg, section, r, count, selected);                                  \
  } while (0)

void es_select_unread_data(es_config *cfg, const char *name) {
  const es_section s = {.name = "data", .table = es_data_table};
  const es_dataset_ops *const *list;
  const size_t n = es_dataset_list(&list);
  ES_UNREAD(cfg, &s, name, list, n);
}

void es_select_unread_encoder(es_config *cfg, const char *name) {
  const es_section s = {.name = "encoder", .table = es_encoder_table};
  const es_encoder_ops *const *list;
  const size_t n = es_encoder_list(&list);
  ES_UNREAD(cfg, &s, name, list, n);
}

void es_select_unread_sched(es_config *cfg, const char *name) {
  const es_section s = {.name = "sched", .table = es_sched_table};
  const es_sched_ops *const *list;
  const size_t n = es_sched_list(&list);
  ES_UNREAD(cfg, &s, name, list, n);
}

void es_selected_free(es_selected *s) {
  es_free(&s->loss.par);
  es_free(&s->optim);
  es_augment_steps_free(&s->augment);
  free_accuracy(&s->accuracy);
}
