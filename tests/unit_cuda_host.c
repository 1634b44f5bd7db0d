/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_cuda_host.c  The double of the CUDA runtime finds the mistakes it is for:
 *  an event that is missing, the host that follows a device address, a kernel that leaves
 *  its buffer or needs another barrier, memory that is not freed; and calls fail as
 *  asked. What ends the program is tried in a child process. */
#define _DEFAULT_SOURCE
#include "cuda_host_rig.h"

/** A kernel of one block of N threads. */
static void launch(cudaStream_t s, void (*run)(const void *, const cuda_host_place *),
                   void *p) {
  const cuda_host_kernel k = {run, "kernel", &p, sizeof p, 256};
  const cuda_host_grid g = {1, N, N * sizeof(float)};
  cuda_host_launch(s, &g, &k);
  assert_int_equal(cudaGetLastError(), cudaSuccess);
}

/** What a consumer on a second stream reads of a producer's N bytes of value 1. */
static int consumed(bool with_event) {
  const cudaStream_t a = stream(), b = stream();
  unsigned char *p = device(N), *pinned;
  cudaEvent_t e;
  int wrong = 0;
  assert_int_equal(cudaMallocHost((void **) &pinned, N), cudaSuccess);
  assert_int_equal(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), cudaSuccess);
  cudaMemsetAsync(p, 1, N, a);
  cudaEventRecord(e, a);
  if (with_event) cudaStreamWaitEvent(b, e, 0);
  cudaMemcpyAsync(pinned, p, N, cudaMemcpyDeviceToHost, b);
  assert_int_equal(cudaStreamSynchronize(b), cudaSuccess);
  for (int i = 0; i < N; i++) wrong += pinned[i] != 1;
  cudaFree(p);
  cudaFreeHost(pinned);
  cudaEventDestroy(e);
  cudaStreamDestroy(a);
  cudaStreamDestroy(b);
  return wrong;
}

static void a_missing_event_is_seen(void **state) {
  (void) state;
  int wrong = 0;
  for (int i = 0; i < ROUNDS; i++) {
    assert_int_equal(consumed(true), 0);
    wrong += consumed(false) > 0;
  }
  assert_true(wrong > ROUNDS / 8 && wrong < ROUNDS); /* late as well as in time */
}

/** The host writes to pinned memory that a copy has still to read. */
/** A stream that has nothing but an event to wait for is done once that is. */
static void a_stream_waits_for_events_alone(void **state) {
  (void) state;
  const cudaStream_t a = stream(), b = stream();
  unsigned char *const p = device(N);
  cudaEvent_t e;
  assert_int_equal(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), cudaSuccess);
  for (int i = 0; i < ROUNDS; i++) {
    cudaMemsetAsync(p, 1, N, a);
    cudaEventRecord(e, a);
    cudaStreamWaitEvent(b, e, 0);
    if (i % 2 == 0)
      cudaStreamSynchronize(b);
    else
      while (cudaStreamQuery(b) == cudaErrorNotReady) continue;
    assert_int_equal(cudaEventQuery(e), cudaSuccess);
    cudaMemcpyAsync(p, p + 1, 1, cudaMemcpyDeviceToDevice, b);
  }
  (void) cudaGetLastError(); /* of the queries */
  cudaFree(p);
  cudaEventDestroy(e);
  cudaStreamDestroy(a);
  cudaStreamDestroy(b);
}

static void a_missing_wait_is_seen(void **state) {
  (void) state;
  const cudaStream_t s = stream();
  char *p = device(1), *pinned, got;
  int wrong = 0;
  assert_int_equal(cudaMallocHost((void **) &pinned, 1), cudaSuccess);
  for (int i = 0; i < ROUNDS; i++) {
    *pinned = 1;
    cudaMemcpyAsync(p, pinned, 1, cudaMemcpyHostToDevice, s);
    *pinned = 2;
    cudaMemcpyAsync(&got, p, 1, cudaMemcpyDeviceToHost, s); /* pageable: it waits */
    wrong += got != 1;
  }
  cudaFree(p);
  cudaFreeHost(pinned);
  cudaStreamDestroy(s);
  assert_true(wrong > ROUNDS / 8);
}

