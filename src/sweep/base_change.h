/* SPDX-License-Identifier: BSD-3-Clause */
/** @file base_change.h  Is a sweep's base file the one that its first runs were made
 *  with? */
#ifndef ES_SWEEP_BASE_CHANGE_H
#define ES_SWEEP_BASE_CHANGE_H

#include "eigenstep/provenance.h"

/** Not collective. Refuse a base file `now` of other parameters than `then`, naming them;
 *  comments, ways to write a value, and output.* may differ.
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_base_check(const es_job *job, const char *path, const char *then,
                        const char *now);

#endif
