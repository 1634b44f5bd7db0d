/* SPDX-License-Identifier: BSD-3-Clause */
/** @file params.h  All parameters of a model in flat buffers, and the tensors in them.
 *
 *  Three flat f32 buffers on the backend: value and grad [n] (trainable), state
 *  [n_state] (BN running averages). Names are torchvision's. Optimisers, all-reduce,
 *  norms, checkpoints and exports each act on one buffer.
 *
 *  Ranks of a node may share one `value` and read each other's `grad` (es_params_share);
 *  then every change of a value is made on all ranks alike. */
#ifndef ES_PARAMS_H
#define ES_PARAMS_H

#include "eigenstep/backend.h"
#include "eigenstep/shared.h"
#include "eigenstep/visit.h"

enum { ES_NAME_MAX = 96 };

typedef enum es_init {
  ES_INIT_ZERO,
  ES_INIT_ONE,
  ES_INIT_KAIMING_FAN_OUT, /**< normal, std = sqrt(2 / (out k k)): torchvision's
                              convolutions */
  ES_INIT_UNIFORM_FAN_IN,  /**< uniform +-1/sqrt(fan_in): torch.nn.Linear */
  ES_INIT_NORMAL_FAN_IN    /**< normal, std = 1/sqrt(fan_in) */
} es_init;

/** One parameter tensor: a part of `value`/`grad` (or `state`). */
typedef struct es_tensor_info {
  char name[ES_NAME_MAX]; /**< "layer1.0.conv1.weight" */
  int ndim;
  int64_t dim[4];
  int64_t offset, count; /**< in elements */
  int64_t fan_in, fan_out;
  es_init init;
  double scale;  /**< initial values are multiplied by this */
  bool excluded; /**< 1-D: LARS and others may exclude it from decay and adaptation */
  bool state;    /**< lives in `state`, not trained */
} es_tensor_info;

/** Memory that the ranks of a node share (es_params_share). */
typedef struct es_params_sharing {
  const es_comm *comm;       /* borrowed; whose nodes share; NULL: all is private */
  es_shared *values, *grads; /* owned: hold value and grad then */
} es_params_sharing;

typedef struct es_params {
  es_backend *backend;    /* borrowed; must outlive */
  es_tensor_info *tensor; /* owned [n_tensors] */
  int n_tensors, cap;
  int64_t n, n_state;        /**< elements of value/grad and of state */
  es_buf value, grad, state; /* owned; NULL until es_params_alloc */
  es_buf frozen;   /**< constant statistics of BN, laid out as state; owned; NULL until
                        es_net_freeze_end */
  int64_t version; /**< of value, from 1: to be incremented by code that changes it */
  es_params_sharing shared;
} es_params;

/** Not collective. No tensors yet; the caller destroys *p. @return ES_OK, ES_ENOMEM */
es_status es_params_create(es_backend *b, es_params **p);
/** Not collective. Free the buffers and set *p to NULL. */
void es_params_destroy(es_params **p);
/** Not collective. Declare a tensor before allocation: *index. Count and offset of *v are
 *  computed here. @return ES_OK, ES_EARG (name taken, sizes), ES_ENOMEM */
es_status es_params_add(es_params *p, const es_tensor_info *v, int *index);
/** Not collective. Allocate the three buffers. @return ES_OK, ES_ENOMEM */
es_status es_params_alloc(es_params *p);
/** Collective. Move value and grad, contents kept, into memory that the ranks of a node
 *  share. Values must be the same on all ranks, and the backend's memory the host's.
 *  @param values  one part of n floats for all; owned from now on
 *  @param grads   a part of n floats for each rank; owned from now on */
void es_params_share(es_params *p, const es_comm *c, es_shared *values, es_shared *grads);
/** Not collective. Fill with initial values: tensor i from (seed, ES_STREAM_INIT, i),
 *  times its scale: the same on every rank and any rank count.
 *  @return ES_OK, ES_ENOMEM, or the backend's error */
es_status es_params_init(es_params *p, uint64_t seed);
/** Index of a name, or -1. */
int es_params_find(const es_params *p, const char *name);
/** Not collective. Copy one tensor to or from the host, [count] row-major, also one of
 *  `state`. set increments the version. @return ES_OK, or the backend's error */
es_status es_params_get(const es_params *p, int tensor, float *out);
es_status es_params_set(es_params *p, int tensor, const float *in);
/** State visitor: one item per tensor, named "model/<name>". Loading uploads. */
es_status es_params_visit(es_params *p, es_visitor *v);

#endif
