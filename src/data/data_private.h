/* SPDX-License-Identifier: BSD-3-Clause */
/** @file data_private.h  What the data sets share: files in memory, a hash, the
 *  interleaving of planes. */
#ifndef ES_DATA_PRIVATE_H
#define ES_DATA_PRIVATE_H

#include "eigenstep/data.h"

enum { ES_PATH_MAX = ES_STRING_MAX + 512, ES_IMAGE_SIDE_MAX = 16384 };

/** A file mapped read-only: the ranks of a node share its pages. */
typedef struct es_mapped {
  const uint8_t *bytes;
  size_t size;
} es_mapped;

/** Map a file. `hint`: end of the message if it is missing ("" for none).
 *  @return ES_OK or ES_EIO (named). *m is written only on success. */
es_status es_map_open(const char *path, const char *hint, es_mapped *m);
/** The same without a log line. @return NULL, or why not (until the next call) */
const char *es_map_try(const char *path, es_mapped *m);
void es_map_close(es_mapped *m);

/** "folder/name" into path[ES_PATH_MAX]. @return ES_ECONFIG if it does not fit */
es_status es_path_join(const char *folder, const char *name, char *path);

/** ES_ECONFIG unless data.path is given. */
es_status es_data_need_path(const es_data_params *p);

/** A copy of steps and values; to be freed, also after a failure. */
es_status es_augment_steps_copy(const es_augment_steps *from, es_augment_steps *to);

/** FNV-1a over bytes, continuing from `hash` (start with ES_HASH_START). */
#define ES_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t es_hash_bytes(uint64_t hash, const void *bytes, size_t n);

/** Name, size and some 4096 evenly spread bytes of a mapped file. */
uint64_t es_hash_file(uint64_t hash, const char *name, const es_mapped *m);

/** The random numbers of the training and the held-out part of a generated set must
 *  differ: record i of split "test" is record i + ES_HELD_OUT of the generator. */
#define ES_HELD_OUT (INT64_C(1) << 40)

#endif
