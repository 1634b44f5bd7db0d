/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_nccl.h  Sums over ranks by NCCL. In a build without it there is none
 *  (cuda_nccl_none.c). */
#ifndef ES_CUDA_NCCL_H
#define ES_CUDA_NCCL_H

#include "cuda_state.h"

/** NCCL's communicator of a backend. */
typedef struct es_cuda_nccl es_cuda_nccl;

/** Collective over c, whose ranks have a device each. The caller closes *k.
 *  @param k  NULL in a build without NCCL
 *  @return the same on all ranks */
es_status es_cuda_nccl_open(const es_comm *c, es_cuda_nccl **k);
/** @param broken  work of the device has failed: sums that are queued may never end */
void es_cuda_nccl_close(es_cuda_nccl **k, bool broken);
/** Collective over the communicator's ranks: queue the sum, in place. */
es_status es_cuda_nccl_sum(const es_cuda_nccl *k, const es_cuda_numbers *x,
                           cudaStream_t stream);
/** Not collective, does not wait. Has a sum that was queued failed, as the network has?
 *  @return ES_OK; ES_EDEVICE (logged), after which the caller aborts */
es_status es_cuda_nccl_check(const es_cuda_nccl *k);
/** The sums end as they are, and no other can be queued. Waits without end for graphs
 *  that hold a sum, and, within a node, for the other ranks to abort, too. */
void es_cuda_nccl_abort(es_cuda_nccl *k);
bool es_cuda_nccl_is_aborted(const es_cuda_nccl *k);

#endif
