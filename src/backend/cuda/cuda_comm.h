/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_comm.h  Sums over ranks of what is on the devices.
 *
 *  By NCCL, if it is in this build and each rank has a GPU of its own; else by MPI from
 *  device to device, if the library says that it can; else through pinned memory of the
 *  host. All ranks take the same way.
 *
 *  Sums of gradients run while backward does, on a stream of their own; those of batch
 *  norm stay among the calls, as the next kernel reads them. */
#ifndef ES_CUDA_COMM_H
#define ES_CUDA_COMM_H

#include "cuda_state.h"

/** Collective over b->comm (NULL: this process alone). Choose the device of this rank by
 *  its place on its node in the whole job; refuse more ranks than devices, unless
 *  backend.share.
 *  @return the same on all ranks: ES_OK, ES_EDEVICE (there is none; the driver is too
 *          old), ES_ECONFIG (too few) */
es_status es_cuda_device_choose(es_backend *b, bool *shared);
/** Collective. How sums will be made. @param shared  do ranks share a device?
 *  @return the same on all ranks */
es_status es_cuda_comm_open(es_backend *b, bool shared);
/** @param broken  work of the device has failed: no sum is waited for */
void es_cuda_comm_close(es_backend *b, bool broken);
/** Collective over c (NULL: this process alone). Sum over ranks, in place. */
es_status es_cuda_sum(es_backend *b, const es_comm *c, const es_cuda_numbers *x);
es_status es_cuda_allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n);
es_status es_cuda_treesum(es_backend *b, const es_comm *c, es_buf p, size_t n);
es_status es_cuda_sum_begin(es_backend *b, const es_comm *c, es_buf p, size_t n);
es_status es_cuda_sums_end(es_backend *b);
/** Not collective, the same on all ranks. Are sums over c (NULL: this process alone)
 *  queued like any call, so that they can be captured? */
bool es_cuda_sums_queue(const es_backend *b, const es_comm *c);
/** All sums that were begun are queued: what follows finds them. */
es_status es_cuda_sums_join(es_backend *b);
/** Sums that were begun are dropped, as the capture of their calls failed. */
void es_cuda_sums_forget(es_backend *b);

#endif
