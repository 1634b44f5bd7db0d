/* SPDX-License-Identifier: BSD-3-Clause */
/** @file queue.h  What queue.c and graph.c know of streams and events. */
#ifndef ES_CUDA_HOST_QUEUE_H
#define ES_CUDA_HOST_QUEUE_H

#include <time.h>
#include "host.h"

enum {
  CUDA_HOST_WAITS = 8,                  /* events that a stream waits for at a time */
  CUDA_HOST_AFTER = CUDA_HOST_WAITS + 2 /* what a piece of work waits for, at most */
};

/** What the next work of a stream has to wait for: numbers of work, or, while the stream
 *  is captured, of nodes. */
typedef struct cuda_host_order {
  int64_t last; /**< the work before it; 0: none */
  int n_waits;
  int64_t waits[CUDA_HOST_WAITS]; /**< for events */
} cuda_host_order;

struct CUstream_st {
  int created; /**< as the how many-th, from 1 */
  cuda_host_order order;
  bool captured; /**< by the capture that is going on */
  cuda_host_order nodes;
};

struct CUevent_st {
  int64_t recorded; /**< the work that records it last; 0: never */
  int64_t capture;  /**< the capture in which it was recorded last; 0: in none */
  int64_t node;     /**< and the node that it stands for */
  int pending;      /**< records that have not run */
  bool timed;
  struct timespec at; /**< when the last of them ran */
};

/** Queue work after that of these numbers. @return its number */
int64_t cuda_host_enqueue(const cuda_host_work *w, const int64_t *after, int n);
/** The numbers in an order. @return how many */
int cuda_host_after(const cuda_host_order *o, int64_t after[CUDA_HOST_AFTER]);

/* graph.c: for calls on a stream while it is captured */

/** Keep work as a node. */
void cuda_host_keep(cudaStream_t s, const cuda_host_work *w);
/** e stands for the work so far. */
void cuda_host_keep_event(cudaEvent_t e, cudaStream_t s);
/** s waits for e, one of them captured; s is captured from then on. */
cudaError_t cuda_host_keep_wait(cudaStream_t s, cudaEvent_t e);
/** Was it recorded in the capture that is going on? */
bool cuda_host_is_kept(const struct CUevent_st *e);

#endif
