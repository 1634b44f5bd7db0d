/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_comm.c  Sums over ranks; cuda_comm.h. */
#include "config.h"

#include "cuda_comm.h"

#include <sched.h>
#include "cuda_nccl.h"
#include "eigenstep/mem.h"
#include "eigenstep/tree.h"
#include "mpi_devices.h"

/** A sum that was begun and not ended. */
typedef struct begun {
  const es_comm *comm; /* borrowed */
  es_cuda_numbers x;
  cudaEvent_t ready; /* owned; the numbers are there */
} begun;

/** Where a sum is queued, and what it passes through. */
typedef struct transfer {
  cudaStream_t stream;
  es_cuda_stage *stage;
  const es_cuda_nccl *nccl; /* NULL: not used */
} transfer;

struct es_cuda_comm {
  es_cuda_nccl *nccl;  /* owned; NULL: not used */
  bool mpi;            /**< MPI reads and writes device memory */
  cudaStream_t stream; /* owned; of the sums that were begun */
  es_cuda_stage stage; /* owned; of their transfers */
  begun sum[ES_SUMS];
  int n;            /**< begun */
  cudaEvent_t done; /* owned; the sums are there */
};

/* --- ways -------------------------------------------------------------------------- */

/** What sums beside the calls need. */
static es_status open_beside(es_cuda_comm *k) {
  const unsigned flags = cudaEventDisableTiming;
  ES_TRY(es_cuda_ok(cudaStreamCreateWithFlags(&k->stream, cudaStreamNonBlocking),
                    "creating a stream"));
  ES_TRY(es_cuda_stage_open(&k->stage));
  ES_TRY(es_cuda_ok(cudaEventCreateWithFlags(&k->done, flags), "creating an event"));
  for (int i = 0; i < ES_SUMS; i++)
    ES_TRY(es_cuda_ok(cudaEventCreateWithFlags(&k->sum[i].ready, flags),
                      "creating an event"));
  return ES_OK;
}

static void close_beside(es_cuda_comm *k) {
  if (k->stream != NULL) (void) cudaStreamDestroy(k->stream);
  es_cuda_stage_close(&k->stage);
  if (k->done != NULL) (void) cudaEventDestroy(k->done);
  for (int i = 0; i < ES_SUMS; i++)
    if (k->sum[i].ready != NULL) (void) cudaEventDestroy(k->sum[i].ready);
}

