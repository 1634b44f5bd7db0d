/* SPDX-License-Identifier: BSD-3-Clause */
/** @file load_pairs.h  Pairs of views in double, for models that are solved exactly. */
#ifndef ES_LOAD_PAIRS_H
#define ES_LOAD_PAIRS_H

#include "eigenstep/data.h"
#include "eigenstep/descent.h"

/** The reference experiment's views, for what cfg does not give: augment.list = crop,
 *  augment.crop.mode = fixed, augment.crop.size = 20 pixels. */
es_status es_pairs_defaults(es_config *cfg);

/** Collective. The first n pairs of sections [data] and [augment] (in a random order of
 *  the records if data.shuffle is set), each rank its share; all views as doubles.
 *  @param seed  of the order, the views and generated data
 *  @param view  shape of a view
 *  @return ES_OK; ES_ECONFIG (fewer records than n); errors of the data set */
es_status es_pairs_load(const es_comm *c, es_config *cfg, uint64_t seed, int64_t n,
                        es_pairs *p, es_shape *view);

#endif
