/* SPDX-License-Identifier: BSD-3-Clause */
/** @file graph.c  Captured streams, and graphs: the nodes of a graph are queued at each
 *  launch, to be run in any order that their dependencies allow.
 *
 *  One capture at a time, in mode cudaStreamCaptureModeThreadLocal: what is unsafe then
 *  fails, and so does the end of the capture. Kernels keep the arguments of their
 *  capture, as on a device. */
#include <stdlib.h>
#include <string.h>
#include "queue.h"

enum { JOINED = 8 };

/** Work that is kept, and the nodes that it comes after. */
typedef struct node {
  cuda_host_work work; /**< payload owned */
  int n_after;
  int64_t after[CUDA_HOST_AFTER]; /**< from 1 */
} node;

/** Nodes in the order of their calls. */
typedef struct nodes {
  node *at; /* owned [n] */
  int64_t n, cap;
  cuda_host_order end; /**< of the stream whose capture it was */
} nodes;

struct CUgraph_st {
  nodes of;
};
struct CUgraphExec_st {
  nodes of;
};

static struct {
  int64_t captures;  /**< begun */
  cudaGraph_t graph; /**< in the making; NULL: no capture */
  bool invalid;
  cudaStream_t stream[JOINED]; /**< that are captured, the first from the beginning */
  int n;
} state;

static void copy_node(nodes *to, const node *from) {
  if (to->n == to->cap) {
    to->cap = 2 * to->cap + 64;
    node *const grown = cuda_host_alloc((size_t) to->cap * sizeof *grown);
    if (to->n > 0) memcpy(grown, to->at, (size_t) to->n * sizeof *grown);
    free(to->at);
    to->at = grown;
  }
  node *const made = &to->at[to->n++];
  void *const payload = cuda_host_alloc(from->work.bytes);
  *made = *from;
  if (from->work.bytes > 0) memcpy(payload, from->work.payload, from->work.bytes);
  made->work.payload = payload;
  if (made->work.kept != NULL) ++*made->work.kept;
}

static void drop(nodes *k) {
  for (int64_t i = 0; i < k->n; i++) {
    if (k->at[i].work.kept != NULL) --*k->at[i].work.kept;
    free((void *) k->at[i].work.payload);
  }
  free(k->at);
}

bool cuda_host_unsafe(void) {
  if (state.graph == NULL) return false;
  state.invalid = true;
  return true;
}

int64_t cuda_host_capture_of(cudaStream_t s) {
  return s != NULL && s->captured ? state.captures : 0;
}

static cudaError_t invalidate(cudaError_t e) {
  state.invalid = true;
  return cuda_host_note(e);
}

void cuda_host_keep(cudaStream_t s, const cuda_host_work *w) {
  node made = {.work = *w};
  made.n_after = cuda_host_after(&s->nodes, made.after);
  copy_node(&state.graph->of, &made);
  s->nodes = (cuda_host_order){.last = state.graph->of.n};
}

static void nothing(void *payload) {
  (void) payload;
}

/* A node of its own: the event stands for all that its stream waits for, too. */
void cuda_host_keep_event(cudaEvent_t e, cudaStream_t s) {
  const cuda_host_work w = {.name = "a captured event", .run = nothing};
  cuda_host_keep(s, &w);
  e->capture = state.captures;
  e->node = s->nodes.last;
}

bool cuda_host_is_kept(const struct CUevent_st *e) {
  return state.graph != NULL && e->capture == state.captures;
}

cudaError_t cuda_host_keep_wait(cudaStream_t s, cudaEvent_t e) {
  if (!cuda_host_is_kept(e)) return invalidate(cudaErrorStreamCaptureIsolation);
  if (!s->captured) {
    if (state.n == JOINED) cuda_host_mistake("a capture of %d streams", JOINED + 1);
    state.stream[state.n++] = s;
    s->captured = true;
    s->nodes = (cuda_host_order){0};
  }
  if (s->nodes.n_waits == CUDA_HOST_WAITS)
    cuda_host_mistake("a stream waits for %d events", CUDA_HOST_WAITS + 1);
  if (!cuda_host_forgets(s->created)) s->nodes.waits[s->nodes.n_waits++] = e->node;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode) {
  if (s == NULL || mode != cudaStreamCaptureModeThreadLocal || state.graph != NULL)
    return cuda_host_note(cudaErrorInvalidValue);
  if (cuda_host_fails(CUDA_HOST_CAPTURE)) return cuda_host_note(cudaErrorUnknown);
  state.captures++;
  state.graph = cuda_host_alloc(sizeof *state.graph);
  state.invalid = false;
  state.stream[0] = s;
  state.n = 1;
  s->captured = true;
  s->nodes = (cuda_host_order){0};
  cuda_host_hold(CUDA_HOST_GRAPHS, 1);
  return cudaSuccess;
}

