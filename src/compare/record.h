/* SPDX-License-Identifier: BSD-3-Clause */
/** @file record.h  compare.h5 and the table. */
#ifndef ES_COMPARE_RECORD_H
#define ES_COMPARE_RECORD_H

#include "eigenstep/provenance.h"
#include "measure.h"

/** Collective. Write DIR/compare.h5; nothing is left of it after a failure.
 *  @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_compare_write(const es_job *job, const es_config *cfg, const char *dir,
                           const es_compare_set *set, const es_compared *m);
/** Print the pairs of sources. */
void es_compare_print(const es_compare_set *set, const es_compared *m);

#endif
