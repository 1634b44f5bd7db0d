/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance.h  Provenance: facts about code and job, written to the terminal,
 *  text files and HDF5. */
#ifndef ES_PROVENANCE_H
#define ES_PROVENANCE_H

#include <stdio.h>
#include "eigenstep/h5.h"
#include "eigenstep/param.h"

/** How this process was started. Owned by main, borrowed everywhere else. */
typedef struct es_job {
  const es_comm *comm;
  int argc;
  char *const *argv; /**< the whole command line, for provenance */
  char *const *envp;
  const es_section
      *section; /**< [sections] every section that a configuration may have */
  size_t sections;
} es_job;

/** Not collective. Print version, build facts and run-time versions of libraries (MPI,
 *  HDF5, OpenBLAS, ...). */
void es_provenance_code(FILE *out);

/** Collective. Print start time, host names, ranks, argv and environment (SLURM_*, OMP_*,
 *  ...) of the job to `out` on rank 0 (NULL on other ranks).
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_provenance_job(const es_job *job, FILE *out);

/** Layout of the files, /schema:version: the minor number grows with what is added, the
 *  major one with what a reader of older files has to know. */
enum { ES_SCHEMA_MAJOR = 1, ES_SCHEMA_MINOR = 0 };

/** Collective. Write /code, /environment, /parameters (an attribute per key, and the INI
 *  text as dataset /parameters/text), /schema (attribute version = {1, 0}) and the
 *  software attributes of the root.
 *  @return ES_OK, ES_EIO, ES_ENOMEM: the same on all ranks */
es_status es_provenance_h5(es_h5 *f, const es_job *job, const es_config *cfg);

#endif
