/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_private.h  An open safetensors file, and its types. */
#ifndef ES_SAFETENSORS_PRIVATE_H
#define ES_SAFETENSORS_PRIVATE_H

#include "eigenstep/safetensors.h"
#include "number.h"

/** A stored type, and what it is called. */
typedef struct es_st_type {
  const char *name;
  es_number number;
} es_st_type;

/** Type by its name in the header; NULL if unknown. */
const es_st_type *es_st_type_find(const char *name);

typedef struct es_st_entry {
  es_st_tensor tensor;
  const es_st_type *type;
  int64_t begin, end; /**< byte offsets from the end of the header */
} es_st_entry;

struct es_safetensors {
  int fd;
  char *path;   /**< owned; for messages */
  int64_t data; /**< offset of the data in the file */
  size_t n;
  es_st_entry *entry; /**< owned, in the header's order */
  size_t *by_name;    /**< owned, sorted indices */
};

/** Parse the header into f->entry and validate it against `bytes` bytes of data. */
es_status es_safetensors_parse(es_safetensors *f, const char *header, int64_t bytes);

#endif
