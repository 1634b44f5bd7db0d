/* SPDX-License-Identifier: BSD-3-Clause */
/** @file data_private.h  What the data sets share: files, a hash, the
 *  interleaving of planes. */
#ifndef ES_DATA_PRIVATE_H
#define ES_DATA_PRIVATE_H

#include "eigenstep/data.h"

enum { ES_PATH_MAX = ES_STRING_MAX + 512, ES_IMAGE_SIDE_MAX = 16384 };

/** An open file of a data set. Zeroed: closed. */
typedef struct es_data_file {
  int fd;
  int64_t size; /**< bytes when it was opened */
  char *path;   /**< owned; for messages */
} es_data_file;

/** Open a regular file. `hint`: end of the message if that fails ("" for none).
 *  @return ES_OK, ES_EIO (named), ES_ENOMEM. *f is written only on success. */
es_status es_data_file_open(const char *path, const char *hint, es_data_file *f);
void es_data_file_close(es_data_file *f);
/** n bytes from byte `at` on; thread-safe. @return ES_OK, ES_EIO: also where the file has
 *  been shortened since it was opened */
es_status es_data_file_read(const es_data_file *f, int64_t at, void *bytes, size_t n);
/** Add name, size and some 4096 evenly spread bytes to a hash. */
es_status es_data_file_hash(const es_data_file *f, const char *name, uint64_t *hash);

/** Up to `room` bytes from byte `at` on (negative: counted from the end) of a file that
 *  is opened for this alone; nothing is logged. *size: of the file.
 *  @return NULL, or why not (until the next call) */
const char *es_data_file_part(const char *path, int64_t at, void *bytes, size_t room,
                              size_t *n, int64_t *size);

/** "folder/name" into path[ES_PATH_MAX]. @return ES_ECONFIG if it does not fit */
es_status es_path_join(const char *folder, const char *name, char *path);

/** ES_ECONFIG unless data.path is given. */
es_status es_data_need_path(const es_data_params *p);

/** Can a library have so many bytes for an image, as far as can be asked before?
 *  @return ES_OK, ES_ENOMEM */
es_status es_data_check_library(size_t bytes);

/** es_dataset_ops.held_out of sets with a split called test. */
bool es_split_test(es_data_params *p);

/** FNV-1a over bytes, continuing from `hash` (start with ES_HASH_START). */
#define ES_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t es_hash_bytes(uint64_t hash, const void *bytes, size_t n);

/** The random numbers of the training and the held-out part of a generated set must
 *  differ: record i of split "test" is record i + ES_HELD_OUT of the generator. */
#define ES_HELD_OUT (INT64_C(1) << 40)

#endif
