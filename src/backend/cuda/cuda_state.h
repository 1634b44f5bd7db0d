/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_state.h  What the files of the `cuda` backend share.
 *
 *  Activations are channels last, [N, H, W, C], f32 or bf16 as the op's description
 *  says; everything else is f32, sums f64. All work is queued on one stream, but for sums
 *  over ranks that run beside it (cuda_comm.h): functions return before it is done unless
 *  they say otherwise. */
#ifndef ES_CUDA_STATE_H
#define ES_CUDA_STATE_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include "backend/choices.h"
#include "eigenstep/backend.h"
#include "kernels.h"

/** cuBLASLt of a backend (cuda_lt.h). */
typedef struct es_cuda_lt es_cuda_lt;
/** cuDNN of a backend (cuda_dnn.h). */
typedef struct es_cuda_dnn es_cuda_dnn;
/** How sums over ranks are made (cuda_comm.h). */
typedef struct es_cuda_comm es_cuda_comm;
/** Calls that are repeated (cuda_graph.h). */
typedef struct es_cuda_graphs es_cuda_graphs;

/** An allocation on the device. */
typedef struct es_cuda_block {
  void *p;
  size_t bytes;
} es_cuda_block;

enum {
  ES_CUDA_WORKSPACE =
      32 << 20,            /* bytes for cuBLAS: what the vendor recommends for Hopper */
  ES_CUDA_STAGE = 4 << 20, /* bytes of a pinned buffer, of which there are two */
  ES_CUDA_MARKS = 64       /* events of marks; older marks wait for later ones */
};

/** Pinned host memory that transfers pass through. */
typedef struct es_cuda_stage {
  char *half[2];       /* owned pinned memory [ES_CUDA_STAGE] */
  cudaEvent_t free[2]; /* owned; the last transfer of the half is done */
  int next;
} es_cuda_stage;

/** What is allocated now, and what holds its addresses. */
typedef struct es_cuda_blocks {
  es_cuda_block *at; /* owned [n] */
  size_t n, cap;
  es_cuda_graphs *graphs; /* owned; NULL: calls are not captured */
} es_cuda_blocks;

/** The events of marks: mark m is event m mod ES_CUDA_MARKS. */
typedef struct es_cuda_marks {
  cudaEvent_t event[ES_CUDA_MARKS]; /* owned */
  es_mark given;                    /**< so far */
} es_cuda_marks;

/** cuBLAS, and memory for what it is given. */
typedef struct es_cuda_blas {
  cublasHandle_t handle; /* owned */
  es_cuda_lt *lt;        /* owned; cuBLASLt */
  void *workspace;       /* owned [ES_CUDA_WORKSPACE] */
  void *copies; /* owned; aligned copies of operands that are not (cuda_product.c) */
  size_t copies_size; /**< in bytes */
} es_cuda_blas;

/** Weights that updates of parameters pack (cuda_update.c). */
typedef struct es_cuda_trained {
  es_cuda_packed *weights; /* owned [n of cap], in the order of what they are packed of */
  struct es_cuda_conv **layer; /* owned [n of cap]; whose those are; borrowed */
  void *device;                /* owned [cap]; a copy of weights on the device, if sent */
  int n, cap;
  int layers; /**< that are planned */
  bool sent;
} es_cuda_trained;

/** State of one backend. */
typedef struct es_cuda {
  cudaStream_t stream; /* owned */
  es_cuda_blas blas;
  es_cuda_dnn *dnn;   /* owned; NULL: not in this build */
  es_cuda_comm *comm; /* owned */
  es_cuda_stage stage;
  es_cuda_blocks blocks;
  es_cuda_marks marks;
  void *scratch;       /* owned; shared by all ops, which run one after another */
  size_t scratch_size; /**< in bytes */
  es_cuda_trained trained;
  double *parts;     /* owned [3 ES_CUDA_PARTS + 3]: sums of vectors, and their totals */
  es_choices *tuned; /* owned; NULL until tuned: fixed rules */
} es_cuda;

/** Numbers on the device, to be summed over ranks. */
typedef struct es_cuda_numbers {
  void *p;
  int64_t n;
  bool f64;
  bool tree; /**< added in the order of tree.h: through the host */
} es_cuda_numbers;

static inline es_cuda *es_cuda_of(const es_backend *b) {
  return b->impl;
}
static inline bool es_cuda_bf16(const es_op_desc *d) {
  return d->precision == ES_BF16;
}
/** Bytes of an element of an activation. */
static inline size_t es_cuda_size(bool bf16) {
  return bf16 ? 2 : 4;
}
/** Pixels of one image. */
static inline int64_t es_cuda_pixels(es_shape s) {
  return (int64_t) s.h * s.w;
}
/** The windows of an op, for n images. */
static inline es_cuda_window es_cuda_window_of(const es_op_desc *d, int n) {
  return (es_cuda_window){.n = n,
                          .c = d->in.c,
                          .h = d->in.h,
                          .w = d->in.w,
                          .oh = d->out.h,
                          .ow = d->out.w,
                          .k = d->window.k,
                          .stride = d->window.stride,
                          .pad = d->window.pad,
                          .bf16 = es_cuda_bf16(d)};
}
/** Where element i begins. */
static inline void *es_cuda_at(const void *p, bool bf16, int64_t i) {
  return (char *) (uintptr_t) p + i * (int64_t) es_cuda_size(bf16);
}

/** What a call of the runtime returned, as a status; `what` was being done. Clears the
 *  error where it can be cleared. @return ES_OK, ES_ENOMEM, ES_EDEVICE (logged) */
