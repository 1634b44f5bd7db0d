/* SPDX-License-Identifier: BSD-3-Clause */
/** @file queue.c  Streams and events: work waits in a list, and is run in a random order
 *  of those that streams and events allow, some of it early, most of it when the host
 *  waits.
 *
 *  Work has a number, ascending; it may run when all work that it waits for is done: the
 *  one before it on its stream, and those of the events that the stream waited for since.
 *  A consumer on another stream without its event therefore reads, for some seed, what is
 *  not yet there. */
#include "queue.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 512 };

/** One piece of work. */
typedef struct entry {
  int64_t number;
  cuda_host_work work;
  void *payload; /**< owned */
  bool begun;    /**< it has run; it may still be polled */
  int n_after;
  int64_t after[CUDA_HOST_AFTER]; /**< numbers of what it waits for */
} entry;

/** How the next is chosen among those that may run. */
typedef enum policy { ANY, NEWEST, OLDEST, POLICIES } policy;

static struct {
  int streams;     /**< created */
  int64_t numbers; /**< given out */
  int n;
  entry *pending[WINDOW]; /**< in order of numbers */
  bool done[WINDOW];      /**< of number % WINDOW, of the last WINDOW numbers */
  policy policy;
} state;

static bool is_done(int64_t number) {
  return number == 0 || number <= state.numbers - WINDOW || state.done[number % WINDOW];
}

static bool may_run(const entry *e) {
  for (int i = 0; i < e->n_after; i++)
    if (!is_done(e->after[i])) return false;
  return true;
}

/** Run or poll pending work i. @return whether it is done, and no longer pending */
static bool advance(int i) {
  entry *const e = state.pending[i];
  cuda_host_enter(e->work.name);
  if (!e->begun) e->work.run(e->payload);
  e->begun = true;
  if (e->work.poll != NULL && !e->work.poll(e->payload)) return false;
  state.done[e->number % WINDOW] = true;
  state.n--;
  memmove(&state.pending[i], &state.pending[i + 1],
          (size_t) (state.n - i) * sizeof *state.pending);
  free(e->payload);
  free(e);
  return true;
}

/** One piece of work becomes done, chosen as the policy says of those that may.
 *  @return false: all of them wait for other processes */
static bool step(void) {
  int ready[WINDOW], n = 0;
  for (int i = 0; i < state.n; i++)
    if (may_run(state.pending[i])) ready[n++] = i;
  if (n == 0) return false;
  int first = (int) cuda_host_random((unsigned) n);
  if (state.policy == OLDEST) first = 0;
  if (state.policy == NEWEST) first = n - 1;
  for (int i = 0; i < n; i++)
    if (advance(ready[(first + i) % n])) return true;
  return false;
}

/** The host does not go on before that. */
static void run_until(int64_t number) {
  while (!is_done(number))
    if (!step()) sched_yield();
  cuda_host_leave();
  state.policy = (policy) cuda_host_random(POLICIES);
}

/** Some of what may run does so while the host goes on. */
static void run_some(void) {
  if (cuda_host_random(2) == 0) return;
  for (unsigned i = cuda_host_random(4); i > 0; i--) (void) step();
  cuda_host_leave();
}

/** Where work of this number is pending. */
static int find(int64_t number) {
  int i = 0;
  while (state.pending[i]->number != number) i++;
  return i;
}

/** Run work and all before it, without waiting. @return whether it is done */
static bool push(int64_t number) {
  if (is_done(number)) return true;
  const entry *const e = state.pending[find(number)];
  for (int i = 0; i < e->n_after; i++)
    if (!push(e->after[i])) return false;
  return advance(find(number));
}

void cuda_host_begin(int64_t number) {
  (void) push(number);
  cuda_host_leave();
}

int cuda_host_after(const cuda_host_order *o, int64_t after[CUDA_HOST_AFTER]) {
  int n = 0;
  if (o->last > 0) after[n++] = o->last;
  for (int i = 0; i < o->n_waits; i++) after[n++] = o->waits[i];
  return n;
}

int64_t cuda_host_enqueue(const cuda_host_work *w, const int64_t *after, int n) {
  if (state.n > 0 && state.pending[0]->number <= state.numbers + 1 - WINDOW)
    run_until(state.pending[0]->number);
  entry *const e = cuda_host_alloc(sizeof *e);
  e->number = ++state.numbers;
  e->work = *w;
  e->payload = cuda_host_alloc(w->bytes);
  if (w->bytes > 0) memcpy(e->payload, w->payload, w->bytes);
  for (int i = 0; i < n; i++) e->after[e->n_after++] = after[i];
  if (w->chain != NULL) {
    e->after[e->n_after++] = *w->chain;
    *w->chain = e->number;
  }
  state.done[e->number % WINDOW] = false;
  state.pending[state.n++] = e;
  const int64_t number = e->number;
  run_some(); /* and e may be gone */
  return number;
}

int64_t cuda_host_queue(cudaStream_t s, const cuda_host_work *w) {
  int64_t after[CUDA_HOST_AFTER];
  if (s == NULL) cuda_host_mistake("%s: on the default stream", w->name);
  if (s->captured) {
    cuda_host_keep(s, w);
    return 0;
  }
  const int n = cuda_host_after(&s->order, after);
  s->order = (cuda_host_order){.last = cuda_host_enqueue(w, after, n)};
  return s->order.last;
}

