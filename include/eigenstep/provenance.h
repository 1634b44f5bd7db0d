/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance.h  Provenance: one list of facts, three sinks (terminal, text file,
 *  HDF5). */
#ifndef ES_PROVENANCE_H
#define ES_PROVENANCE_H

#include <stdio.h>
#include "eigenstep/h5.h"
#include "eigenstep/param.h"

/** What a process was started with; borrowed by everybody below main. */
typedef struct es_job {
  const es_comm *comm;
  int argc;
  char *const *argv; /**< the whole command line, for provenance */
  char *const *envp;
  const es_section
      *section; /**< [sections] every section that a configuration may have */
  size_t sections;
} es_job;

/** Print version, build facts and run-time library versions (MPI, HDF5, OpenBLAS,
 *  ...). */
void es_provenance_code(FILE *out);

/** Collective. Host names, ranks, threads, argv, environment of the job (SLURM_*, OMP_*,
 *  passed in by main as envp), start time; on rank 0 to `out` (NULL on others). */
es_status es_provenance_job(const es_job *job, FILE *out);

/** Collective. Write /code, /environment, /parameters (attributes per key and the INI
 *  text as dataset /parameters/text) and /schema (attribute version = {1, 0}; software
 *  attributes on /). */
es_status es_provenance_h5(es_h5 *f, const es_job *job, const es_config *cfg);

#endif
