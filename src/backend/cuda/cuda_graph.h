/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_graph.h  Calls that are repeated in every step, as CUDA graphs:
 *  es_backend_ops.graph_begin, graph_end.
 *
 *  Calls with a new key are executed; those with a key that was seen before are captured
 *  and the graph is launched; from then on it is launched without the calls. A graph
 *  holds addresses: all are dropped when any memory of the device is released. */
#ifndef ES_CUDA_GRAPH_H
#define ES_CUDA_GRAPH_H

#include "cuda_state.h"

/** Not collective. @param sums  can sums over ranks be captured?
 *  @return the same on all ranks: ES_OK; ES_ECONFIG: asked for, but the host sums;
 *          ES_ENOMEM, on this rank */
es_status es_cuda_graphs_open(es_backend *b, bool sums);
void es_cuda_graphs_close(es_backend *b);
es_status es_cuda_graph_begin(es_backend *b, const es_graph_key *k, bool *done);
es_status es_cuda_graph_end(es_backend *b, es_status st);
/** es_backend_ops.sum_begin: es_cuda_sum_begin, unless the graph has begun the sum. */
es_status es_cuda_graph_sum_begin(es_backend *b, const es_comm *c, es_buf p, size_t n);
/** The version of packed weights: while calls are captured it is none that was packed
 *  before, as every launch has other weights. */
int64_t es_cuda_graph_version(const es_backend *b, int64_t version);
/** What is captured relies on weights that an update packs: the graph is launched only
 *  while *version, theirs, is that of the parameters. Borrowed until memory is
 *  released. */
es_status es_cuda_graph_relies(const es_backend *b, const int64_t *version);

#endif
