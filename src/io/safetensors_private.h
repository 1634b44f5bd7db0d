/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_private.h  An open safetensors file, and its types. */
#ifndef ES_SAFETENSORS_PRIVATE_H
#define ES_SAFETENSORS_PRIVATE_H

#include "eigenstep/safetensors.h"

/** A stored type: its name, bytes of an element, and how n elements become f32. */
typedef struct es_st_type {
  const char *name;
  int64_t size;
  void (*convert)(const void *in, int64_t n, float *out);
} es_st_type;

/** NULL if the name is unknown. */
const es_st_type *es_st_type_find(const char *name);

typedef struct es_st_entry {
  es_st_tensor tensor;
  const es_st_type *type;
  int64_t begin, end; /**< bytes behind the header */
} es_st_entry;

struct es_safetensors {
  int fd;
  char *path;   /**< owned; for messages */
  int64_t data; /**< offset of the data in the file */
  size_t n;
  es_st_entry *entry; /**< owned, in the header's order */
  size_t *by_name;    /**< owned, sorted indices */
};

/** Parse the header text into f->entry and check it against `bytes` bytes of data. */
es_status es_safetensors_parse(es_safetensors *f, const char *header, int64_t bytes);

#endif
