/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors.h  The exchange format with PyTorch: 8-byte header length, JSON
 *  header, little-endian data. Serial (one rank calls it). Reads F32 (F64, F16, BF16
 *  converted); writes F32. */
#ifndef ES_SAFETENSORS_H
#define ES_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>
#include "eigenstep/status.h"

typedef struct es_st_tensor {
  char name[128];
  int ndim;
  int64_t dim[4];
  const float *data; /**< writing: borrowed */
} es_st_tensor;

/** Write atomically (temporary file, fsync, rename). metadata: n_meta pairs key,
 *  value. */
es_status es_safetensors_write(const char *path, const es_st_tensor *t, size_t n,
                               const char *const (*metadata)[2], size_t n_meta);

typedef struct es_safetensors es_safetensors;
/** Open and check: header length, JSON, offsets inside the file, sizes match shapes,
 *  no overlap. */
es_status es_safetensors_open(const char *path, es_safetensors **f);
void es_safetensors_close(es_safetensors **f);
size_t es_safetensors_count(const es_safetensors *f);
/** Name and shape of tensor i. */
void es_safetensors_info(const es_safetensors *f, size_t i, es_st_tensor *info);
/** Index of a name, or -1. */
int64_t es_safetensors_find(const es_safetensors *f, const char *name);
/** Read tensor i as f32 into out[count]. */
es_status es_safetensors_read(const es_safetensors *f, size_t i, float *out);

#endif
