/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reduction.c  NCCL by MPI, without waiting where the host does not: a sum begins
 *  at its call if what it waits for can run, and ends when the ranks have begun it. Sums
 *  of a communicator run in the order of their calls, also over several streams, as ranks
 *  would otherwise wait for each other in different ones; those of two communicators run
 *  beside each other. As with NCCL, a rank that does not call leaves the others
 *  waiting; and all ranks call, or launch graphs of the same capture. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "nccl.h"

struct ncclComm {
  MPI_Comm mpi;
  int64_t last;    /**< its last sum that was queued */
  int kept;        /**< its sums in graphs */
  int64_t capture; /**< the last in which it had a sum */
  int captures;    /**< that had one, so far */
  bool aborted;    /**< its sums end as they are */
  bool failed;     /**< one of its sums has begun that never ends */
};

/** What an ncclUniqueId of the double holds. */
typedef struct identity {
  int root; /**< process that made it, in MPI_COMM_WORLD */
  int tag;  /**< of its messages */
} identity;

static struct { int identities; } state;

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  enum { TAGS = 1 << 14 };
  identity made = {.tag = state.identities++ % TAGS};
  if (cuda_host_fails(CUDA_HOST_HANDLE)) return ncclSystemError;
  MPI_Comm_rank(MPI_COMM_WORLD, &made.root);
  memset(id, 0, sizeof *id);
  memcpy(id->internal, &made, sizeof made);
  return ncclSuccess;
}

/** The process of each rank, which the root collects and tells. */
static void gather(const identity *id, int ranks, int rank, int *process) {
  int mine[2] = {rank}, *const all = cuda_host_alloc((size_t) ranks * sizeof mine);
  MPI_Request sent;
  MPI_Comm_rank(MPI_COMM_WORLD, &mine[1]);
  MPI_Isend(mine, 2, MPI_INT, id->root, id->tag, MPI_COMM_WORLD, &sent);
  if (mine[1] == id->root) {
    for (int i = 0; i < ranks; i++)
      MPI_Recv(all + 2 * i, 2, MPI_INT, MPI_ANY_SOURCE, id->tag, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
    for (int i = 0; i < ranks; i++) process[all[2 * i]] = all[2 * i + 1];
    for (int i = 0; i < ranks; i++)
      if (process[i] != id->root)
        MPI_Send(process, ranks, MPI_INT, process[i], id->tag, MPI_COMM_WORLD);
  } else {
    MPI_Recv(process, ranks, MPI_INT, id->root, id->tag, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
  }
  MPI_Wait(&sent, MPI_STATUS_IGNORE);
  free(all);
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
  identity made;
  *comm = NULL;
  if (ranks < 1 || rank < 0 || rank >= ranks) return ncclInvalidArgument;
  if (cuda_host_fails(CUDA_HOST_JOIN)) return ncclSystemError;
  memcpy(&made, id.internal, sizeof made);
  int *const process = cuda_host_alloc((size_t) ranks * sizeof *process);
  gather(&made, ranks, rank, process);
  MPI_Group world, group;
  *comm = cuda_host_alloc(sizeof **comm);
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Group_incl(world, ranks, process, &group);
  MPI_Comm_create_group(MPI_COMM_WORLD, group, made.tag, &(*comm)->mpi);
  MPI_Group_free(&group);
  MPI_Group_free(&world);
  free(process);
  cuda_host_hold(CUDA_HOST_HANDLES, 1);
  return ncclSuccess;
}

/** NCCL would wait without end for the graphs to be destroyed. */
static void check_kept(ncclComm_t comm, const char *call) {
  if (comm->kept > 0)
    cuda_host_mistake("%s: a graph holds a sum of the communicator", call);
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm == NULL) return ncclInvalidArgument;
  check_kept(comm, "ncclCommDestroy");
  cuda_host_finish_all();
  MPI_Comm_free(&comm->mpi);
  free(comm);
  cuda_host_hold(CUDA_HOST_HANDLES, -1);
  return ncclSuccess;
}

/* As the other ranks may never begin what is pending, its memory is left to MPI. */
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm == NULL) return ncclInvalidArgument;
  check_kept(comm, "ncclCommAbort");
  comm->aborted = true;
  cuda_host_finish_all();
  free(comm);
  cuda_host_hold(CUDA_HOST_HANDLES, -1);
  return ncclSuccess;
}

