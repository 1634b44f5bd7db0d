/* SPDX-License-Identifier: BSD-3-Clause */
/** @file path.h  File-system operations, not collective. They return 0 or an errno
 *  value, but for es_path_room. */
#ifndef ES_PATH_H
#define ES_PATH_H

#include <stdbool.h>
#include <stddef.h>

/** Create a folder and its parents (mkdir -p) and sync the new entries to disk; 0 if it
 *  exists already. */
int es_path_make_dirs(const char *dir);

/** Replace a file atomically (temporary file beside it, fsync, rename, fsync of the
 *  folder): readers find the old or the new content, also after a crash. */
int es_path_replace(const char *path, const void *bytes, size_t n);

/** Write all n bytes to an open file. */
int es_path_write_all(int fd, const void *bytes, size_t n);

/** Copy a file, replacing `to`, and fsync the copy. */
int es_path_copy(const char *from, const char *to);

/** fsync a folder (its entries) or a file. */
int es_path_sync(const char *path);

/** fsync the folder that contains `path`, so that a new or renamed entry survives a
 *  crash. */
int es_path_sync_parent(const char *path);

/** Exchange two existing names atomically. EINVAL or ENOSYS where the file system cannot
 *  (NFS before 4.2, for one): nothing has changed then. */
int es_path_exchange(const char *a, const char *b);

/** Bytes free for this user in the file system of `path`, which need not exist: that of
 *  the nearest folder above that does. -1: the system does not say. */
double es_path_room(const char *path);

/** Not collective. Is there nothing in the folder, or no such folder?
 *  @param empty  out; false on error
 *  @return 0, or the errno of what cannot be read */
int es_path_is_empty(const char *dir, bool *empty);

/** Remove a folder and the files in it; 0 if it does not exist. */
int es_path_remove_dir(const char *dir);

/** Remove a folder and all that is below it, of links the links alone; ENOENT if it does
 *  not exist. After an error part of what was in it may be gone. */
int es_path_remove_tree(const char *dir);

#endif
