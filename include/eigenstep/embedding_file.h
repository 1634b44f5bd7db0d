/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_file.h  Embeddings of any origin: an HDF5 file, NumPy's .npy, a tensor
 *  of a safetensors file. */
#ifndef ES_EMBEDDING_FILE_H
#define ES_EMBEDDING_FILE_H

#include "eigenstep/comm.h"

/** This rank's rows of a matrix of embeddings, of one or two views. */
typedef struct es_embedding_rows {
  int64_t total, first, n; /**< rows on all ranks; of this rank: the first, how many */
  int views, dim;
  double *z;       /**< [views n, dim] owned: view 1 of all n, then view 2 */
  int64_t *number; /**< [n] row numbers; owned */
} es_embedding_rows;

/** Collective. Read one of
 *    FILE.h5:/DATASET   FILE.npy   FILE.safetensors:NAME (the name of an only one may be
 *                                  left out)
 *  or two of them, one a view: FILE.h5:/A,/B, FILE.safetensors:A,B, A.npy,B.npy. The
 *  file's first bytes decide what it is. Shapes: [N, D], one view; [2, N, D], two views;
 *  [N, 2, D], two views where `views` is 2. Numbers of any type become f64.
 *  @param views  1, 2, or 0: as the shape says
 *  @param r      zeroed; freed also after a failure
 *  @return ES_OK; ES_ECONFIG (address), ES_EIO, ES_EFORMAT (shape), ES_EMATH (a
 *          value is not finite), ES_ENOMEM, ES_EINTERNAL (the ranks see files of unlike
 *          shapes): the same on all ranks */
es_status es_embedding_read(const es_comm *c, const char *address, int views,
                            es_embedding_rows *r);
/** Collective. Would es_embedding_read find embeddings there? Address and shapes only: no
 *  rows are read. @return as es_embedding_read */
es_status es_embedding_check(const es_comm *c, const char *address, int views);
void es_embedding_free(es_embedding_rows *r);

#endif
