/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_dnn.h  Convolutions by cuDNN's graph API. In a build without cuDNN there
 *  is no plan (cuda_dnn_none.c). */
#ifndef ES_CUDA_DNN_H
#define ES_CUDA_DNN_H

#include "cuda_state.h"

enum { ES_CUDA_ENGINES = 4 }; /* of a pass, at most, that are planned */

/** One pass for a number of images. */
typedef struct es_cuda_dnn_plan es_cuda_dnn_plan;

/** Open the library for a backend, and close it. @return ES_OK, ES_ENOMEM, ES_EDEVICE */
es_status es_cuda_dnn_open(es_backend *b);
void es_cuda_dnn_close(es_backend *b);

/** A pass for n images. */
typedef struct es_cuda_dnn_job {
  es_pass pass;
  int n;
  int engine; /**< the library's best is 0, the next 1, of those that are accepted */
} es_cuda_dnn_job;

/** A plan of a pass, which the backend keeps, by an engine that computes the same bits on
 *  every run and rounds no more than backend.tf32 allows.
 *  @return ES_OK; ES_ENOTSUP without a message: the library has none */
es_status es_cuda_dnn_plan_find(es_backend *b, const es_op_desc *d,
                                const es_cuda_dnn_job *job, const es_cuda_dnn_plan **p);
/** Version of the library, 0 in a build without it. */
size_t es_cuda_dnn_version(void);
/** Bytes of workspace of a run. */
size_t es_cuda_dnn_workspace(const es_cuda_dnn_plan *p);

/** What a run reads and writes, all in the type of activations: the library has no engine
 *  that gives dw of bf16 activations in f32. */
typedef struct es_cuda_dnn_data {
  void *x, *w, *y; /**< w [o, k, k, i]; or their gradients */
  void *workspace;
} es_cuda_dnn_data;
es_status es_cuda_dnn_run(es_backend *b, const es_cuda_dnn_plan *p,
                          const es_cuda_dnn_data *data);

#endif
