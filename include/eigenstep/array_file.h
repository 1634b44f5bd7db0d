/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array_file.h  Arrays of numbers in files of other programs: NumPy's .npy and the
 *  tensors of a safetensors file, read block by block as f64. Not collective: each rank
 *  opens the file and reads its own block. */
#ifndef ES_ARRAY_FILE_H
#define ES_ARRAY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/status.h"

enum { ES_ARRAY_DIMS = 8 };
typedef struct es_array_info {
  int ndim;
  int64_t dim[ES_ARRAY_DIMS];
} es_array_info;

typedef struct es_array_file es_array_file;

/** Open a .npy file: version 1 to 3, f2, f4, f8, signed and unsigned integers and bool,
 *  of either byte order, in C or Fortran order.
 *  @return ES_OK; ES_EIO; ES_EFORMAT (another format, type or shape, truncated);
 *          ES_ENOMEM. The caller closes *a. */
es_status es_array_open_npy(const char *path, es_array_file **a);
/** Open a tensor of a safetensors file. name "": the only one.
 *  @return as above; ES_EFORMAT: no such tensor (the sentence names those there are) */
es_status es_array_open_safetensors(const char *path, const char *name,
                                    es_array_file **a);
void es_array_close(es_array_file **a);

const es_array_info *es_array_shape(const es_array_file *a);

/** Read a block, row-major.
 *  @param start, count  [ndim] each, inside the shape
 *  @param out           [product of count]
 *  @return ES_OK, ES_EIO, ES_EFORMAT (the file was shortened), ES_ENOMEM */
es_status es_array_read(const es_array_file *a, const int64_t *start,
                        const int64_t *count, double *out);

#endif
