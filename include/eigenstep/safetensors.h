/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors.h  The exchange format with PyTorch: 8-byte header length, JSON
 *  header, little-endian data. Not collective: one rank calls it. Reads F32, F64,
 *  F16, BF16 and integers as f32; writes F32. */
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

/** Write a file atomically (temporary file, fsync, rename).
 *  @param t         [n] tensors, row-major f32 data
 *  @param metadata  [n_meta] pairs {key, value}; NULL with n_meta = 0
 *  @return ES_OK, ES_EARG (names, dimensions), ES_EIO, ES_ENOMEM */
es_status es_safetensors_write(const char *path, const es_st_tensor *t, size_t n,
                               const char *const (*metadata)[2], size_t n_meta);

typedef struct es_safetensors es_safetensors;
/** Open a file and validate its header: length, JSON, types, shapes, offsets without gap
 *  or overlap. The caller closes *f. @return ES_OK, ES_EIO, ES_EFORMAT, ES_ENOMEM */
es_status es_safetensors_open(const char *path, es_safetensors **f);
void es_safetensors_close(es_safetensors **f);
/** Number of tensors. */
size_t es_safetensors_count(const es_safetensors *f);
/** Name and shape of tensor i. */
void es_safetensors_info(const es_safetensors *f, size_t i, es_st_tensor *info);
/** Index of a name, or -1. */
int64_t es_safetensors_find(const es_safetensors *f, const char *name);
/** Read tensor i as f32 into out[product of its dimensions].
 *  @return ES_OK, ES_EARG (no tensor i), ES_EIO, ES_EFORMAT, ES_ENOMEM */
es_status es_safetensors_read(const es_safetensors *f, size_t i, float *out);

#endif
