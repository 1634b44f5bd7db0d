/* SPDX-License-Identifier: BSD-3-Clause */
/** @file label_index.h  Class numbers that occur, where there are more numbers than
 *  records. */
#ifndef ES_TRAIN_LABEL_INDEX_H
#define ES_TRAIN_LABEL_INDEX_H

#include "eigenstep/comm.h"

/** Labels of this rank's records. */
typedef struct es_label_list {
  int *label; /**< [n] borrowed */
  int64_t n;
} es_label_list;

/** Collective. Where *classes exceeds the records of the bank, number the classes of the
 *  bank from 0 in ascending order, so that memory follows what is there and not the
 *  largest number; held-out records of other classes get -1, which no classifier
 *  predicts. Else nothing changes.
 *  @param total  records of the bank on all ranks
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_labels_compact(const es_comm *c, int64_t total, const es_label_list *bank,
                            const es_label_list *test, int *classes);

#endif
