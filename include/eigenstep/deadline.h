/* SPDX-License-Identifier: BSD-3-Clause */
/** @file deadline.h  run.walltime of commands that are no training. */
#ifndef ES_DEADLINE_H
#define ES_DEADLINE_H

#include "eigenstep/reopen.h"
#include "eigenstep/stop.h"

/** Not collective. s->deadline <- run.walltime seconds from now, unless it is 0.
 *  @return as es_config_get */
es_status es_deadline_set(es_config *cfg, es_stop *s);

/** Not collective. The same of a command that looks into a run, where run.walltime is
 *  among its overrides: that of the run's own parameters was the run's. */
es_status es_deadline_override(const es_reopen_options *o, es_config *cfg, es_stop *s);

#endif
