/* SPDX-License-Identifier: BSD-3-Clause */
/** @file control.c  What the environment asks of the double, mistakes of its caller, and
 *  what was not given back.
 *
 *  CUDA_HOST_SEED=N                   the random order of streams, blocks and threads
 *  CUDA_HOST_FAULT=NAME:RANK:CALL     that call on that rank fails (names: host.h), on
 *                                     every rank if it is -1
 *  CUDA_HOST_FAULT=list               the numbers of calls are printed at the end, and
 *                                     the device of each rank
 *  CUDA_HOST_KERNELS=none             there are no kernels for the devices
 *  CUDA_HOST_FORGET=N                 the stream created as number N waits for no event
 *  CUDA_HOST_CUBLASLT=N               another version of cuBLASLt
 *  CUDA_HOST_DEVICES=N                devices of this node; 8 without it */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "host.h"

enum { DEVICES = 8, LEAKED = 97 };

static const char *const call_name[CUDA_HOST_CALLS] = {
    "device", "memory",  "pinned",   "launch",      "copy",      "stream",
    "event",  "handle",  "product",  "convolution", "reduction", "async",
    "join",   "capture", "instance", "replay",      "sync",
};
static const char *const kind_name[CUDA_HOST_KINDS] = {
    "device buffers", "pinned buffers", "streams", "events",
    "handles",        "descriptors",    "graphs",
};

static struct {
  bool ready, list, no_kernels;
  int devices, device; /**< how many there are; the one in use */
  int fault;           /**< call that fails; CUDA_HOST_CALLS: none */
  long number;         /**< the how many-th */
  long count[CUDA_HOST_CALLS];
  bool broken;   /**< "sync" has failed: all that follows does */
  int forgotten; /**< number of the stream that waits for no event */
  int held[CUDA_HOST_KINDS];
  uint64_t random;
  cudaError_t last;
} state;

static int rank(void) {
  const char *const r = getenv("OMPI_COMM_WORLD_RANK");
  return r != NULL ? atoi(r) : 0;
}

/** At the end of the program. */
static void report(int code, void *unused) {
  (void) unused;
  int left = 0;
  for (int i = 0; i < CUDA_HOST_CALLS && state.list; i++)
    fprintf(stderr, "cuda_host: rank %d: %s %ld\n", rank(), call_name[i], state.count[i]);
  if (state.list) fprintf(stderr, "cuda_host: GPU %d of rank %d\n", state.device, rank());
  for (int i = 0; i < CUDA_HOST_KINDS; i++) {
    if (state.held[i] == 0) continue;
    fprintf(stderr, "cuda_host: %d %s were not freed\n", state.held[i], kind_name[i]);
    left++;
  }
  fflush(NULL);
  if (left > 0 && code == 0) _exit(LEAKED);
}

static void read_fault(const char *fault) {
  char name[16];
  int which = -1;
  if (fault == NULL) return;
  state.list = strcmp(fault, "list") == 0;
  if (sscanf(fault, "%15[^:]:%d:%ld", name, &which, &state.number) != 3) return;
  for (int i = 0; i < CUDA_HOST_CALLS && (which == rank() || which == -1); i++)
    if (strcmp(name, call_name[i]) == 0) state.fault = i;
}

static void setup(void) {
  if (state.ready) return;
  const char *const seed = getenv("CUDA_HOST_SEED");
  const char *const devices = getenv("CUDA_HOST_DEVICES");
  const char *const forget = getenv("CUDA_HOST_FORGET");
  const char *const kernels = getenv("CUDA_HOST_KERNELS");
  state.ready = true;
  state.fault = CUDA_HOST_CALLS;
  state.random = (seed != NULL ? strtoull(seed, NULL, 10) : 1) + 1000 * (uint64_t) rank();
  state.devices = devices != NULL ? atoi(devices) : DEVICES;
  read_fault(getenv("CUDA_HOST_FAULT"));
  state.no_kernels = kernels != NULL && strcmp(kernels, "none") == 0;
  state.forgotten = forget != NULL ? atoi(forget) : 0;
  on_exit(report, NULL);
}

