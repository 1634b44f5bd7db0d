/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_nccl_none.c  cuda_nccl.h in a build without NCCL. */
#include "cuda_nccl.h"

es_status es_cuda_nccl_open(const es_comm *c, es_cuda_nccl **k) {
  (void) c;
  *k = NULL;
  return ES_OK;
}

void es_cuda_nccl_close(es_cuda_nccl **k, bool broken) {
  (void) k, (void) broken;
}

es_status es_cuda_nccl_sum(const es_cuda_nccl *k, const es_cuda_numbers *x,
                           cudaStream_t stream) {
  (void) k, (void) x, (void) stream;
  return ES_ENOTSUP;
}

es_status es_cuda_nccl_check(const es_cuda_nccl *k) {
  (void) k;
  return ES_OK;
}

void es_cuda_nccl_abort(es_cuda_nccl *k) {
  (void) k;
}

bool es_cuda_nccl_is_aborted(const es_cuda_nccl *k) {
  (void) k;
  return false;
}
