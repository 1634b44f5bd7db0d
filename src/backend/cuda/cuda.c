/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda.c  Networks on NVIDIA GPUs: convolutions and products by the vendor's
 *  libraries, the rest by kernels of our own, in f32 or bf16. This file: the table,
 *  opening and closing. */
#include "backend/blas/blas.h"
#include "cuda_comm.h"
#include "cuda_conv.h"
#include "cuda_graph.h"
#include "cuda_lt.h"
#include "cuda_sizes.h"
#include "eigenstep/mem.h"

enum { BF16_FROM = 8 }; /* major number of the first devices that compute in bf16 */

static es_status describe(es_backend *b) {
  int device = 0;
  struct cudaDeviceProp p;
  ES_TRY(es_cuda_ok(cudaGetDevice(&device), "describing the GPU"));
  ES_TRY(es_cuda_ok(cudaGetDeviceProperties(&p, device), "describing the GPU"));
  b->lacks_bf16 = p.major < BF16_FROM;
  es_phase("backend cuda: GPU %d, %s, compute capability %d.%d, %.1f GB, %d "
           "multiprocessors%s",
           device, p.name, p.major, p.minor, 1e-9 * (double) p.totalGlobalMem,
           p.multiProcessorCount, b->tf32 ? "; products of f32 in TF32" : "");
  return ES_OK;
}

/** Does this build have kernels for the device? */
static es_status check_kernels(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  struct cudaDeviceProp p;
  int device = 0;
  const cudaError_t e = es_cuda_scale(s->stream, 1, 1.0f, (float *) s->parts);
  if (e != cudaErrorNoKernelImageForDevice && e != cudaErrorInvalidDeviceFunction)
    return es_cuda_ok(e, "starting a kernel");
  (void) cudaGetLastError();
  ES_TRY(es_cuda_ok(cudaGetDevice(&device), "describing the GPU"));
  ES_TRY(es_cuda_ok(cudaGetDeviceProperties(&p, device), "describing the GPU"));
  es_error("backend cuda: this build has no kernels for %s of compute capability %d.%d; "
           "build it by configure --with-gpu-arch=%d%d",
           p.name, p.major, p.minor, p.major, p.minor);
  return ES_EDEVICE;
}

/** The part in which ranks may differ. */
static es_status open_here(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  ES_TRY(es_blas_set_threads(b)); /* losses and spectra use it */
  ES_TRY(describe(b));
  ES_TRY(es_cuda_ok(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking),
                    "creating a stream"));
  ES_TRY(es_cuda_memory_open(b));
  ES_TRY(check_kernels(b));
  ES_TRY(es_cuda_blas_open(b));
  ES_TRY(es_cuda_lt_open(b));
  return es_cuda_dnn_open(b);
}

static void close_cuda(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  const bool broken =
      s->stream != NULL && es_cuda_await(b, s->stream, "waiting for the GPU") != ES_OK;
  es_choices_destroy(&s->tuned);
  es_cuda_graphs_close(b); /* before the sums that are in them */
  es_cuda_comm_close(b, broken);
  es_cuda_dnn_close(b);
  es_cuda_lt_close(b);
  es_cuda_blas_close(b);
  es_cuda_trained_close(b);
  es_cuda_memory_close(b);
  if (s->stream != NULL) (void) cudaStreamDestroy(s->stream);
  es_free(&b->impl);
}

static es_status open_cuda(es_backend *b, const es_comm *comm) {
  es_cuda *s = NULL;
  bool shared = false;
  if (!b->sizes_only) ES_TRY(es_cuda_device_choose(b, &shared));
  es_status st = ES_NEW(1, &s);
  b->impl = s;
  if (b->sizes_only) return st;
  if (st == ES_OK) st = open_here(b);
  if (comm != NULL) st = es_comm_agree(comm, st);
  if (st == ES_OK) st = es_cuda_comm_open(b, shared);
  if (st == ES_OK) st = es_cuda_graphs_open(b, es_cuda_sums_queue(b, comm));
  if (st != ES_OK && s != NULL) close_cuda(b);
  return st;
}

const es_backend_ops es_backend_cuda = {
    .name = "cuda",
    .doc = "NVIDIA GPUs: cuBLAS, cuDNN and fused kernels, channels last, f32 or bf16",
    .reads = ES_CUDA_READS,
    .bf16 = ES_CUDA_BF16,
    .has_bf16 = es_cuda_has_bf16,
    .open = open_cuda,
    .close = close_cuda,
    .alloc = es_cuda_alloc,
    .release = es_cuda_release,
    .upload = es_cuda_upload,
    .download = es_cuda_download,
    .copy = es_cuda_copy,
    .zero = es_cuda_zero,
    .download64 = es_cuda_download64,
    .sync = es_cuda_sync,
    .record = es_cuda_record,
    .wait = es_cuda_wait,
    .act_bytes = es_cuda_act_bytes,
    .act_write = es_cuda_act_write,
    .act_read = es_cuda_act_read,
    .views = es_cuda_views_of,
    .views_reserve = es_cuda_views_reserve,
    .dot = es_cuda_dot,
    .gram = es_cuda_gram_of,
    .scale = es_cuda_scale_by,
    .sgd = es_cuda_sgd_step,
    .adamw = es_cuda_adamw_step,
    .add = es_cuda_add_to,
    .orthogonalize = es_cuda_orthogonalize,
    .allreduce = es_cuda_allreduce,
    .treesum = es_cuda_treesum,
    .sum_begin = es_cuda_graph_sum_begin,
    .sums_end = es_cuda_sums_end,
    .graph_begin = es_cuda_graph_begin,
    .graph_end = es_cuda_graph_end,
    .tune = es_cuda_tune,
    .needs = es_cuda_needs,
    .plan = {[ES_OP_CONV] = es_cuda_plan_conv,
             [ES_OP_BN] = es_cuda_plan_bn,
             [ES_OP_LINEAR] = es_cuda_plan_linear,
             [ES_OP_RELU] = es_cuda_plan_relu,
             [ES_OP_MAXPOOL] = es_cuda_plan_maxpool,
             [ES_OP_AVGPOOL] = es_cuda_plan_avgpool,
             [ES_OP_FLATTEN] = es_cuda_plan_flatten},
};
