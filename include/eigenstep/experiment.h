/* SPDX-License-Identifier: BSD-3-Clause */
/** @file experiment.h  Sub-commands of the program. Variants: experiment_list.h. */
#ifndef ES_EXPERIMENT_H
#define ES_EXPERIMENT_H

#include "eigenstep/comm.h"
#include "eigenstep/param.h"

/** What a process was started with; borrowed by everybody below main. */
typedef struct es_job {
  const es_comm *comm;
  int argc;
  char *const *argv; /**< the whole command line, for provenance */
  char *const *envp;
} es_job;

/* --- for authors of an experiment --------------------------------------------------- */
typedef struct es_experiment_ops {
  const char *name, *doc; /**< "train", one line for --help */
  const char *usage;      /**< "RUN.ini [section.key=value ...]" */
  void (*help)(void); /**< prints more for COMMAND --help, on rank 0; NULL = nothing */
  /** Collective. argv[0 .. argc): what follows the sub-command. ES_ECONFIG = exit code 2.
   */
  es_status (*run)(const es_job *job, int argc, char *const *argv);
} es_experiment_ops;

size_t es_experiment_list(const es_experiment_ops *const **list);

/* --- shared by the experiments ------------------------------------------------------ */
/** All sections a configuration may have, in memory that the caller frees with
 *  es_free. */
es_status es_sections(es_section **s, size_t *n);

/** Collective. Configuration from RUN.ini ("-" = defaults only; read by rank 0,
 *  broadcast) and the overrides argv[0 .. argc). Unknown keys and bad values are
 *  refused. */
es_status es_config_load(const es_job *job, const char *path, int argc, char *const *argv,
                         es_config **cfg);

/** Collective. es_experiment_ops.run of the experiment `name`, whose arguments are
 *  RUN.ini and overrides: `with` their configuration. */
es_status es_experiment_run(const es_job *job, const char *name, int argc,
                            char *const *argv,
                            es_status (*with)(const es_job *job, es_config *cfg));

/** Section [output]. */
typedef struct es_output_params {
  es_string dir;
} es_output_params;
extern const es_param es_output_table[];

/** Section [backend]. */
typedef struct es_backend_params {
  es_string name;
  int precision; /**< 0 = f32, 1 = bf16 */
  int64_t threads;
  bool tune;
  es_string plans; /**< "auto", "none" or a path */
} es_backend_params;
extern const es_param es_backend_table[];

#endif
