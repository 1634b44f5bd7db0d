/* SPDX-License-Identifier: BSD-3-Clause */
/** @file passes.h  A batch through a network, whole or a few pairs at a time
 *  (batch.micro). Pairs of a rank are cut into passes of nearly equal size; all ranks
 *  take equally many. Batch norm takes its statistics pass by pass. */
#ifndef ES_TRAIN_PASSES_H
#define ES_TRAIN_PASSES_H

#include "eigenstep/data.h"
#include "eigenstep/net.h"
#include "eigenstep/row_layout.h"

/** How batches go through a network. All borrowed. */
typedef struct es_passes_options {
  es_row_layout layout;
  es_net *net;
  int n_max;     /**< pairs of a batch on this rank, at most */
  int views;     /**< of a pair: 2, or 1: the first view alone */
  int groups;    /**< runs of images that share BN statistics: 2 = per view */
  int micro;     /**< pairs the network has room for, at most; 0 = n_max */
  bool backward; /**< es_passes_backward is called too */
} es_passes_options;

typedef struct es_passes {
  es_passes_options o;
  int per_pass;  /**< pairs of a pass at most, where there are several; else 0 */
  float *images; /**< both views of a pass; owned; NULL until a batch with images takes
                      several */
  float *z, *dz; /**< [views pairs, D] of a pass, as the network returns and takes them;
                      owned */
} es_passes;

/** Allocate the buffers, into a zeroed struct. @return ES_OK, ES_ENOMEM */
es_status es_passes_create(const es_passes_options *o, es_passes *p);
void es_passes_free(es_passes *p);

/** Collective. Embeddings of a batch, in double, of the rows the loss takes on this rank
 *  (row_layout.h).
 *  @param view  for each view where its rows go, [es_row_layout_rows, D]
 *  @return ES_OK, or the error of all ranks; a rank that fails alone ends the program */
es_status es_passes_embed(es_passes *p, const es_batch *b, es_bn_mode mode,
                          double *const *view);

/** What is read in a forward pass. */
typedef struct es_passes_value {
  int value; /**< of the network (es_net_read); -1: the embeddings */
  double *const
      *view; /**< for each view where its rows go: [es_row_layout_rows, C H W] */
} es_passes_value;

/** Collective. Any n values of the network in the same forward passes; allocates room for
 *  each that is not the embeddings. @return as es_passes_embed, or ES_ENOMEM */
es_status es_passes_read(es_passes *p, const es_batch *b, es_bn_mode mode,
                         const es_passes_value *v, int n);

/** Collective. After es_passes_embed of the same batch with both views and
 *  ES_BN_TRAIN, with no forward in between: parameter gradients += this rank's part of
 *  dL/dparameters. dz: dL/dz, [2 rows, D], rows as es_passes_embed gives them.
 *  @param listener  called in the last pass as gradients become final; NULL: nobody */
es_status es_passes_backward(es_passes *p, const es_batch *b, const double *dz,
                             const es_net_listener *listener);

#endif
