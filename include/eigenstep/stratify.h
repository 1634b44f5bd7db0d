/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stratify.h  Which records are held out: a seeded sample of a data set in which
 *  its classes are in proportion. Not collective: a function of its arguments alone, so
 *  all ranks get the same. */
#ifndef ES_STRATIFY_H
#define ES_STRATIFY_H

#include "eigenstep/data.h"

/** n of the ds->size records in random order; of each class its share of n, rounded down
 *  or up. Of unlabelled data any n records. A class is taken whole only where that cannot
 *  be helped.
 *  @param record  [n]
 *  @return ES_OK, ES_EARG (n > ds->size), ES_ENOMEM */
es_status es_stratified_sample(const es_dataset *ds, int64_t n, uint64_t seed,
                               int64_t *record);

/** The others of the records 0 .. size - 1, ascending.
 *  @param record  [n] all different
 *  @param rest    [size - n]
 *  @return ES_OK, ES_ENOMEM */
es_status es_sample_rest(int64_t size, const int64_t *record, int64_t n, int64_t *rest);

#endif
