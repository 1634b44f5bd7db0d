/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_cuda_graph.c  Streams that the double of the CUDA runtime captures: a graph
 *  runs what was captured with the arguments that it had then, in any order that its
 *  events allow; what may not be captured fails. All is tried in child processes. */
#define _DEFAULT_SOURCE
#include "cuda_host_rig.h"

static void capture(cudaStream_t s) {
  assert_int_equal(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal),
                   cudaSuccess);
}

/** The graph of what was captured. */
static cudaGraphExec_t captured(cudaStream_t s) {
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaSuccess);
  assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  assert_int_equal(cudaGraphDestroy(graph), cudaSuccess);
  return exec;
}

static unsigned char byte_of(cudaStream_t s, const void *p) {
  unsigned char got;
  cudaMemcpyAsync(&got, p, 1, cudaMemcpyDeviceToHost, s);
  return got;
}

/** b copies a byte from x to y, which a sets; a joins b again. */
static cudaGraphExec_t two_streams(cudaStream_t a, cudaStream_t b, char *x, char *y,
                                   cudaEvent_t e) {
  capture(a);
  cudaMemsetAsync(x, 3, 1, a);
  cudaEventRecord(e, a);
  cudaStreamWaitEvent(b, e, 0);
  cudaMemcpyAsync(y, x, 1, cudaMemcpyDeviceToDevice, b);
  cudaEventRecord(e, b);
  cudaMemsetAsync(x + 1, 4, 1, a);
  cudaStreamWaitEvent(a, e, 0);
  return captured(a);
}

/** Nothing runs while a stream is captured; a launch runs all of it, in the order that
 *  events allow, behind what was queued before. */
static int graph_of_two(int forget) {
  char number[16];
  snprintf(number, sizeof number, "%d", forget);
  setenv("CUDA_HOST_FORGET", number, 1);
  const cudaStream_t a = stream(), b = stream();
  char *const x = device(2), *const y = device(1);
  cudaEvent_t e;
  int wrong = 0;
  cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
  cudaMemsetAsync(y, 1, 1, a);
  const cudaGraphExec_t exec = two_streams(a, b, x, y, e);
  if (byte_of(a, y) != 1) return 100;
  for (int i = 0; i < ROUNDS; i++) {
    cudaMemsetAsync(x, 9, 1, a);
    if (cudaGraphLaunch(exec, a) != cudaSuccess) return 101;
    wrong += byte_of(a, y) != 3;
  }
  cudaGraphExecDestroy(exec);
  cudaFree(x);
  cudaFree(y);
  cudaEventDestroy(e);
  cudaStreamDestroy(a);
  cudaStreamDestroy(b);
  return wrong < 100 ? wrong : 99;
}

static int joined(void) {
  return graph_of_two(0);
}

static int without_event(void) {
  return graph_of_two(2);
}

static void set_to(const void *body, const cuda_host_place *place) {
  const struct { unsigned char *at, value; } *const b = body;
  if (place->thread == 0) *b->at = b->value;
}

/** A graph keeps the arguments of its capture: a value that has changed since, memory
 *  that was given back. */
static int stale(bool frees) {
  struct {
    unsigned char *at, value;
  } body = {device(1), 5};
  const cuda_host_kernel k = {set_to, "kernel", &body, sizeof body, 256};
  const cuda_host_grid g = {1, N, 0};
  const cudaStream_t s = stream();
  capture(s);
  cuda_host_launch(s, &g, &k);
  const cudaGraphExec_t exec = captured(s);
  body.value = 6;
  if (frees) cudaFree(body.at);
  cudaGraphLaunch(exec, s);
  cudaStreamSynchronize(s);
  const int got = byte_of(s, body.at);
  cudaGraphExecDestroy(exec);
  cudaFree(body.at);
  cudaStreamDestroy(s);
  return got;
}

static int stale_value(void) {
  return stale(false);
}

static int stale_address(void) {
  return stale(true);
}

/** Does a call fail while a stream is captured, and the capture with it? 0: yes. */
static int refused(cudaError_t (*call)(cudaStream_t s, cudaEvent_t e), cudaError_t ends) {
  const cudaStream_t s = stream();
  cudaGraph_t graph;
  cudaEvent_t e;
  cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
  cudaEventRecord(e, s);
  capture(s);
  const bool failed = call(s, e) != cudaSuccess;
  const cudaError_t ended = cudaStreamEndCapture(s, &graph);
  cudaEventDestroy(e);
  cudaStreamDestroy(s);
  return graph != NULL || ended != ends ||
         (!failed && ends != cudaErrorStreamCaptureUnjoined);
}

static cudaError_t call_malloc(cudaStream_t s, cudaEvent_t e) {
  void *p;
  (void) s, (void) e;
  return cudaMalloc(&p, 1);
}

static cudaError_t call_sync(cudaStream_t s, cudaEvent_t e) {
  (void) e;
  return cudaStreamSynchronize(s);
}

static cudaError_t call_query(cudaStream_t s, cudaEvent_t e) {
  (void) s;
  return cudaEventQuery(e);
}

static cudaError_t call_outside(cudaStream_t s, cudaEvent_t e) {
  return cudaStreamWaitEvent(s, e, 0);
}

/** Another stream, which is not destroyed, joins the capture, and the first does not wait
 *  for it. */
static cudaError_t call_unjoined(cudaStream_t s, cudaEvent_t e) {
  const cudaStream_t other = stream();
  cudaEventRecord(e, s);
  cudaStreamWaitEvent(other, e, 0);
  return cudaEventRecord(e, other);
}

static int unsafe_calls(void) {
  const cudaError_t invalid = cudaErrorStreamCaptureInvalidated;
  return refused(call_malloc, invalid) + 2 * refused(call_sync, invalid) +
         4 * refused(call_query, invalid) + 8 * refused(call_outside, invalid) +
         16 * refused(call_unjoined, cudaErrorStreamCaptureUnjoined);
}

static int leak_graph(void) {
  const cudaStream_t s = stream();
  capture(s);
  captured(s);
  return cudaStreamDestroy(s) != cudaSuccess;
}

static void a_launch_runs_what_was_captured(void **state) {
  char said[4096];
  (void) state;
  assert_int_equal(child(joined, said, sizeof said), 0);
  const int wrong = child(without_event, said, sizeof said);
  assert_true(wrong > ROUNDS / 8 && wrong < 99);
}

static void a_stale_argument_is_seen(void **state) {
  char said[4096];
  (void) state;
  assert_int_equal(child(stale_value, said, sizeof said), 5);
  ends_with(stale_address, "kernel: touches");
}

static void what_cannot_be_captured_is_refused(void **state) {
  char said[4096];
  (void) state;
  assert_int_equal(child(unsafe_calls, said, sizeof said), LEAKED); /* a stream */
  assert_null(strstr(said, "graphs"));
}

static void graphs_are_freed(void **state) {
  char said[4096];
  (void) state;
  assert_int_equal(child(leak_graph, said, sizeof said), LEAKED);
  assert_non_null(strstr(said, "1 graphs were not freed"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_launch_runs_what_was_captured),
      cmocka_unit_test(a_stale_argument_is_seen),
      cmocka_unit_test(what_cannot_be_captured_is_refused),
      cmocka_unit_test(graphs_are_freed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
