/* SPDX-License-Identifier: BSD-3-Clause */
/** @file hdf5_set.h  What the files of the data set hdf5 share: what rank 0 finds in the
 *  file, as it is sent to the others. */
#ifndef ES_HDF5_SET_H
#define ES_HDF5_SET_H

#include "data_private.h"
#include "eigenstep/h5.h"

enum { ES_HDF5_VIEWS = 2, ES_HDF5_NAME = 12 };

/** How /x and /x_prime are kept in memory. */
typedef enum es_hdf5_kind { ES_HDF5_IMAGES, ES_HDF5_F32, ES_HDF5_F64 } es_hdf5_kind;

typedef struct es_hdf5_layout {
  int64_t records, values; /**< values of a record in memory */
  int planes;              /**< of a stored image: 1 or 3 */
  int c, h, w;             /**< of a record of the set */
  int kind;                /**< es_hdf5_kind */
  bool paired, labelled;
  int labels;
  double scale; /**< images: full scale in the file, 1 or 255 */
  uint64_t checksum;
} es_hdf5_layout;

/** Classes of the records, from 0 on, and what they are called in the file. */
typedef struct es_hdf5_labels {
  int *label;                 /**< [records] owned; NULL: none */
  char (*name)[ES_HDF5_NAME]; /**< [labels] owned */
} es_hdf5_labels;

/* Rank 0, each with the file open on it alone. path: for messages. */

/** Shapes decide: [N, C, H, W] with 1 or 3 planes are images, [N, m] vectors, anything
 *  beside /x_prime ready views. The choice is said. */
es_status es_hdf5_find_layout(es_h5 *f, const char *path, const es_data_params *p,
                              es_hdf5_layout *l);
/** /label, [N] or [N, 1]. Numbers up to N - 1 are kept, larger ones are numbered in their
 *  order. Sets l->labels; to be freed, also after a failure. */
es_status es_hdf5_read_labels(es_h5 *f, const char *path, es_hdf5_layout *l,
                              es_hdf5_labels *labels);
void es_hdf5_labels_free(es_hdf5_labels *labels);
/** The records of view 0 or 1 into to[records, values] of the layout's kind. Updates
 *  l->checksum. */
es_status es_hdf5_read_view(es_h5 *f, const char *path, es_hdf5_layout *l, int view,
                            void *to);

/** Bytes of a value in memory. */
size_t es_hdf5_value_size(const es_hdf5_layout *l);

#endif
