/* SPDX-License-Identifier: BSD-3-Clause */
/** @file path.h  Serial file-system steps with errno results: 0 or the errno value. */
#ifndef ES_PATH_H
#define ES_PATH_H

#include <stddef.h>

/** mkdir -p. 0 if it is a folder afterwards. */
int es_path_make_dirs(const char *dir);

/** Write a file so that readers see the old or the new content, never a part, also after
 *  a crash: temporary file beside it, fsync, rename. */
int es_path_replace(const char *path, const void *bytes, size_t n);

/** Write all n bytes to an open file. */
int es_path_write_all(int fd, const void *bytes, size_t n);

/** fsync a folder (its entries) or a file. */
int es_path_sync(const char *path);

/** Remove a folder and the files in it; what is not there is fine. */
int es_path_remove_dir(const char *dir);

#endif
