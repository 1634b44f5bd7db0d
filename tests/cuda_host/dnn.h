/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dnn.h  cuDNN's descriptors and the convolutions that they describe. */
#ifndef ES_CUDA_HOST_DNN_H
#define ES_CUDA_HOST_DNN_H

#include "cudnn.h"
#include "host.h"

/** A tensor descriptor: 4 dimensions. */
typedef struct dnn_tensor {
  int64_t id, alignment, dim[4], stride[4];
  cudaDataType type;
  void *p; /**< its memory, in an execution */
} dnn_tensor;

/** The engines that the heuristics offer, best first, as those of a device: one that does
 *  not take the shape, one that rounds f32 to TF32, one whose sums have no fixed order.
 *  */
typedef enum dnn_engine {
  DNN_UNABLE,
  DNN_TF32,
  DNN_UNORDERED,
  DNN_PLAIN,
  DNN_ENGINES
} dnn_engine;

typedef enum dnn_pass { DNN_FORWARD, DNN_DATA, DNN_FILTER } dnn_pass;

/** A convolution y = alpha op + beta y; x, w and y in whichever pass. */
typedef struct dnn_conv {
  dnn_pass pass;
  dnn_engine engine;
  dnn_tensor x, w, y; /**< [N, C, H, W], [K, C, R, S], [N, K, P, Q] */
  int64_t pad[2], stride[2], dilation[2];
  float alpha, beta;
  void *workspace; /**< what an execution may write to, and does */
  size_t workspace_bytes;
} dnn_conv;

typedef struct dnn_attribute {
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  int64_t count;
  void *elements; /**< owned */
} dnn_attribute;

enum { DNN_ATTRIBUTES = 8 };

typedef struct dnn_descriptor {
  cudnnBackendDescriptorType_t type;
  bool final;
  int n;
  dnn_attribute attribute[DNN_ATTRIBUTES];
  struct dnn_descriptor *graph; /**< of an engine or its configuration */
  dnn_engine engine;            /**< the same */
  dnn_conv conv;                /**< of an execution plan */
  struct dnn_descriptor *next;  /**< all that there are */
} dnn_descriptor;

/** An attribute that was set, NULL for none. */
const dnn_attribute *dnn_find(const dnn_descriptor *d, cudnnBackendAttributeName_t name);
/** Whether a descriptor was created and not destroyed. */
bool dnn_is_alive(const dnn_descriptor *d);
/** The convolution of an operation graph. @return false: it is none that cuDNN takes */
bool dnn_read_graph(const dnn_descriptor *graph, dnn_conv *c);
/** Fill the workspace with NaN and compute; p is a dnn_conv with the addresses of its
 *  tensors. */
void dnn_run(void *p);

#endif