static int read_on_host(void) {
  const float *const p = device(N * sizeof(float));
  return p[3] > 0;
}

static int wait_for_nothing(void) {
  cudaEvent_t e;
  cudaEventCreateWithFlags(&e, cudaEventDefault);
  cudaStreamWaitEvent(stream(), e, 0);
  return 0;
}

static int default_stream(void) {
  return cudaMemsetAsync(device(N), 0, N, NULL);
}

static void write_behind(const void *body, const cuda_host_place *place) {
  float *const p = *(float *const *) body;
  p[place->thread + 1] = 1.0f;
}

/** The last thread writes one element too far: to a page without rights, or, where the
 *  buffer does not fill its last 16 bytes, to what cudaFree looks at. */
static int leave_buffer(int elements) {
  const cudaStream_t s = stream();
  void *const p = device((size_t) elements * sizeof(float));
  launch(s, write_behind, p);
  cudaStreamSynchronize(s);
  cudaFree(p);
  return 0;
}

static int leave_buffer_far(void) {
  return leave_buffer(N - 1);
}

static int leave_buffer_near(void) {
  return leave_buffer(N);
}

static void write_in_freed(const void *body, const cuda_host_place *place) {
  if (place->thread == 0) **(float *const *) body = 1.0f;
}

static int use_freed(void) {
  const cudaStream_t s = stream();
  void *const p = device(N);
  cudaFree(p);
  launch(s, write_in_freed, p);
  cudaStreamSynchronize(s);
  return 0;
}

static void leave_shared(const void *body, const cuda_host_place *place) {
  (void) body;
  ((float *) place->shared)[place->thread + 4] = 1.0f;
}

static int leave_shared_array(void) {
  const cudaStream_t s = stream();
  launch(s, leave_shared, NULL);
  cudaStreamSynchronize(s);
  return 0;
}

static void wrong_addresses_end_the_program(void **state) {
  (void) state;
  ends_with(read_on_host, "the host follows a device address");
  ends_with(leave_buffer_far, "kernel: touches an address 144 bytes behind the start");
  ends_with(leave_buffer_near, "written beside a buffer of 148 bytes");
  ends_with(use_freed, "kernel: touches");
  ends_with(leave_shared_array, "kernel: leaves its shared array");
  ends_with(wait_for_nothing, "event never recorded");
  ends_with(default_stream, "on the default stream");
}

/** Each thread passes its number to the next, with as many barriers as it takes. */
static void pass_on(const void *body, const cuda_host_place *place, bool barrier) {
  float *const out = *(float *const *) body, *const shared = place->shared;
  shared[place->thread] = (float) place->thread;
  if (barrier) cuda_host_barrier();
  out[place->thread] = shared[(place->thread + 1) % place->threads];
}

static void with_barrier(const void *body, const cuda_host_place *place) {
  pass_on(body, place, true);
}

static void without_barrier(const void *body, const cuda_host_place *place) {
  pass_on(body, place, false);
}

static bool passed_on(void (*run)(const void *, const cuda_host_place *)) {
  const cudaStream_t s = stream();
  float *const p = device(N * sizeof *p), got[N];
  bool right = true;
  launch(s, run, p);
  cudaMemcpyAsync(got, p, sizeof got, cudaMemcpyDeviceToHost, s);
  for (int i = 0; i < N; i++) right = right && got[i] == (float) ((i + 1) % N);
  cudaFree(p);
  cudaStreamDestroy(s);
  return right;
}

static void some_at_barrier(const void *body, const cuda_host_place *place) {
  (void) body;
  if (place->thread != 5) cuda_host_barrier();
}

static int barrier_of_some(void) {
  const cudaStream_t s = stream();
  launch(s, some_at_barrier, NULL);
  cudaStreamSynchronize(s);
  return 0;
}

static void a_missing_barrier_is_seen(void **state) {
  (void) state;
  for (int i = 0; i < ROUNDS; i++) {
    assert_true(passed_on(with_barrier));
    assert_false(passed_on(without_barrier));
  }
  ends_with(barrier_of_some, "without the barrier");
}

static int leak(void) {
  device(N);
  return 0;
}

