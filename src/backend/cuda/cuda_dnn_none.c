/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_dnn_none.c  cuda_dnn.h in a build without cuDNN. */
#include "cuda_dnn.h"

es_status es_cuda_dnn_open(es_backend *b) {
  (void) b;
  return ES_OK;
}

void es_cuda_dnn_close(es_backend *b) {
  (void) b;
}

es_status es_cuda_dnn_plan_find(es_backend *b, const es_op_desc *d,
                                const es_cuda_dnn_job *job, const es_cuda_dnn_plan **p) {
  (void) b, (void) d, (void) job, (void) p;
  return ES_ENOTSUP;
}

size_t es_cuda_dnn_version(void) {
  return 0;
}

size_t es_cuda_dnn_workspace(const es_cuda_dnn_plan *p) {
  (void) p;
  return 0;
}

es_status es_cuda_dnn_run(es_backend *b, const es_cuda_dnn_plan *p,
                          const es_cuda_dnn_data *data) {
  (void) b, (void) p, (void) data;
  return ES_ENOTSUP;
}
