/* SPDX-License-Identifier: BSD-3-Clause */
/** @file net_freeze.c  Statistics of batch norm over a set of images, to be held
 *  constant: mean = sum x / N, var = sum x^2 / N - mean^2, sums in double. */
#include "eigenstep/mem.h"
#include "net_private.h"

/** Doubles of all BN; 1 for a network that has none. */
static size_t size_of(const es_net *net) {
  const int64_t n = es_net_collected(net, net->node + net->n_node);
  return n > 0 ? (size_t) n : 1;
}

es_status es_net_freeze_begin(es_net *net) {
  es_backend *const b = net->backend;
  const size_t bytes = size_of(net) * sizeof(double);
  ES_CHECK(net->memory.kept != NULL, ES_EARG,
           "frozen statistics: got a network that is not allocated");
  if (net->memory.collected == NULL) {
    void *p = NULL;
    ES_TRY(b->ops->alloc(b, bytes, "collected statistics", &p));
    net->memory.collected = p;
  }
  return b->ops->zero(b, net->memory.collected, bytes);
}

/** statistics, laid out as params->state, of the sums. */
static es_status finish(const es_net *net, const double *sum, float *statistics) {
  const es_tensor_info *const tensor = net->params->tensor;
  for (int i = 0; i < net->n_node; i++) {
    const es_net_node *const node = &net->node[i];
    if (node->desc.kind != ES_OP_BN) continue;
    const int c = node->desc.in.c;
    float *const mean = statistics + tensor[node->tensor.mean].offset;
    float *const var = statistics + tensor[node->tensor.var].offset;
    ES_CHECK(sum[2 * c] > 0, ES_EARG, "%s: got no images to take statistics of",
             node->name);
    for (int j = 0; j < c; j++) {
      const double m = sum[j] / sum[2 * c], v = sum[c + j] / sum[2 * c] - m * m;
      mean[j] = (float) m;
      var[j] = v > 0 ? (float) v : 0.0f;
    }
    sum += 2 * c + 1;
  }
  return ES_OK;
}

static es_status store(es_net *net, const double *sum, float *statistics) {
  es_params *const p = net->params;
  es_backend *const b = net->backend;
  ES_TRY(finish(net, sum, statistics));
  if (p->frozen == NULL) {
    void *room = NULL;
    ES_TRY(b->ops->alloc(b, (size_t) p->n_state * sizeof(float), "frozen statistics",
                         &room));
    p->frozen = room;
  }
  return b->ops->upload(b, p->frozen, statistics, (size_t) p->n_state);
}

static es_status fetch(const es_net *net, double **sum, float **statistics) {
  es_backend *const b = net->backend;
  ES_CHECK(net->memory.collected != NULL, ES_EARG,
           "frozen statistics: got an end without a begin");
  ES_TRY(ES_NEW(size_of(net), sum));
  ES_TRY(ES_NEW(net->params->n_state + 1, statistics));
  return b->ops->download64(b, *sum, net->memory.collected, size_of(net));
}

es_status es_net_freeze_end(es_net *net, const es_comm *c) {
  double *sum = NULL;
  float *statistics = NULL;
  es_status st = fetch(net, &sum, &statistics);
  if (c != NULL) st = es_comm_agree(c, st);
  if (st == ES_OK) {
    /* synchronised batch norm has added those of all ranks already */
    const bool separate = c != NULL && net->options.sync == NULL;
    if (separate) es_comm_sum_f64(c, sum, (int64_t) size_of(net));
    st = store(net, sum, statistics);
    if (c != NULL) st = es_comm_agree(c, st);
  }
  es_free(&sum);
  es_free(&statistics);
  void *done = net->memory.collected;
  if (done != NULL) net->backend->ops->release(net->backend, &done);
  net->memory.collected = NULL;
  return st;
}
