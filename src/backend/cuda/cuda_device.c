/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_device.c  The device of a rank; cuda_comm.h. */
#include "cuda_comm.h"

#include <string.h>
#include "eigenstep/mem.h"

enum { BUS_ID = 32 }; /* room for the number of a device on its bus */

static es_status device_here(const es_comm *c, int *device) {
  int n = 0, driver = 0, built = 0;
  const cudaError_t e = cudaGetDeviceCount(&n);
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  (void) cudaRuntimeGetVersion(&built);
  (void) cudaGetLastError();
  ES_CHECK(
      e != cudaErrorInsufficientDriver || driver == 0, ES_EDEVICE,
      "backend cuda: got a driver for CUDA %d.%d, expected %d.%d or later; update it, "
      "or use backend.name = auto",
      driver / 1000, driver % 1000 / 10, built / 1000, built % 1000 / 10);
  ES_CHECK(n > 0 && e == cudaSuccess, ES_EDEVICE,
           "backend cuda: no GPU can be used on this machine (%s); backend.name = auto "
           "computes on the CPU",
           driver == 0 ? "there is no driver" : cudaGetErrorString(e));
  *device = c != NULL ? c->place % n : 0;
  return es_cuda_ok(cudaSetDevice(*device), "choosing a GPU");
}

static es_status agree(const es_comm *c, es_status st) {
  return c != NULL ? es_comm_agree(c, st) : st;
}

/** Collective over c. Ranks of this node that have the device of this rank, itself
 *  included. Processes may see different devices under the same number. */
static es_status count_sharers(const es_comm *c, int device, int *sharers) {
  char mine[BUS_ID] = {0}, *all = NULL;
  *sharers = 1;
  es_status st = es_cuda_ok(cudaDeviceGetPCIBusId(mine, BUS_ID, device), "naming a GPU");
  if (c == NULL) return st;
  if (st == ES_OK) st = ES_NEW((size_t) c->node_size * BUS_ID, &all);
  ES_TRY(agree(c, st));
  MPI_Allgather(mine, BUS_ID, MPI_CHAR, all, BUS_ID, MPI_CHAR, c->node);
  int same = 0;
  for (int i = 0; i < c->node_size; i++)
    same += memcmp(all + (size_t) i * BUS_ID, mine, BUS_ID) == 0;
  es_free(&all);
  *sharers = same;
  return ES_OK;
}

es_status es_cuda_device_choose(es_backend *b, bool *shared) {
  const es_comm *c = b->comm;
  int device = 0, sharers = 1;
  ES_TRY(agree(c, device_here(c, &device)));
  ES_TRY(count_sharers(c, device, &sharers));
  int64_t most = sharers;
  if (c != NULL) es_comm_max_i64(c, &most, 1);
  *shared = most > 1;
  ES_CHECK(
      !*shared || b->share, ES_ECONFIG,
      "backend cuda: got %lld ranks for one GPU, expected one; start as many ranks a "
      "node as it has GPUs, or set backend.share = true",
      (long long) most);
  return ES_OK;
}