typedef struct sum {
  ncclComm_t of;
  const void *from;
  void *to;
  int n;
  bool f64, fails;  /**< fails: it never ends */
  void *mine, *all; /**< owned, from begin_sum to end_sum: MPI may read memory by other
                         ways than loads, which would not open a buffer */
  int capture[2];   /**< of its communicator, c: c and -c; 0: it was called */
  int captures[2];  /**< the maxima over ranks */
  MPI_Request request[2];
} sum;

static size_t bytes_of(const sum *s) {
  return (size_t) s->n * (s->f64 ? sizeof(double) : sizeof(float));
}

static void begin_sum(void *payload) {
  sum *const s = payload;
  s->of->failed = s->of->failed || s->fails;
  if (s->fails) return;
  s->mine = cuda_host_alloc(bytes_of(s));
  s->all = cuda_host_alloc(bytes_of(s));
  memcpy(s->mine, s->from, bytes_of(s));
  if (s->of->aborted) return;
  MPI_Iallreduce(s->mine, s->all, s->n, s->f64 ? MPI_DOUBLE : MPI_FLOAT, MPI_SUM,
                 s->of->mpi, &s->request[0]);
  MPI_Iallreduce(s->capture, s->captures, 2, MPI_INT, MPI_MAX, s->of->mpi,
                 &s->request[1]);
}

static bool end_sum(void *payload) {
  sum *const s = payload;
  int done;
  if (s->of->aborted) return true;
  if (s->fails) return false;
  MPI_Testall(2, s->request, &done, MPI_STATUSES_IGNORE);
  if (!done) return false;
  if (s->captures[0] != -s->captures[1])
    cuda_host_mistake("ncclAllReduce: of capture %d, on another rank of %d, expected one",
                      s->captures[0], -s->captures[1]);
  memcpy(s->to, s->all, bytes_of(s));
  free(s->mine);
  free(s->all);
  return true;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t n, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  sum s = {.of = comm, .from = from, .to = to, .n = (int) n, .f64 = type == ncclDouble};
  const size_t bytes = bytes_of(&s);
  const int64_t capture = cuda_host_capture_of(stream);
  if (capture != 0 && capture != comm->capture) {
    comm->capture = capture;
    comm->captures++;
  }
  if (capture != 0) s.capture[0] = comm->captures;
  s.capture[1] = -s.capture[0];
  if (cuda_host_fails(CUDA_HOST_REDUCTION)) return ncclUnhandledCudaError;
  s.fails = cuda_host_fails(CUDA_HOST_ASYNC);
  if (op != ncclSum || n > INT32_MAX || !cuda_host_is_device(from, bytes) ||
      !cuda_host_is_device(to, bytes))
    return ncclInvalidArgument;
  const cuda_host_work w = {.name = "ncclAllReduce",
                            .run = begin_sum,
                            .poll = end_sum,
                            .payload = &s,
                            .bytes = sizeof s,
                            .kept = &comm->kept,
                            .chain = &comm->last};
  cuda_host_begin(cuda_host_queue(stream, &w)); /* other ranks may wait for it */
  return ncclSuccess;
}

/* It tells the rank whose sum failed; the others wait for it. */
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
  *error = comm->failed ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
  switch (result) {
  case ncclSuccess:
    return "no error";
  case ncclUnhandledCudaError:
    return "unhandled cuda error";
  case ncclSystemError:
    return "unhandled system error";
  case ncclInvalidArgument:
    return "invalid argument";
  case ncclRemoteError:
    return "remote process exited or there was a network error";
  default:
    return "internal error";
  }
}
