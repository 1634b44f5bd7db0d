/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_graph.c  Calls as CUDA graphs; cuda_graph.h.
 *
 *  Streams are captured in mode cudaStreamCaptureModeThreadLocal: other threads, such as
 *  those of NCCL, may go on to allocate and to query events, while this one is refused
 *  what a graph cannot hold. */
#include "cuda_graph.h"

#include <stdio.h>
#include "cuda_comm.h"
#include "eigenstep/mem.h"

enum { GRAPHS = 16 };

/** What is to be done with calls, the least that any rank can: NCCL takes a sum from a
 *  graph on all ranks or on none. */
typedef enum stage { REPLAY, CAPTURE, CALL } stage;

/** Calls that were made since memory was last released. */
typedef struct known {
  es_graph_key key;     /**< owner NULL: none */
  cudaGraphExec_t exec; /* owned; NULL: not captured yet */
  int64_t capture;      /**< with sums: the how many-th with sums, on all ranks */
  const int64_t **on;   /* owned [n of cap]; versions that it relies on */
  int n, cap;
} known;

struct es_cuda_graphs {
  known at[GRAPHS];
  int next;         /**< to be replaced */
  known *now;       /**< between begin and end: what is captured, or was launched */
  stage stage;      /**< what is done now */
  int64_t captures; /**< begun */
  int64_t common;   /**< those of them with sums: the same on all ranks */
};

static es_cuda_graphs *graphs_of(const es_backend *b) {
  return es_cuda_of(b)->blocks.graphs;
}

es_status es_cuda_graphs_open(es_backend *b, bool sums) {
  const bool alone = b->comm == NULL || b->comm->size == 1;
  if (b->graph == ES_GRAPH_NEVER) {
    es_phase("backend cuda: calls are queued one by one, without CUDA graphs "
             "(backend.graph, parallel.deterministic)");
    return ES_OK;
  }
  ES_CHECK(
      b->graph != ES_GRAPH_ALWAYS || alone || sums, ES_ECONFIG,
      "backend.graph: got true, but the host takes part in sums over ranks; expected "
      "auto, or a build with NCCL and a GPU for each rank");
  es_phase("backend cuda: forward and backward are CUDA graphs%s",
           alone || sums ? ""
                         : ", but for sums over ranks, in which the host takes part");
  ES_TRY(ES_NEW(1, &es_cuda_of(b)->blocks.graphs));
  graphs_of(b)->stage = CALL;
  return ES_OK;
}

static void forget(known *q) {
  if (q->exec != NULL && cudaGraphExecDestroy(q->exec) != cudaSuccess)
    (void) cudaGetLastError();
  es_free(&q->on);
  *q = (known){0};
}

void es_cuda_graphs_drop(const es_backend *b) {
  es_cuda_graphs *g = graphs_of(b);
  for (int i = 0; g != NULL && i < GRAPHS; i++) forget(&g->at[i]);
}

void es_cuda_graphs_close(es_backend *b) {
  es_cuda_graphs_drop(b);
  es_free(&es_cuda_of(b)->blocks.graphs);
}

static bool same(const es_graph_key *a, const es_graph_key *b) {
  return a->owner == b->owner && a->sums == b->sums && a->n == b->n &&
         a->groups == b->groups && a->mode == b->mode && a->backward == b->backward &&
         a->set_gradients == b->set_gradients && a->begins_sums == b->begins_sums;
}

static known *find(es_cuda_graphs *g, const es_graph_key *k) {
  for (int i = 0; i < GRAPHS; i++)
    if (same(&g->at[i].key, k)) return &g->at[i];
  return NULL;
}

static bool holds(const known *q, int64_t version) {
  for (int i = 0; i < q->n; i++)
    if (*q->on[i] != version) return false;
  return true;
}

/** Collective over k->sums. Where ranks have different numbers of images, they may hold
 *  graphs of different captures, but NCCL wants the sums of one: they capture again. */
