/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_comm.c  The device of a rank, and sums over ranks; cuda_comm.h. */
#include "config.h"

#include "cuda_comm.h"

#include <string.h>
#include "cuda_nccl.h"
#include "eigenstep/mem.h"
#include "eigenstep/tree.h"
#include "mpi_devices.h"

enum { BUS_ID = 32 }; /* room for the number of a device on its bus */

struct es_cuda_comm {
  es_cuda_nccl *nccl; /* owned; NULL: not used */
  bool mpi;           /**< MPI reads and writes device memory */
};

/* --- the device -------------------------------------------------------------------- */

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
  *device = c != NULL ? c->node_rank % n : 0;
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

/* --- ways -------------------------------------------------------------------------- */

es_status es_cuda_comm_open(es_backend *b, bool shared) {
  es_cuda *s = es_cuda_of(b);
  const es_comm *c = b->comm;
  ES_TRY(agree(c, ES_NEW(1, &s->comm)));
  if (c == NULL || c->size == 1) return ES_OK;
  if (!shared) ES_TRY(es_cuda_nccl_open(c, &s->comm->nccl));
  int64_t lacks = !es_mpi_takes_devices();
  es_comm_max_i64(c, &lacks, 1);
  s->comm->mpi = lacks == 0;
  es_phase("backend cuda: sums over ranks by %s%s",
           s->comm->nccl != NULL ? "NCCL"
           : s->comm->mpi        ? "MPI from GPU to GPU"
                                 : "pinned memory of the host and MPI",
           shared ? "; ranks share a GPU" : "");
  return ES_OK;
}

void es_cuda_comm_close(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  if (s->comm != NULL) es_cuda_nccl_close(&s->comm->nccl);
  es_free(&s->comm);
}

/* --- sums -------------------------------------------------------------------------- */

/** NCCL's communicator is of the backend's ranks: is c, too? */
static bool by_nccl(const es_backend *b, const es_comm *c) {
  int same = MPI_UNEQUAL;
  if (es_cuda_of(b)->comm->nccl == NULL) return false;
  MPI_Comm_compare(c->mpi, b->comm->mpi, &same);
  return same == MPI_IDENT || same == MPI_CONGRUENT;
}

static es_status sum_by_mpi(es_backend *b, const es_comm *c, const es_cuda_numbers *x) {
  ES_TRY(es_cuda_sync(b));
  if (x->f64)
    es_comm_sum_f64(c, x->p, x->n);
  else
    es_comm_sum_f32(c, x->p, x->n);
  return ES_OK;
}

static void sum_on_host(const es_comm *c, const es_cuda_numbers *x, void *part,
                        int64_t n) {
  if (x->f64 && x->tree)
    es_tree_sum_f64(c, part, n);
  else if (x->f64)
    es_comm_sum_f64(c, part, n);
  else if (x->tree)
    es_tree_sum_f32(c, part, n);
  else
    es_comm_sum_f32(c, part, n);
}

/** Queue the transfer of part `i` to its pinned half, or back. */
static es_status move_part(es_backend *b, const es_cuda_numbers *x, int64_t i,
                           bool down) {
  es_cuda *s = es_cuda_of(b);
  const int64_t size = x->f64 ? 8 : 4, all = x->n * size, at = i * ES_CUDA_STAGE;
  const size_t bytes = (size_t) (all - at < ES_CUDA_STAGE ? all - at : ES_CUDA_STAGE);
  char *const there = (char *) x->p + at, *const here = s->stage.half[i % 2];
  ES_TRY(es_cuda_ok(
      cudaMemcpyAsync(down ? here : there, down ? there : here, bytes,
                      down ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, s->stream),
      "sum over ranks"));
  return es_cuda_ok(cudaEventRecord(s->stage.free[i % 2], s->stream), "sum over ranks");
}

/** Part by part: while one is summed over ranks, the next comes down. */
static es_status sum_staged(es_backend *b, const es_comm *c, const es_cuda_numbers *x) {
  es_cuda *s = es_cuda_of(b);
  const int64_t most = ES_CUDA_STAGE / (x->f64 ? 8 : 4);
  const int64_t parts = (x->n + most - 1) / most;
  ES_TRY(parts > 0 ? move_part(b, x, 0, true) : ES_OK);
  for (int64_t i = 0; i < parts; i++) {
    const int64_t n = x->n - i * most < most ? x->n - i * most : most;
    ES_TRY(es_cuda_ok(cudaEventSynchronize(s->stage.free[i % 2]), "sum over ranks"));
    if (i + 1 < parts) ES_TRY(move_part(b, x, i + 1, true));
    sum_on_host(c, x, s->stage.half[i % 2], n);
    ES_TRY(move_part(b, x, i, false));
  }
  return ES_OK;
}

es_status es_cuda_sum(es_backend *b, const es_comm *c, const es_cuda_numbers *x) {
  const es_cuda *s = es_cuda_of(b);
  if (c == NULL || c->size == 1) return ES_OK;
  if (!x->tree && by_nccl(b, c)) return es_cuda_nccl_sum(s->comm->nccl, x, s->stream);
  return !x->tree && s->comm->mpi ? sum_by_mpi(b, c, x) : sum_staged(b, c, x);
}

es_status es_cuda_allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda_numbers x = {.p = p, .n = (int64_t) n};
  return es_cuda_sum(b, c, &x);
}

es_status es_cuda_treesum(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda_numbers x = {.p = p, .n = (int64_t) n, .tree = true};
  return es_cuda_sum(b, c, &x);
}
