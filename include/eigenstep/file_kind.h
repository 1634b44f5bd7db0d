/* SPDX-License-Identifier: BSD-3-Clause */
/** @file file_kind.h  What a file is by its first bytes, whatever it is called, so that a
 *  file of another kind than expected is named with what to do. Not collective. */
#ifndef ES_FILE_KIND_H
#define ES_FILE_KIND_H

typedef enum es_file_kind {
  ES_FILE_MISSING, /**< it cannot be read */
  ES_FILE_UNKNOWN,
  ES_FILE_EMPTY,
  ES_FILE_HDF5,
  ES_FILE_SAFETENSORS,
  ES_FILE_NPY,
  ES_FILE_ZIP,     /**< of another program */
  ES_FILE_NPZ,     /**< NumPy's zip of .npy files */
  ES_FILE_PYTORCH, /**< zip */
  ES_FILE_PICKLE,  /**< also PyTorch's before 1.6 */
  ES_FILE_LFS,     /**< a pointer of Git's large file storage */
  ES_FILE_HTML,
  ES_FILE_GZIP,
  ES_FILE_IMAGE
} es_file_kind;

es_file_kind es_file_kind_of(const char *path);
/** "it is ...; do ...", the end of a message. */
const char *es_file_kind_cure(es_file_kind k);

#endif
