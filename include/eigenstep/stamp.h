/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stamp.h  Provenance: one list of facts, three sinks (terminal, text file,
 *  HDF5). */
#ifndef ES_STAMP_H
#define ES_STAMP_H

#include <stdio.h>
#include "eigenstep/h5.h"
#include "eigenstep/param.h"

/** Print version, build facts and run-time library versions (MPI, HDF5, OpenBLAS,
 *  ...). */
void es_stamp_code(FILE *out);

/** Collective. Host names, ranks, threads, argv, environment of the job (SLURM_*, OMP_*,
 *  passed in by main as envp), start time; on rank 0 to `out` (NULL on others). */
es_status es_stamp_job(const es_comm *c, int argc, char *const *argv, char *const *envp,
                       FILE *out);

/** Collective. Write /code, /environment, /parameters (attributes per key and the INI
 *  text as dataset /parameters/text) and /schema (attribute version = {1, 0}; software
 *  attributes on /). */
es_status es_stamp_h5(es_h5 *f, const es_comm *c, int argc, char *const *argv,
                      char *const *envp, const es_config *cfg, const es_section *sections,
                      size_t n);

#endif