es_status es_cuda_ok(cudaError_t e, const char *what);
/** That a call of a library failed, with its word for the error, as a status (logged).
 *  @return ES_ENOMEM, ES_EDEVICE */
es_status es_cuda_failed(const char *library, bool no_memory, const char *what,
                         const char *why);
/** For messages. */
const char *es_cuda_name(const es_op_desc *d);
/** Is a->n within what was planned? */
es_status es_cuda_check(const es_op *op, const es_op_args *a);

/* Memory (cuda_memory.c) */
es_status es_cuda_alloc(es_backend *b, size_t bytes, const char *what, void **p);
void es_cuda_release(es_backend *b, void **p);
/** Make sure that the scratch has at least so many bytes; what was in it is lost. */
es_status es_cuda_reserve(es_backend *b, size_t bytes);
/** Give the scratch exactly so many bytes: release what it has grown beyond them, or
 *  allocate again what was lost when it could not grow. */
es_status es_cuda_trim(es_backend *b, size_t bytes);
/** Create a stage, zeroed before; release what is there. */
es_status es_cuda_stage_open(es_cuda_stage *g);
void es_cuda_stage_close(es_cuda_stage *g);
/** Create the staging buffers and the events of marks; release them, what is there. */
es_status es_cuda_memory_open(es_backend *b);
void es_cuda_memory_close(es_backend *b);
/** From the host's memory, which may be reused at once; to it, after waiting. */
es_status es_cuda_send(es_backend *b, void *dst, const void *src, size_t bytes);
es_status es_cuda_receive(es_backend *b, void *dst, const void *src, size_t bytes);
es_status es_cuda_upload(es_backend *b, es_buf dst, const float *src, size_t n);
es_status es_cuda_download(es_backend *b, float *dst, const es_buf src, size_t n);
es_status es_cuda_download64(es_backend *b, double *dst, const es_buf64 src, size_t n);
es_status es_cuda_copy(es_backend *b, es_buf dst, const es_buf src, size_t n);
es_status es_cuda_zero(es_backend *b, void *p, size_t bytes);
es_status es_cuda_sync(es_backend *b);
es_status es_cuda_record(es_backend *b, es_mark *m);
es_status es_cuda_wait(es_backend *b, es_mark m);

/* Waiting (cuda_comm.c): the host goes on when a stream is done, or an event. An error of
 * NCCL ends the wait, as what is queued would then never be done. `what` is for
 * messages. */
es_status es_cuda_await(const es_backend *b, cudaStream_t s, const char *what);
es_status es_cuda_await_event(const es_backend *b, cudaEvent_t e, const char *what);

/** Graphs (cuda_graph.c): none is launched any more; one that runs may be destroyed. */
void es_cuda_graphs_drop(const es_backend *b);

/* Vectors (cuda_vec.c) */
es_status es_cuda_dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                      es_buf64 r);
es_status es_cuda_gram_of(es_backend *b, size_t n, const es_buf x, const es_buf y,
                          es_buf64 r);
es_status es_cuda_scale_by(es_backend *b, size_t n, double alpha, es_buf x);
es_status es_cuda_add_to(es_backend *b, size_t n, const es_buf x, es_buf y);
es_status es_cuda_orthogonalize(es_backend *b, const es_orthogonal_args *a, es_buf x,
                                es_buf work);

/* Updates (cuda_update.c) */
es_status es_cuda_sgd_step(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                           const es_buf g, es_buf m);
es_status es_cuda_adamw_step(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                             const es_buf g, es_buf const moments[2]);
/** Room for the weights of one more layer, on the host and the device. */
es_status es_cuda_trained_reserve(es_backend *b);
void es_cuda_trained_close(es_backend *b);

/* Matrix products (cuda_product.c) */

/** C [m, n] = op(A) op(B) + beta C, row-major; A is [m, k], or [k, m] where
 * transposed, B [k, n] or [n, k]. Sums are f32. */
typedef struct es_cuda_product {
  int64_t m, n, k;
  const void *a, *b;
  void *c;
  bool a_transposed, b_transposed;
  bool bf16, c_bf16; /**< type of A and B; of C */
  float beta;        /**< 0: C is not read */
} es_cuda_product;
es_status es_cuda_multiply(es_backend *b, const es_cuda_product *p);
es_status es_cuda_blas_open(es_backend *b);
void es_cuda_blas_close(es_backend *b);

/* Activations (cuda_act.c) */
es_status es_cuda_act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                            es_act dst);
es_status es_cuda_act_read(es_backend *b, es_act_type t, int n, const es_act src,
                           float *nchw);

/** Scratch for act_write and act_read of up to n images, so that they allocate none. */
es_status es_cuda_act_reserve(es_backend *b, es_shape s, int n);

/** Views made on the device (cuda_view.c): es_backend_ops.views, views_reserve. */
es_status es_cuda_views_reserve(es_backend *b, const es_views_most *most);
es_status es_cuda_views_of(es_backend *b, es_precision precision, const es_views *v,
                           es_act dst);

/* Planners. A plan begins with an es_op; es_cuda_op_new makes one of `size` bytes with
 * `work` zeroed bytes on the device, which es_cuda_op_free releases. */
typedef struct es_cuda_op {
  es_op op;
  void *work; /* owned device memory; NULL if none was asked for */
} es_cuda_op;
es_status es_cuda_op_new(es_backend *b, const es_op_desc *d, size_t size, size_t work,
                         es_op **op);
void es_cuda_op_free(es_op *op);
es_status es_cuda_plan_conv(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_bn(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_linear(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_relu(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_maxpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_avgpool(es_backend *b, const es_op_desc *d, es_op **op);
es_status es_cuda_plan_flatten(es_backend *b, const es_op_desc *d, es_op **op);

#endif