/** Does every node come before the end of the first stream? */
static bool all_joined(const nodes *k) {
  int64_t end[CUDA_HOST_AFTER];
  bool *const before = cuda_host_alloc((size_t) k->n + 1);
  bool all = true;
  const int n = cuda_host_after(&k->end, end);
  for (int i = 0; i < n; i++) before[end[i]] = true;
  for (int64_t i = k->n; i > 0; i--) {
    all = all && before[i];
    for (int j = 0; j < k->at[i - 1].n_after; j++) before[k->at[i - 1].after[j]] = true;
  }
  free(before);
  return all;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
  *graph = NULL;
  if (state.graph == NULL || s != state.stream[0])
    return cuda_host_note(cudaErrorInvalidValue);
  const cudaGraph_t made = state.graph;
  made->of.end = s->nodes;
  for (int i = 0; i < state.n; i++) state.stream[i]->captured = false;
  state.graph = NULL;
  cudaError_t e = cudaSuccess;
  if (!all_joined(&made->of)) e = cudaErrorStreamCaptureUnjoined;
  if (state.invalid) e = cudaErrorStreamCaptureInvalidated;
  if (cuda_host_fails(CUDA_HOST_CAPTURE)) e = cudaErrorUnknown;
  if (e == cudaSuccess)
    *graph = made;
  else
    (void) cudaGraphDestroy(made);
  return cuda_host_note(e);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (graph == NULL) return cuda_host_note(cudaErrorInvalidValue);
  drop(&graph->of);
  free(graph);
  cuda_host_hold(CUDA_HOST_GRAPHS, -1);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph,
                                 unsigned long long flags) {
  *exec = NULL;
  if (graph == NULL || flags != 0) return cuda_host_note(cudaErrorInvalidValue);
  if (cuda_host_fails(CUDA_HOST_INSTANCE))
    return cuda_host_note(cudaErrorMemoryAllocation);
  *exec = cuda_host_alloc(sizeof **exec);
  for (int64_t i = 0; i < graph->of.n; i++) copy_node(&(*exec)->of, &graph->of.at[i]);
  (*exec)->of.end = graph->of.end;
  cuda_host_hold(CUDA_HOST_GRAPHS, 1);
  return cudaSuccess;
}

/* The device may still run it: its work has copies. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  if (exec == NULL) return cuda_host_note(cudaErrorInvalidValue);
  drop(&exec->of);
  free(exec);
  cuda_host_hold(CUDA_HOST_GRAPHS, -1);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
  int64_t before[CUDA_HOST_AFTER], after[CUDA_HOST_AFTER];
  if (exec == NULL || s == NULL) return cuda_host_note(cudaErrorInvalidValue);
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (cuda_host_fails(CUDA_HOST_REPLAY)) return cuda_host_note(cudaErrorUnknown);
  const nodes *const k = &exec->of;
  int64_t *const number = cuda_host_alloc((size_t) (k->n + 1) * sizeof *number);
  const int n_before = cuda_host_after(&s->order, before);
  for (int64_t i = 0; i < k->n; i++) {
    const node *const one = &k->at[i];
    for (int j = 0; j < one->n_after; j++) after[j] = number[one->after[j]];
    const bool root = one->n_after == 0;
    number[i + 1] = cuda_host_enqueue(&one->work, root ? before : after,
                                      root ? n_before : one->n_after);
    if (one->work.poll != NULL) cuda_host_begin(number[i + 1]);
  }
  const cuda_host_work end = {.name = "the end of a graph", .run = nothing};
  int n = cuda_host_after(&k->end, after);
  for (int j = 0; j < n; j++) after[j] = number[after[j]];
  s->order = (cuda_host_order){
      .last = cuda_host_enqueue(&end, n > 0 ? after : before, n > 0 ? n : n_before)};
  free(number);
  return cudaSuccess;
}
