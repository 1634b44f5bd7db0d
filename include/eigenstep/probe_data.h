/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe_data.h  A fixed set of records through an evaluation network: the same
 *  records, the same views, in the same chunks on any number of ranks.
 *
 *  A chunk is a batch of the loader: as large as a training batch, so that batch
 *  statistics of BN mean what they mean in training. Each rank gets its share of every
 *  chunk. One object reads embeddings, features or any other value of the network, for
 *  the probe set as for a bank of labelled records. */
#ifndef ES_PROBE_DATA_H
#define ES_PROBE_DATA_H

#include "eigenstep/data.h"
#include "eigenstep/net.h"
#include "eigenstep/row_layout.h"

/** All borrowed; what `layout` points to must outlive too. */
typedef struct es_probe_data_options {
  es_row_layout layout; /**< replicated: each rank gets the rows of all */
  es_net *net;          /**< the evaluation network */
  es_loader *loader;    /**< gives the set in batches of `chunk` */
  int64_t records;      /**< the first so many of the loader, over all ranks */
  int64_t chunk;        /**< records of a batch, over all ranks */
  int views;            /**< of a record in one pass: 2 (a pair), or 1: the first alone */
  int groups;           /**< runs of images that share BN statistics: 2 = per view */
  int micro;            /**< pairs the network has room for, at most; 0 = a whole batch */
} es_probe_data_options;

typedef struct es_probe_data es_probe_data;

/** @return ES_OK, ES_ENOMEM */
es_status es_probe_data_create(const es_probe_data_options *o, es_probe_data **p);
void es_probe_data_destroy(es_probe_data **p);

/** Records of the set, over all ranks. */
int64_t es_probe_data_records(const es_probe_data *p);
/** Rows of a view that this rank gets in all. */
int64_t es_probe_data_rows(const es_probe_data *p);
/** Their width: C H W of a value of the network, or D for value ES_PROBE_EMBEDDING. */
int es_probe_data_width(const es_probe_data *p, int value);
enum { ES_PROBE_EMBEDDING = -1 };

/** Rows of one chunk. Valid during the call. */
typedef struct es_probe_rows {
  int which; /**< 0: of the request's value, 1: of `also` */
  int n, width;
  int64_t first;          /**< row i is record first + i of the set */
  int view;               /**< the first of the views here, from 0 */
  const double *value[2]; /**< [n, width] of that view and of the next */
  const es_batch *batch;  /**< this rank's own records: numbers, labels, images; row i is
                               its record i where rows are distributed */
} es_probe_rows;
typedef es_status (*es_probe_take)(void *ctx, const es_probe_rows *rows);

/** What to read. */
typedef struct es_probe_request {
  es_bn_mode mode; /**< ES_BN_BATCH or ES_BN_RUNNING: the network does not change */
  int value;       /**< of the network (es_net_read), or ES_PROBE_EMBEDDING */
  int views;       /**< of each record, a multiple of options.views: each further pass
                        over the loader gives new ones */
  int also;        /**< a second value that the same forward passes give; 0, which is the
                        input: none */
} es_probe_request;

/** Collective. Call take(ctx, rows) for each chunk of each pass in turn; with `also`
 *  twice, once for each value.
 *  @return ES_OK, or the worst status of all ranks: of the loader, the network, take */
es_status es_probe_data_each(es_probe_data *p, const es_probe_request *r,
                             es_probe_take take, void *ctx);

/** Collective. All rows in memory.
 *  @param view  [r->views] where the rows of each view go,
 *               [es_probe_data_rows, es_probe_data_width] each; with `also` [2 r->views],
 *               those of the second value last
 *  @param row   [es_probe_data_rows] number of each row's record in the set; NULL: not
 *               wanted
 *  @return as es_probe_data_each */
es_status es_probe_data_read(es_probe_data *p, const es_probe_request *r,
                             double *const *view, int64_t *row);

#endif