es_status es_cuda_comm_open(es_backend *b, bool shared) {
  es_cuda *s = es_cuda_of(b);
  const es_comm *c = b->comm;
  es_status st = ES_NEW(1, &s->comm);
  if (c == NULL || c->size == 1) return st;
  if (st == ES_OK) st = open_beside(s->comm);
  ES_TRY(es_comm_agree(c, st));
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

void es_cuda_comm_close(es_backend *b, bool broken) {
  es_cuda *s = es_cuda_of(b);
  if (s->comm == NULL) return;
  if (!broken && s->comm->stream != NULL)
    broken = es_cuda_await(b, s->comm->stream, "waiting for sums over ranks") != ES_OK;
  es_cuda_nccl_close(&s->comm->nccl, broken);
  close_beside(s->comm);
  es_free(&s->comm);
}

/* --- waiting ----------------------------------------------------------------------- */

/** Has a sum of NCCL failed? First the sentence, and the end of all ranks unless all have
 *  met an error: they may wait in MPI for this one. Only then is the communicator
 *  aborted, or the device would wait for sums that never end, as soon as memory is
 *  released. An abort waits until no graph holds a sum, and, within a node, perhaps until
 *  all ranks abort. */
static es_status check_sums(const es_backend *b) {
  es_cuda_nccl *const nccl = es_cuda_of(b)->comm->nccl;
  if (es_cuda_nccl_is_aborted(nccl)) return ES_EDEVICE; /* logged */
  const es_status st = es_cuda_nccl_check(nccl);
  if (st == ES_OK) return ES_OK;
  (void) es_comm_abort_if_alone(b->comm, st);
  es_cuda_graphs_drop(b);
  es_cuda_nccl_abort(nccl);
  return st;
}

static es_status await(const es_backend *b, cudaStream_t s, cudaEvent_t e,
                       const char *what) {
  const es_cuda_comm *k = es_cuda_of(b)->comm;
  if (k == NULL || k->nccl == NULL)
    return es_cuda_ok(e != NULL ? cudaEventSynchronize(e) : cudaStreamSynchronize(s),
                      what);
  for (;;) {
    const cudaError_t now = e != NULL ? cudaEventQuery(e) : cudaStreamQuery(s);
    ES_TRY(check_sums(b));
    if (now != cudaErrorNotReady) return es_cuda_ok(now, what);
    (void) cudaGetLastError(); /* that is no error, but would be taken for one */
    sched_yield();
  }
}

es_status es_cuda_await(const es_backend *b, cudaStream_t s, const char *what) {
  return await(b, s, NULL, what);
}

es_status es_cuda_await_event(const es_backend *b, cudaEvent_t e, const char *what) {
  return await(b, NULL, e, what);
}

/* --- sums -------------------------------------------------------------------------- */

/** NCCL's communicators are of the backend's ranks: is c, too? */
static bool by_nccl(const es_backend *b, const es_comm *c) {
  int same = MPI_UNEQUAL;
  if (es_cuda_of(b)->comm->nccl == NULL) return false;
  MPI_Comm_compare(c->mpi, b->comm->mpi, &same);
  return same == MPI_IDENT || same == MPI_CONGRUENT;
}

bool es_cuda_sums_queue(const es_backend *b, const es_comm *c) {
  return c == NULL || c->size == 1 || by_nccl(b, c);
}

static es_status sum_by_mpi(const es_backend *b, cudaStream_t stream, const es_comm *c,
                            const es_cuda_numbers *x) {
  ES_TRY(es_cuda_await(b, stream, "waiting for the GPU"));
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
static es_status move_part(const transfer *t, const es_cuda_numbers *x, int64_t i,
                           bool down) {
  const int64_t size = x->f64 ? 8 : 4, all = x->n * size, at = i * ES_CUDA_STAGE;
  const size_t bytes = (size_t) (all - at < ES_CUDA_STAGE ? all - at : ES_CUDA_STAGE);
  char *const there = (char *) x->p + at, *const here = t->stage->half[i % 2];
  ES_TRY(es_cuda_ok(
      cudaMemcpyAsync(down ? here : there, down ? there : here, bytes,
                      down ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, t->stream),
      "sum over ranks"));
  return es_cuda_ok(cudaEventRecord(t->stage->free[i % 2], t->stream), "sum over ranks");
}

/** Part by part: while one is summed over ranks, the next comes down. */
static es_status sum_staged(const es_backend *b, const transfer *t, const es_comm *c,
                            const es_cuda_numbers *x) {
  const int64_t most = ES_CUDA_STAGE / (x->f64 ? 8 : 4);
  const int64_t parts = (x->n + most - 1) / most;
  ES_TRY(parts > 0 ? move_part(t, x, 0, true) : ES_OK);
  for (int64_t i = 0; i < parts; i++) {
    const int64_t n = x->n - i * most < most ? x->n - i * most : most;
    ES_TRY(es_cuda_await_event(b, t->stage->free[i % 2], "sum over ranks"));
    if (i + 1 < parts) ES_TRY(move_part(t, x, i + 1, true));
    sum_on_host(c, x, t->stage->half[i % 2], n);
    ES_TRY(move_part(t, x, i, false));
  }
  return ES_OK;
}

static es_status sum_on(es_backend *b, const es_comm *c, const es_cuda_numbers *x,
                        const transfer *t) {
  const es_cuda_comm *k = es_cuda_of(b)->comm;
  if (!x->tree && by_nccl(b, c)) return es_cuda_nccl_sum(t->nccl, x, t->stream);
  return !x->tree && k->mpi ? sum_by_mpi(b, t->stream, c, x) : sum_staged(b, t, c, x);
}

es_status es_cuda_sum(es_backend *b, const es_comm *c, const es_cuda_numbers *x) {
  es_cuda *s = es_cuda_of(b);
  if (c == NULL || c->size == 1) return ES_OK;
  const transfer calls = {s->stream, &s->stage, s->comm->nccl};
  return sum_on(b, c, x, &calls);
}

es_status es_cuda_allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda_numbers x = {.p = p, .n = (int64_t) n};
  return es_cuda_sum(b, c, &x);
}

es_status es_cuda_treesum(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda_numbers x = {.p = p, .n = (int64_t) n, .tree = true};
  return es_cuda_sum(b, c, &x);
}

/* --- while backward runs ----------------------------------------------------------- */

/** Queue a sum behind what it sums. */
static es_status run_beside(es_backend *b, const begun *g) {
  es_cuda_comm *k = es_cuda_of(b)->comm;
  const transfer beside = {k->stream, &k->stage, k->nccl};
  ES_TRY(es_cuda_ok(cudaStreamWaitEvent(k->stream, g->ready, 0), "sum over ranks"));
  return sum_on(b, g->comm, &g->x, &beside);
}

/* Where the host takes part it has first to queue the calls that the sum is to run
 * beside: es_cuda_sums_end runs it. */
es_status es_cuda_sum_begin(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  const es_cuda *s = es_cuda_of(b);
  es_cuda_comm *k = s->comm;
  if (c->size == 1) return ES_OK;
  ES_CHECK(k->n < ES_SUMS, ES_EARG, "backend cuda: got more than %d sums at a time",
           ES_SUMS);
  begun *g = &k->sum[k->n++];
  g->comm = c;
  g->x = (es_cuda_numbers){.p = p, .n = (int64_t) n};
  ES_TRY(es_cuda_ok(cudaEventRecord(g->ready, s->stream), "sum over ranks"));
  return by_nccl(b, c) ? run_beside(b, g) : ES_OK;
}

es_status es_cuda_sums_end(es_backend *b) {
  const es_cuda_comm *k = es_cuda_of(b)->comm;
  for (int i = 0; i < k->n; i++)
    if (!by_nccl(b, k->sum[i].comm)) ES_TRY(run_beside(b, &k->sum[i]));
  return es_cuda_sums_join(b);
}

es_status es_cuda_sums_join(es_backend *b) {
  const es_cuda *s = es_cuda_of(b);
  es_cuda_comm *k = s->comm;
  if (k->n == 0) return ES_OK;
  k->n = 0;
  ES_TRY(es_cuda_ok(cudaEventRecord(k->done, k->stream), "sum over ranks"));
  return es_cuda_ok(cudaStreamWaitEvent(s->stream, k->done, 0), "sum over ranks");
}

void es_cuda_sums_forget(es_backend *b) {
  es_cuda_of(b)->comm->n = 0;
}
