/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_nccl.c  Sums over ranks by NCCL; cuda_nccl.h. */
#include "cuda_nccl.h"

#include <nccl.h>
#include <string.h>
#include "eigenstep/mem.h"

struct es_cuda_nccl {
  ncclComm_t comm; /* owned */
};

static es_status nccl_ok(ncclResult_t e, const char *what) {
  if (e == ncclSuccess) return ES_OK;
  return es_cuda_failed("NCCL", false, what, ncclGetErrorString(e));
}

es_status es_cuda_nccl_open(const es_comm *c, es_cuda_nccl **k) {
  ncclUniqueId id;
  memset(&id, 0, sizeof id);
  es_status st = ES_NEW(1, k);
  if (st == ES_OK && c->rank == 0) st = nccl_ok(ncclGetUniqueId(&id), "opening NCCL");
  ES_TRY_GOTO(es_comm_agree(c, st), fail);
  es_comm_bcast(c, &id, sizeof id, 0);
  /* the other ranks wait inside for one that fails */
  st = es_comm_abort_if_alone(
      c, nccl_ok(ncclCommInitRank(&(*k)->comm, c->size, id, c->rank), "opening NCCL"));
  ES_TRY_GOTO(es_comm_agree(c, st), fail);
  return ES_OK;
fail:
  es_cuda_nccl_close(k, true);
  return st;
}

void es_cuda_nccl_close(es_cuda_nccl **k, bool broken) {
  if (*k == NULL) return;
  const ncclComm_t comm = (*k)->comm;
  if (comm != NULL) (void) (broken ? ncclCommAbort(comm) : ncclCommDestroy(comm));
  es_free(k);
}

es_status es_cuda_nccl_sum(const es_cuda_nccl *k, const es_cuda_numbers *x,
                           cudaStream_t stream) {
  ES_CHECK(k->comm != NULL, ES_EDEVICE,
           "backend cuda: sum over ranks: NCCL has failed before");
  return nccl_ok(ncclAllReduce(x->p, x->p, (size_t) x->n, x->f64 ? ncclDouble : ncclFloat,
                               ncclSum, k->comm, stream),
                 "sum over ranks");
}

es_status es_cuda_nccl_check(const es_cuda_nccl *k) {
  ncclResult_t late = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(k->comm, &late);
  const ncclResult_t e = asked != ncclSuccess ? asked : late;
  if (e == ncclSuccess || e == ncclInProgress) return ES_OK;
  es_error("backend cuda: a sum over ranks failed while it ran: NCCL: %s; look at the "
           "network, and for a rank that ended on another node, with NCCL_DEBUG=WARN",
           ncclGetErrorString(e));
  return ES_EDEVICE;
}

void es_cuda_nccl_abort(es_cuda_nccl *k) {
  (void) ncclCommAbort(k->comm);
  k->comm = NULL;
}

bool es_cuda_nccl_is_aborted(const es_cuda_nccl *k) {
  return k->comm == NULL;
}
