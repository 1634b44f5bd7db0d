/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_file.h  Embeddings of any origin, from an HDF5 file. */
#ifndef ES_EMBEDDING_FILE_H
#define ES_EMBEDDING_FILE_H

#include "eigenstep/comm.h"

/** This rank's rows of a matrix of embeddings. */
typedef struct es_embedding_rows {
  int64_t total, first, n; /**< rows on all ranks; of this rank: the first, how many */
  int dim;
  double *z;       /**< [n, dim] owned */
  int64_t *number; /**< [n] row numbers; owned */
} es_embedding_rows;

/** Collective. Read "FILE.h5:/DATASET", a set of 2 or more dimensions of any number type:
 *  the first counts samples, the others are flattened. r: zeroed; freed also after a
 *  failure.
 *  @return ES_OK; ES_ECONFIG (address), ES_EIO, ES_EFORMAT (shape), ES_ENOMEM: the same
 *          on all ranks */
es_status es_embedding_read(const es_comm *c, const char *address, es_embedding_rows *r);
void es_embedding_free(es_embedding_rows *r);

#endif