bool cuda_host_fails(cuda_host_call which) {
  setup();
  state.count[which]++;
  if (state.broken) return true;
  if (state.fault != (int) which || state.count[which] != state.number) return false;
  fprintf(stderr, "fault: call %ld of kind %s\n", state.number, call_name[which]);
  state.broken = which == CUDA_HOST_SYNC;
  return true;
}

bool cuda_host_has_kernels(void) {
  setup();
  return !state.no_kernels;
}

bool cuda_host_forgets(int stream) {
  setup();
  return stream == state.forgotten;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
unsigned cuda_host_random(unsigned n) {
  setup();
  uint64_t z = state.random += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (unsigned) ((z ^ (z >> 31)) % n);
}

void cuda_host_mistake(const char *format, ...) {
  va_list a;
  va_start(a, format);
  fputs("cuda_host: ", stderr);
  vfprintf(stderr, format, a);
  fputc('\n', stderr);
  va_end(a);
  abort();
}

void cuda_host_hold(cuda_host_kind kind, int change) {
  setup();
  state.held[kind] += change;
}

void *cuda_host_alloc(size_t bytes) {
  void *const p = calloc(1, bytes > 0 ? bytes : 1);
  if (p == NULL) cuda_host_mistake("no memory on the host for %zu bytes", bytes);
  return p;
}

cudaError_t cuda_host_note(cudaError_t error) {
  if (error != cudaSuccess) state.last = error;
  return error;
}

cudaError_t cudaGetLastError(void) {
  const cudaError_t last = state.last;
  state.last = cudaSuccess;
  return last;
}

cudaError_t cudaGetDeviceCount(int *count) {
  setup();
  *count = 0;
  if (state.devices == 0 || cuda_host_fails(CUDA_HOST_DEVICE))
    return cuda_host_note(cudaErrorNoDevice);
  *count = state.devices;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= state.devices)
    return cuda_host_note(cudaErrorInvalidDevice);
  state.device = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
  *device = state.device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device) {
  if (device < 0 || device >= state.devices)
    return cuda_host_note(cudaErrorInvalidDevice);
  size_t available;
  *p = (struct cudaDeviceProp){.major = 9, .multiProcessorCount = 132};
  snprintf(p->name, sizeof p->name, "host double %d", device);
  return cudaMemGetInfo(&available, &p->totalGlobalMem);
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int room, int device) {
  if (device < 0 || device >= state.devices)
    return cuda_host_note(cudaErrorInvalidDevice);
  snprintf(id, (size_t) room, "0000:%02x:00.0", (unsigned) device);
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = 13000;
  return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error) {
  switch (error) {
  case cudaSuccess:
    return "no error";
  case cudaErrorInvalidValue:
    return "invalid argument";
  case cudaErrorMemoryAllocation:
    return "out of memory";
  case cudaErrorInvalidConfiguration:
    return "invalid configuration argument";
  case cudaErrorInsufficientDriver:
    return "CUDA driver version is insufficient for CUDA runtime version";
  case cudaErrorNoDevice:
    return "no CUDA-capable device is detected";
  case cudaErrorNoKernelImageForDevice:
    return "no kernel image is available for execution on the device";
  case cudaErrorInvalidDevice:
    return "invalid device ordinal";
  case cudaErrorInvalidResourceHandle:
    return "invalid resource handle";
  case cudaErrorNotReady:
    return "device not ready";
  case cudaErrorIllegalAddress:
    return "an illegal memory access was encountered";
  case cudaErrorStreamCaptureUnsupported:
    return "operation not permitted when stream is capturing";
  case cudaErrorStreamCaptureInvalidated:
    return "operation failed due to a previous error during capture";
  case cudaErrorStreamCaptureUnjoined:
    return "capturing stream has unjoined work";
  case cudaErrorStreamCaptureIsolation:
    return "dependency created on uncaptured work in another stream";
  case cudaErrorCapturedEvent:
    return "operation not permitted on an event last recorded in a capturing stream";
  case cudaErrorLaunchOutOfResources:
    return "too many resources requested for launch";
  default:
    return "unknown error";
  }
}
