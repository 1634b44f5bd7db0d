/* SPDX-License-Identifier: BSD-3-Clause */
/** @file label_data.h  The labelled records of section [accuracy]. */
#ifndef ES_LABEL_DATA_H
#define ES_LABEL_DATA_H

#include "eigenstep/accuracy.h"
#include "eigenstep/assembly.h"

/** Zeroed: no accuracies are wanted. All but source owned. */
typedef struct es_label_data {
  bool wanted;
  es_dataset *labelled; /**< the bank's, where the training records have no labels */
  es_augment *plain[2]; /**< of the bank, of the held-out records */
  es_loader *loader[2];
  es_accuracy_source source;
} es_label_data;

/** Collective. The bank out of the training records, or of the split "train" where those
 *  have no labels; the others out of the held-out ones of the assembly. Whole images (the
 *  largest central square), resized to a view, normalised if views are.
 *  @return ES_OK, also where no accuracies are wanted; ES_ECONFIG: no labels */
es_status es_label_data_open(const es_comm *c, const es_settings *s, const es_assembly *p,
                             es_label_data *set);
/** Collective. Only whether there are labels to read (dry runs).
 *  @return ES_OK; ES_ECONFIG: no labels */
es_status es_label_data_check(const es_comm *c, const es_settings *s,
                              const es_assembly *p);
/** Collective. Have training (or split "train") and held-out records labels? That they
 *  have none is no error and is not said.
 *  @return ES_OK; ES_EIO, ES_EFORMAT (the split "train" cannot be read): the same on all
 *          ranks */
es_status es_label_data_exist(const es_comm *c, const es_settings *s,
                              const es_assembly *p, bool *exist);
void es_label_data_close(es_label_data *set);

#endif
