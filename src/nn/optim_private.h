/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_private.h  How an optimiser walks the flat buffers: in runs of tensors
 *  that it treats alike. */
#ifndef ES_OPTIM_PRIVATE_H
#define ES_OPTIM_PRIVATE_H

#include "eigenstep/optim.h"

/** What separates one run from the next. */
typedef enum es_optim_split {
  ES_SPLIT_NONE,  /**< nothing: all tensors are one run */
  ES_SPLIT_KIND,  /**< 1-D tensors from the others */
  ES_SPLIT_TENSOR /**< every tensor is a run */
} es_optim_split;

/** Elements [first, first + count) of value, grad and moments. Begins as {0}. */
typedef struct es_optim_run {
  size_t first, count;
  bool excluded; /**< of its tensors (of the first, for SPLIT_NONE) */
  int tensor;    /**< its first tensor, which may begin before it */
  int next;      /**< where to look for the next run */
} es_optim_run;

/** The next run within `in`, or false. */
bool es_optim_next(const es_optim *o, es_range in, es_optim_split split, es_optim_run *r);
/** Moment i of the run's elements; NULL if the optimiser keeps none. */
es_buf es_optim_moment(const es_optim *o, int i, const es_optim_run *r);
/** lr, for the run's kind of tensor. */
double es_optim_rate(const es_optim *o, const es_optim_run *r, double lr);

#endif
