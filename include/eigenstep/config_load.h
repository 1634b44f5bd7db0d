/* SPDX-License-Identifier: BSD-3-Clause */
/** @file config_load.h  The configuration of a command: RUN.ini and overrides. */
#ifndef ES_CONFIG_LOAD_H
#define ES_CONFIG_LOAD_H

#include "eigenstep/provenance.h"

/** Collective. Configuration from RUN.ini ("-" = defaults only; read by rank 0,
 *  broadcast) and the overrides argv[0 .. argc). Unknown keys and bad values are
 *  refused. */
es_status es_config_load(const es_job *job, const char *path, int argc, char *const *argv,
                         es_config **cfg);

/** Refuse a configuration that would make another run than `stored`, the parameters in a
 *  checkpoint: all but lengths, cadences, thread counts and the place of the data must
 *  agree. *longer becomes true where run.steps differs.
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_config_check_same(const es_job *job, const es_config *cfg,
                               const char *stored, bool *longer);

/** Collective. es_command_ops.run of the command `name`, whose arguments are RUN.ini and
 *  overrides: call `with` their configuration. */
es_status es_config_run(const es_job *job, const char *name, int argc, char *const *argv,
                        es_status (*with)(const es_job *job, es_config *cfg));

#endif
