/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_source.h  One or two arrays of one file, or of two: HDF5, .npy,
 *  safetensors behind one face. */
#ifndef ES_EMBEDDING_SOURCE_H
#define ES_EMBEDDING_SOURCE_H

#include "eigenstep/array_file.h"
#include "eigenstep/comm.h"
#include "eigenstep/h5.h"
#include "eigenstep/param.h"

typedef struct es_source {
  const es_comm *comm; /**< borrowed */
  int kind;            /**< es_file_kind */
  es_string file[2];   /**< of each set */
  int sets;
  es_string set[2];        /**< names within the files, for HDF5 and safetensors */
  es_array_info shape[2];  /**< of each set */
  es_h5 *h5;               /* owned */
  es_array_file *array[2]; /* owned, on each rank */
} es_source;

/** Collective. Find what an address means (embedding_file.h) and open it.
 *  @return ES_OK; ES_ECONFIG, ES_EIO, ES_EFORMAT, ES_ENOMEM, ES_EINTERNAL (the ranks see
 *          files of unlike shapes): the same on all ranks, and nothing is open */
es_status es_source_open(const es_comm *c, const char *address, es_source *s);
es_status es_source_close(es_source *s);
/** Collective. This rank's block of set k, as es_array_read. */
es_status es_source_read(const es_source *s, int k, const int64_t *start,
                         const int64_t *count, double *out);

#endif
