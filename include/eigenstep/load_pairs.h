/* SPDX-License-Identifier: BSD-3-Clause */
/** @file load_pairs.h  Pairs of views in double, for models that are solved exactly. */
#ifndef ES_LOAD_PAIRS_H
#define ES_LOAD_PAIRS_H

#include "eigenstep/data.h"
#include "eigenstep/descent.h"

/** Where pairs of views come from. */
typedef struct es_pairs_source {
  es_data_params data;
  es_augment_steps augment; /**< owned */
  uint64_t seed;            /**< of the order of records, of views and generated data */
  const char *keys;         /**< what asks for pairs, for messages: "linear.sample" */
} es_pairs_source;

/** Sections [data] and [augment], and run.seed. Defaults of cfg become those of the
 *  reference experiment: augment.list = crop, augment.crop.mode = fixed,
 *  augment.crop.size = 20 pixels. The caller sets s->keys.
 *  @return ES_OK; ES_ECONFIG, ES_ENOMEM: there is nothing to free */
es_status es_pairs_source_read(es_config *cfg, es_pairs_source *s);
void es_pairs_source_free(es_pairs_source *s);

/** Collective. The first n pairs of the source (in a random order of the records if
 *  data.shuffle is set), each rank its share; all views as doubles.
 *  @param view  shape of a view
 *  @return ES_OK; ES_ECONFIG (fewer records than n); errors of the data set */
es_status es_pairs_load(const es_comm *c, const es_pairs_source *s, int64_t n,
                        es_pairs *p, es_shape *view);

#endif