static stage agree(const known *q, const es_graph_key *k) {
  const stage mine = q == NULL || !holds(q, k->version) ? CALL
                     : q->exec == NULL                  ? CAPTURE
                                                        : REPLAY;
  const int64_t capture = mine == REPLAY ? q->capture : 0;
  int64_t most[3] = {mine, capture, -capture};
  if (k->sums == NULL) return mine;
  es_comm_max_i64(k->sums, most, 3);
  return most[0] == REPLAY && most[1] != -most[2] ? CAPTURE : (stage) most[0];
}

/** es_cuda_ok of a call for a graph, with what to do without. */
static es_status graph_ok(cudaError_t e, const char *what) {
  char text[128];
  snprintf(text, sizeof text, "%s (backend.graph=false makes the calls one by one)",
           what);
  return es_cuda_ok(e, text);
}

static es_status launch(const es_backend *b, const known *q) {
  return graph_ok(cudaGraphLaunch(q->exec, es_cuda_of(b)->stream), "launching a graph");
}

es_status es_cuda_graph_begin(es_backend *b, const es_graph_key *k, bool *done) {
  es_cuda_graphs *g = graphs_of(b);
  *done = false;
  if (g == NULL || !es_cuda_sums_queue(b, k->sums)) return ES_OK;
  known *q = find(g, k);
  const stage now = agree(q, k);
  if (now == CALL) {
    if (q == NULL) q = &g->at[g->next++ % GRAPHS];
    forget(q);
    q->key = *k;
    return ES_OK;
  }
  g->now = q;
  if (now == CAPTURE) {
    ES_TRY(graph_ok(
        cudaStreamBeginCapture(es_cuda_of(b)->stream, cudaStreamCaptureModeThreadLocal),
        "capturing calls"));
    g->captures++;
    if (k->sums != NULL) q->capture = ++g->common;
    q->n = 0;
  } else {
    ES_TRY(launch(b, q));
    *done = true;
  }
  g->stage = now;
  return ES_OK;
}

/** The graph of what was captured; after a failure what was captured is dropped. */
static es_status keep(es_backend *b, es_status st, cudaGraphExec_t *exec) {
  cudaGraph_t graph = NULL;
  if (st == ES_OK) st = es_cuda_sums_join(b);
  const cudaError_t ended = cudaStreamEndCapture(es_cuda_of(b)->stream, &graph);
  if (st == ES_OK) st = graph_ok(ended, "capturing calls");
  cudaGraphExec_t made = NULL;
  if (st == ES_OK) st = graph_ok(cudaGraphInstantiate(&made, graph, 0), "making a graph");
  if (graph != NULL) (void) cudaGraphDestroy(graph);
  if (st != ES_OK) {
    es_cuda_sums_forget(b);
    (void) cudaGetLastError();
    return st;
  }
  if (*exec != NULL) (void) cudaGraphExecDestroy(*exec); /* another rank lacks it */
  *exec = made;
  return ES_OK;
}

es_status es_cuda_graph_end(es_backend *b, es_status st) {
  es_cuda_graphs *g = graphs_of(b);
  if (g == NULL || g->stage == CALL) return st;
  const bool captured = g->stage == CAPTURE;
  g->stage = CALL;
  if (!captured) return st;
  ES_TRY(keep(b, st, &g->now->exec));
  return launch(b, g->now);
}

es_status es_cuda_graph_sum_begin(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda_graphs *g = graphs_of(b);
  return g != NULL && g->stage == REPLAY ? ES_OK : es_cuda_sum_begin(b, c, p, n);
}

int64_t es_cuda_graph_version(const es_backend *b, int64_t version) {
  const es_cuda_graphs *g = graphs_of(b);
  return g != NULL && g->stage == CAPTURE ? -g->captures : version;
}

es_status es_cuda_graph_relies(const es_backend *b, const int64_t *version) {
  es_cuda_graphs *g = graphs_of(b);
  if (g == NULL || g->stage != CAPTURE) return ES_OK;
  known *q = g->now;
  if (q->n == q->cap) {
    const int cap = 2 * q->cap + 64;
    const int64_t **grown = NULL;
    ES_TRY(ES_NEW(cap, &grown));
    for (int i = 0; i < q->n; i++) grown[i] = q->on[i];
    es_free(&q->on);
    q->on = grown;
    q->cap = cap;
  }
  q->on[q->n++] = version;
  return ES_OK;
}