void cuda_host_finish(cudaStream_t s) {
  if (s == NULL) cuda_host_mistake("the host waits for the default stream");
  run_until(s->order.last);
  for (int i = 0; i < s->order.n_waits; i++) run_until(s->order.waits[i]);
}

void cuda_host_finish_all(void) {
  while (state.n > 0) run_until(state.pending[state.n - 1]->number);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
  *stream = NULL;
  if (flags != cudaStreamNonBlocking) /* it would wait for the default stream */
    return cuda_host_note(cudaErrorInvalidValue);
  if (cuda_host_fails(CUDA_HOST_STREAM)) return cuda_host_note(cudaErrorUnknown);
  *stream = cuda_host_alloc(sizeof **stream);
  (*stream)->created = ++state.streams;
  cuda_host_hold(CUDA_HOST_STREAMS, 1);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
  if (s == NULL || s->captured) return cuda_host_note(cudaErrorInvalidResourceHandle);
  cuda_host_finish(s);
  free(s);
  cuda_host_hold(CUDA_HOST_STREAMS, -1);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (cuda_host_fails(CUDA_HOST_SYNC)) return cuda_host_note(cudaErrorIllegalAddress);
  cuda_host_finish(s);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) {
  *event = NULL;
  if (cuda_host_fails(CUDA_HOST_EVENT)) return cuda_host_note(cudaErrorUnknown);
  *event = cuda_host_alloc(sizeof **event);
  (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  cuda_host_hold(CUDA_HOST_EVENTS, 1);
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e) {
  if (e == NULL) return cuda_host_note(cudaErrorInvalidResourceHandle);
  while (e->pending > 0)
    if (!step()) sched_yield();
  cuda_host_leave();
  free(e);
  cuda_host_hold(CUDA_HOST_EVENTS, -1);
  return cudaSuccess;
}

static void record(void *payload) {
  const cudaEvent_t e = *(const cudaEvent_t *) payload;
  clock_gettime(CLOCK_MONOTONIC, &e->at);
  e->pending--;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  if (cuda_host_fails(CUDA_HOST_EVENT)) return cuda_host_note(cudaErrorUnknown);
  if (s != NULL && s->captured) {
    cuda_host_keep_event(e, s);
    return cudaSuccess;
  }
  const cuda_host_work w = {
      .name = "cudaEventRecord", .run = record, .payload = &e, .bytes = sizeof e};
  e->pending++;
  e->capture = 0;
  e->recorded = cuda_host_queue(s, &w);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) {
  if (s == NULL || flags != 0) return cuda_host_note(cudaErrorInvalidValue);
  if (e->recorded == 0 && e->capture == 0)
    cuda_host_mistake("a stream waits for an event never recorded");
  if (s->captured || cuda_host_is_kept(e)) return cuda_host_keep_wait(s, e);
  if (e->capture != 0) return cuda_host_note(cudaErrorCapturedEvent);
  if (cuda_host_forgets(s->created)) return cudaSuccess;
  if (s->order.n_waits == CUDA_HOST_WAITS)
    cuda_host_mistake("a stream waits for %d events", CUDA_HOST_WAITS + 1);
  s->order.waits[s->order.n_waits++] = e->recorded;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (e->capture != 0) return cuda_host_note(cudaErrorCapturedEvent);
  if (cuda_host_fails(CUDA_HOST_SYNC)) return cuda_host_note(cudaErrorIllegalAddress);
  run_until(e->recorded);
  return cudaSuccess;
}

/** Is work of this number done? While it is not, some runs. */
static cudaError_t query(int64_t number) {
  enum { STEPS = 64 };
  if (!is_done(number)) {
    for (unsigned i = cuda_host_random(STEPS); i > 0; i--)
      if (!step()) sched_yield();
    cuda_host_leave();
    return cuda_host_note(cudaErrorNotReady);
  }
  state.policy = (policy) cuda_host_random(POLICIES);
  if (cuda_host_fails(CUDA_HOST_SYNC)) return cuda_host_note(cudaErrorIllegalAddress);
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t s) {
  if (s == NULL) cuda_host_mistake("the host asks for the default stream");
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  for (int i = 0; i < s->order.n_waits; i++)
    if (!is_done(s->order.waits[i])) return query(s->order.waits[i]);
  return query(s->order.last);
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
  if (cuda_host_unsafe()) return cuda_host_note(cudaErrorStreamCaptureUnsupported);
  if (e->capture != 0) return cuda_host_note(cudaErrorCapturedEvent);
  return query(e->recorded);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) {
  if (!start->timed || !end->timed || start->recorded == 0 || end->recorded == 0)
    return cuda_host_note(cudaErrorInvalidResourceHandle);
  if (!is_done(start->recorded) || !is_done(end->recorded))
    return cuda_host_note(cudaErrorNotReady);
  *ms = 1e3f * (float) (end->at.tv_sec - start->at.tv_sec) +
        1e-6f * (float) (end->at.tv_nsec - start->at.tv_nsec);
  return cudaSuccess;
}
