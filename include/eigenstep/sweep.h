/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sweep.h  Many runs of one command: a base file and what varies. */
#ifndef ES_SWEEP_H
#define ES_SWEEP_H

#include "eigenstep/provenance.h"

/** The commands whose runs a sweep makes, in the order of es_sweep_commands. */
typedef enum es_sweep_command {
  ES_SWEEP_TRAIN,
  ES_SWEEP_LINEAR,
  ES_SWEEP_KERNEL
} es_sweep_command;

/** Section [sweep] of a sweep's file; the keys with a dot beside them are its axes. */
typedef struct es_sweep_params {
  es_string base;  /**< path of the base file, relative to the sweep's; "-": none */
  int command;     /**< es_sweep_command */
  int64_t ranks;   /**< of a run */
  es_string table; /**< path of a file with an axis; "": none */
  es_string seeds; /**< "1:5" or "1, 4": values of run.seed; "": no such axis */
  es_string skip;  /**< condition (condition.h) of the runs to leave out; "": none */
  double stale;    /**< s without a sign of life until a run is taken over */
  double report;   /**< s between two progress lines */
} es_sweep_params;
extern const es_param es_sweep_table[];
extern const char *const es_sweep_commands[];

enum { ES_SWEEP_NO_TASK = -1 };

/** What to do with a sweep. All borrowed. */
typedef struct es_sweep_options {
  const char *path; /**< SWEEP.ini */
  int argc;
  char *const *argv; /**< "section.key=value": the values of an axis, or for all runs;
                       "key=value" of section [sweep] */
  int64_t task;      /**< only the run of this number from 1 on, as --dry-run prints them,
                       modulo the number of runs; ES_SWEEP_NO_TASK: all */
  bool dry_run, status; /**< print what there is to do, what has been done */
  bool retry, accept;   /**< runs that failed again; a base file that has changed */
  /** Collective over job->comm. Run a sub-command with these arguments. */
  es_status (*start)(const es_job *job, const char *command, int argc, char *const *argv);
} es_sweep_options;

/** Collective. Take runs of the sweep, on groups of sweep.ranks ranks, until none is left
 *  to take: those that nobody has begun, that were interrupted, or whose job has died.
 *  Any number of jobs may do so at once. Writes sweep.csv and sweep.h5 at the end.
 *  @return ES_OK; ES_STOPPED (a signal, or a file `stop` in the sweep's folder); ES_EIO
 *          (all that could be done is done, but some run has failed, or a file cannot be
 *          written); ES_ECONFIG (nothing was begun): the same on all ranks */
es_status es_sweep_make(const es_job *job, const es_sweep_options *o);

#endif
