/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_files.h  Making an output folder, and single text files in it, each replaced
 *  atomically. run_folder.h manages the folder of a run. */
#ifndef ES_RUN_FILES_H
#define ES_RUN_FILES_H

#include "eigenstep/comm.h"

/** Collective. Make `dir` (with parents); refuse one that is not empty (ES_ECONFIG) or
 *  not writable (ES_EIO). Rank 0 does the work, all ranks get the status. */
es_status es_run_files_create(const es_comm *c, const char *dir);

/** Rank 0 only. Replace DIR/STATUS atomically by one line: "RUNNING", "STOPPED 120
 *  signal", "DONE", "FAILED message". */
es_status es_run_files_status(const char *dir, const char *line);

/** Rank 0 only. Write a text file DIR/name. */
es_status es_run_files_write(const char *dir, const char *name, const char *text);

#endif
