/* SPDX-License-Identifier: BSD-3-Clause */
/** @file selected.h  Variants chosen by name, each with the values of its own section:
 *  from a configuration to the plain structs that constructors take. */
#ifndef ES_SELECTED_H
#define ES_SELECTED_H

#include "eigenstep/accuracy.h"
#include "eigenstep/kernel.h"
#include "eigenstep/train.h"

/** The variants of a training run; all values owned. */
typedef struct es_selected {
  es_loss_choice loss;
  void *optim;              /**< section [optim.NAME]; NULL: it has none */
  es_augment_steps augment; /**< none where the data set makes both views itself */
  es_augment_device device; /**< who makes them */
  es_accuracy_choice accuracy;
} es_selected;

/* Not collective: all ranks give the same text. Each reads the sections of the variants
 * it finds, and those alone: the keys of others count as unused. cfg: NULL = defaults.
 * Returns ES_OK; ES_ECONFIG (no such variant, a value out of range), ES_ENOMEM: nothing
 * to free. */

/** Loss `name` and its section; free out->par with es_free. */
es_status es_select_loss(es_config *cfg, const char *name, es_loss_choice *out);
/** Kernel `name` and its section; free out->par with es_free. */
es_status es_select_kernel(es_config *cfg, const char *name, es_kernel_choice *out);
/** The section of optimiser par->name; free *own with es_free. *own: NULL if it has
 *  none. */
es_status es_select_optim(es_config *cfg, const es_optim_params *par, void **own);
/** The classifiers of a list of names, each with its section; freed by
 *  es_selected_free. */
es_status es_select_accuracy(es_config *cfg, const char *list, es_accuracy_choice *out);
/** Steps of augment.list in cfg; none for a data set of pairs. */
es_status es_select_augment(es_config *cfg, const char *data_name, es_augment_steps *out);
/** Keys that were given but are not read by the data set, encoder or schedule that is
 *  named: es_config_unread. A name that is not known has none. */
void es_select_unread_data(es_config *cfg, const char *name);
void es_select_unread_encoder(es_config *cfg, const char *name);
void es_select_unread_sched(es_config *cfg, const char *name);
/** Who makes views: augment.device in cfg. */
es_status es_select_device(es_config *cfg, es_augment_device *out);

void es_selected_free(es_selected *s);

#endif
