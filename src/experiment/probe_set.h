/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe_set.h  The labelled records whose features section [probe] reads. */
#ifndef ES_PROBE_SET_H
#define ES_PROBE_SET_H

#include "eigenstep/accuracy.h"
#include "pipeline.h"

/** Zeroed: nothing asked for. All but source owned. */
typedef struct es_probe_set {
  bool wanted;
  es_dataset *labelled; /**< the bank's, where the training records have no labels */
  es_augment *plain[2]; /**< of the bank, of the held-out records */
  es_loader *loader[2];
  es_accuracy_source source;
} es_probe_set;

/** Collective. The bank out of the training records, or of the split "train" where those
 *  have no labels; the others out of what the pipeline holds out. Whole images (the
 *  largest central square), resized to a view, normalised if views are.
 *  @return ES_OK, also with nothing asked for; ES_ECONFIG: no labels */
es_status es_probe_set_open(const es_comm *c, es_config *cfg, const es_settings *s,
                            const es_pipeline *p, es_probe_set *set);
/** Collective. Only whether there are labels to read (dry runs).
 *  @return ES_OK; ES_ECONFIG: no labels */
es_status es_probe_set_check(const es_comm *c, const es_settings *s,
                             const es_pipeline *p);
void es_probe_set_close(es_probe_set *set);

#endif
