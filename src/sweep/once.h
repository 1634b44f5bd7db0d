/* SPDX-License-Identifier: BSD-3-Clause */
/** @file once.h  Files that several programs, on several hosts, may write at one time.
 *  Not collective. */
#ifndef ES_SWEEP_ONCE_H
#define ES_SWEEP_ONCE_H

#include <stddef.h>
#include "eigenstep/status.h"

/** Create `path` with this text, complete and under an exclusive lock (flock) from the
 *  moment others see it: a temporary file is written, locked and linked to its name.
 *  @param fd  open file, to be closed by the caller, which releases the lock; -1: the
 *             file exists already
 *  @return ES_OK, ES_EIO */
es_status es_once_create(const char *path, const char *text, int *fd);

/** A name beside `path` that no other process uses: with its host and process.
 *  @param size  of name */
void es_once_own_name(const char *path, char *name, size_t size);
/** Replace a file atomically, whoever else replaces it at the time: the last one wins.
 *  @return ES_OK, ES_EIO */
es_status es_once_replace(const char *path, const char *text);

#endif
