/* SPDX-License-Identifier: BSD-3-Clause */
/** @file config_load.h  The configuration of a command: RUN.ini and overrides. */
#ifndef ES_CONFIG_LOAD_H
#define ES_CONFIG_LOAD_H

#include "eigenstep/provenance.h"
#include "eigenstep/surgery.h"

/** Collective. Configuration from RUN.ini ("-" = defaults only; read by rank 0,
 *  broadcast) and the overrides argv[0 .. argc). Unknown keys and bad values are
 *  refused. */
es_status es_config_load(const es_job *job, const char *path, int argc, char *const *argv,
                         es_config **cfg);

/** Collective. The text of a file that rank 0 reads, on all ranks; freed by the caller.
 *  @return ES_OK; ES_ECONFIG (no such file, more than 1 MiB, a zero byte), ES_ENOMEM */
es_status es_config_text_of(const es_comm *c, const char *path, char **text);

/** May "section.key" differ from the checkpoint when a run is resumed? */
bool es_config_may_change(const char *key);

/** Refuse a configuration that would make another run than `stored`, the parameters in a
 *  checkpoint: all but lengths, cadences, thread counts and the place of the data must
 *  agree. *longer becomes true where run.steps differs.
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_config_check_same(const es_job *job, const es_config *cfg,
                               const char *stored, bool *longer);

/** Section [surgery] against that of a checkpoint of `step`: once done it stays as it
 *  was, before it may be anything to come. @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_config_check_surgery(const es_surgery_params *now, const char *stored,
                                  int64_t step);

/** Collective. es_command_ops.run of the command `name`, whose arguments are RUN.ini and
 *  overrides: call `with` their configuration. */
es_status es_config_run(const es_job *job, const char *name, int argc, char *const *argv,
                        es_status (*with)(const es_job *job, es_config *cfg));

#endif
