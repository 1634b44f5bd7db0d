/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unread.h  Overrides of a sweep that none of its runs reads. */
#ifndef ES_SWEEP_UNREAD_H
#define ES_SWEEP_UNREAD_H

#include "plan.h"

/** Collective. Warn of the overrides whose keys no run of the plan reads, before any is
 *  started. @return ES_OK, ES_ENOMEM */
es_status es_sweep_warn_unread(const es_job *job, const es_sweep_options *options,
                               const es_sweep_spec *s, const es_sweep_plan *p);

#endif
