/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_facts.h  What an output folder says of its run, from its text files and its
 *  lock alone: for programs that did not start it. Nothing here is collective, and
 *  nothing but a STATUS that is corrected is changed. */
#ifndef ES_RUN_FACTS_H
#define ES_RUN_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include "eigenstep/status.h"

/** The first line of DIR/name that begins with `start`, without its end; "" if there is
 *  none. */
void es_run_facts_line(const char *dir, const char *name, const char *start, char *line,
                       size_t size);

/** run.steps of DIR/run.ini; NaN: none is named there. */
double es_run_facts_steps(const char *dir);

/** Does a program that is running hold the folder's lock (run_folder.h)? false also where
 *  the file system has no locks, or there is no log.txt. */
bool es_run_facts_in_use(const char *dir);

/** Was the run started on this machine, so that its lock would be seen? By job.txt. */
bool es_run_facts_is_here(const char *dir);

/** Why DIR/file, without which it is no run, cannot be opened: DIR is a file, or the
 *  folder of a sweep, or something else. @return ES_EIO; ES_OK: it is none of these
 *  @param why  errno of opening the file */
es_status es_run_facts_refuse(const char *dir, const char *file, int why);

/** Seconds since the youngest of the files that a run writes changed. */
double es_run_facts_age(const char *dir);

/** Seconds without a change after which a run that was started elsewhere, and whose lock
 *  is not seen, is given up. */
#define ES_RUN_FACTS_LOST 600.0

/** Where STATUS says RUNNING although the program that wrote it has ended, warn and
 *  replace it by FAILED. It has ended if its lock is free and it was started on this
 *  machine, or changes nothing any more (ES_RUN_FACTS_LOST): on file systems whose locks
 *  stay on one machine a free lock says nothing of another. Nothing is done in folders
 *  that cannot be written.
 *  @param locked  the caller holds the folder's lock */
void es_run_facts_correct_status(const char *dir, bool locked);

#endif