/** The second allocation of this rank. */
static int fail_second(void) {
  void *p, *q;
  setenv("CUDA_HOST_FAULT", "memory:0:2", 1);
  if (cudaMalloc(&p, N) != cudaSuccess) return 1;
  if (cudaMalloc(&q, N) != cudaErrorMemoryAllocation || q != NULL) return 2;
  if (cudaGetLastError() != cudaErrorMemoryAllocation) return 3;
  return cudaGetLastError() == cudaSuccess && cudaFree(p) == cudaSuccess ? 0 : 4;
}

static int no_device(void) {
  int n = 1;
  setenv("CUDA_HOST_DEVICES", "0", 1);
  return cudaGetDeviceCount(&n) == cudaErrorNoDevice && n == 0 ? 0 : 1;
}

/** Work that fails is noticed by who waits, and nothing succeeds from then on. */
static int broken_work(void) {
  setenv("CUDA_HOST_FAULT", "sync:0:2", 1);
  const cudaStream_t s = stream();
  void *const p = device(N);
  if (cudaMemsetAsync(p, 0, N, s) != cudaSuccess) return 1;
  if (cudaStreamSynchronize(s) != cudaSuccess) return 2;
  if (cudaMemsetAsync(p, 1, N, s) != cudaSuccess) return 3;
  if (cudaStreamSynchronize(s) != cudaErrorIllegalAddress) return 4;
  if (cudaMemsetAsync(p, 2, N, s) == cudaSuccess) return 5;
  return cudaFree(p) == cudaSuccess && cudaStreamDestroy(s) == cudaSuccess ? 0 : 6;
}

static int no_kernels(void) {
  setenv("CUDA_HOST_KERNELS", "none", 1);
  const cuda_host_kernel k = {NULL, "kernel", "", 1, 256};
  const cuda_host_grid g = {1, N, 0};
  const cudaStream_t s = stream();
  cuda_host_launch(s, &g, &k);
  const cudaError_t e = cudaGetLastError();
  return cudaStreamDestroy(s) == cudaSuccess && e == cudaErrorNoKernelImageForDevice ? 0
                                                                                     : 1;
}

/** The second stream waits for no event: late work of the first is not seen by then. */
static int forgotten_event(void) {
  setenv("CUDA_HOST_FORGET", "2", 1);
  const cudaStream_t a = stream(), b = stream();
  cudaEvent_t e;
  unsigned char *const p = device(1), *got;
  int wrong = 0;
  cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
  cudaMallocHost((void **) &got, 1);
  for (int i = 0; i < ROUNDS; i++) {
    cudaMemsetAsync(p, i, 1, a);
    cudaEventRecord(e, a);
    cudaStreamWaitEvent(b, e, 0);
    cudaMemcpyAsync(got, p, 1, cudaMemcpyDeviceToHost, b);
    cudaStreamSynchronize(b);
    wrong += *got != i;
    cudaStreamSynchronize(a);
  }
  cudaFree(p);
  cudaFreeHost(got);
  cudaEventDestroy(e);
  cudaStreamDestroy(a);
  cudaStreamDestroy(b);
  return wrong > ROUNDS / 8 ? 0 : 1;
}

static void faults_and_leaks(void **state) {
  (void) state;
  char said[4096];
  assert_int_equal(child(leak, said, sizeof said), LEAKED);
  assert_non_null(strstr(said, "1 device buffers were not freed"));
  assert_int_equal(child(fail_second, said, sizeof said), 0);
  assert_non_null(strstr(said, "fault: call 2 of kind memory"));
  assert_int_equal(child(no_device, said, sizeof said), 0);
  assert_int_equal(child(broken_work, said, sizeof said), 0);
  assert_int_equal(child(no_kernels, said, sizeof said), 0);
  assert_int_equal(child(forgotten_event, said, sizeof said), 0);
}

/* The children come first: none of them sees what this process has called. */
int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(faults_and_leaks),
      cmocka_unit_test(wrong_addresses_end_the_program),
      cmocka_unit_test(a_missing_event_is_seen),
      cmocka_unit_test(a_missing_wait_is_seen),
      cmocka_unit_test(a_stream_waits_for_events_alone),
      cmocka_unit_test(a_missing_barrier_is_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
