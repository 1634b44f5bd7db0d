/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dnn.c  cuDNN's graph API: descriptors with typed attributes. What a plan
 *  computes is read from its graph when the plan is finalized. */
#include "dnn.h"
#include <stdlib.h>
#include <string.h>

struct cudnnContext {
  cudaStream_t stream;
};

static dnn_descriptor *descriptors; /* all that there are */

/** The attributes of each descriptor: all of them must be set, but the optional ones. */
static const struct rule {
  cudnnBackendDescriptorType_t of;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  bool optional;
} rules[] = {
#define RULE(of, name, type)                                                             \
  { CUDNN_BACKEND_##of##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, false }
#define OPTIONAL(of, name, type)                                                         \
  { CUDNN_BACKEND_##of##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, true }
#define OPERATION(of, name, x, w, y)                                                     \
  RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_##x,                   \
       BACKEND_DESCRIPTOR),                                                              \
      RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_##w,               \
           BACKEND_DESCRIPTOR),                                                          \
      RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_##y,               \
           BACKEND_DESCRIPTOR),                                                          \
      RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_CONV_DESC,         \
           BACKEND_DESCRIPTOR),                                                          \
      RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_ALPHA, FLOAT),     \
      RULE(OPERATION_CONVOLUTION_##of, OPERATION_CONVOLUTION_##name##_BETA, FLOAT)
    RULE(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE),
    RULE(TENSOR, TENSOR_DIMENSIONS, INT64),
    RULE(TENSOR, TENSOR_STRIDES, INT64),
    RULE(TENSOR, TENSOR_UNIQUE_ID, INT64),
    RULE(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64),
    RULE(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE),
    RULE(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE),
    RULE(CONVOLUTION, CONVOLUTION_DILATIONS, INT64),
    RULE(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64),
    RULE(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64),
    RULE(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64),
    RULE(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64),
    OPERATION(FORWARD, FORWARD, X, W, Y),
    OPERATION(BACKWARD_DATA, BWD_DATA, DX, W, DY),
    OPERATION(BACKWARD_FILTER, BWD_FILTER, X, DW, DY),
    RULE(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE),
    RULE(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR),
    RULE(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR),
    RULE(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE),
    RULE(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE),
    RULE(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR),
    RULE(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64),
    RULE(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR),
    OPTIONAL(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR),
};
enum { RULES = sizeof rules / sizeof *rules };

static size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
  case CUDNN_TYPE_INT64:
    return sizeof(int64_t);
  case CUDNN_TYPE_FLOAT:
    return sizeof(float);
  case CUDNN_TYPE_HANDLE:
  case CUDNN_TYPE_VOID_PTR:
  case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    return sizeof(void *);
  default: /* enumerations */
    return sizeof(int);
  }
}

bool dnn_is_alive(const dnn_descriptor *d) {
  const dnn_descriptor *i = descriptors;
  while (i != NULL && i != d) i = i->next;
  return i != NULL;
}

const dnn_attribute *dnn_find(const dnn_descriptor *d, cudnnBackendAttributeName_t name) {
  for (int i = 0; i < d->n; i++)
    if (d->attribute[i].name == name) return &d->attribute[i];
  return NULL;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *d) {
  dnn_descriptor *const made = cuda_host_alloc(sizeof *made);
  made->type = type;
  made->next = descriptors;
  descriptors = made;
  cuda_host_hold(CUDA_HOST_DESCRIPTORS, 1);
  *d = made;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  dnn_descriptor *const d = descriptor, **link = &descriptors;
  while (*link != NULL && *link != d) link = &(*link)->next;
  if (*link == NULL) return CUDNN_STATUS_BAD_PARAM;
  *link = d->next;
  for (int i = 0; i < d->n; i++) free(d->attribute[i].elements);
  free(d);
  cuda_host_hold(CUDA_HOST_DESCRIPTORS, -1);
  return CUDNN_STATUS_SUCCESS;
}

/** Descriptors that become part of another are alive and finalized. */
static bool are_final(int64_t count, const void *elements) {
  dnn_descriptor *const *const d = elements;
  for (int64_t i = 0; i < count; i++)
    if (!dnn_is_alive(d[i]) || !d[i]->final) return false;
  return true;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *elements) {
  dnn_descriptor *const d = descriptor;
  int rule = 0;
  while (rule < RULES && (rules[rule].of != d->type || rules[rule].name != name)) rule++;
  if (rule == RULES || rules[rule].type != type || d->final || count < 1 ||
      dnn_find(d, name) != NULL)
    return CUDNN_STATUS_BAD_PARAM;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && !are_final(count, elements))
    return CUDNN_STATUS_BAD_PARAM;
  const size_t bytes = (size_t) count * size_of(type);
  dnn_attribute *const a = &d->attribute[d->n++];
  *a = (dnn_attribute){name, type, count, cuda_host_alloc(bytes)};
  memcpy(a->elements, elements, bytes);
  return CUDNN_STATUS_SUCCESS;
}

static dnn_descriptor *child(const dnn_descriptor *d, cudnnBackendAttributeName_t name) {
  return *(dnn_descriptor *const *) dnn_find(d, name)->elements;
}

/** What is checked beyond that all attributes are there. */
static cudnnStatus_t complete(dnn_descriptor *d) {
  dnn_conv c;
  if (d->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)
    return dnn_read_graph(d, &c) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
  if (d->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) return CUDNN_STATUS_SUCCESS;
  const dnn_descriptor *const from = child(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!dnn_is_alive(from) || !dnn_is_alive(from->graph))
    cuda_host_mistake("a plan is made of a descriptor that was destroyed");
  if (from->engine == DNN_UNABLE) return CUDNN_STATUS_NOT_SUPPORTED;
  dnn_read_graph(from->graph, &d->conv);
  d->conv.engine = from->engine;
  d->conv.workspace_bytes = from->engine == DNN_PLAIN ? 0 : 80;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  dnn_descriptor *const d = descriptor;
  for (int i = 0; i < RULES; i++)
    if (rules[i].of == d->type && !rules[i].optional &&
        dnn_find(d, rules[i].name) == NULL)
      return CUDNN_STATUS_BAD_PARAM;
  const cudnnStatus_t status = complete(d);
  d->final = status == CUDNN_STATUS_SUCCESS;
  return status;
}

/** How many engines the heuristics name, and the first of them: the plain one is
 *  left to the fallback for gradients of weights, all are for those in f32 of bf16. */
static int64_t engines(const dnn_conv *c, bool fallback, dnn_engine *first) {
  *first = fallback ? DNN_PLAIN : DNN_UNABLE;
  if (fallback) return 1;
  if (c->pass != DNN_FILTER) return DNN_ENGINES;
  return c->w.type == c->x.type ? DNN_PLAIN : 1;
}

/** Configurations that the caller made become those of the engines. After them come MORE
 *  that take no shape. @return how many there are, which may exceed the room */
static int64_t give_engines(const dnn_descriptor *heuristics, int64_t room,
                            void *elements) {
  enum { MORE = 20 };
  dnn_descriptor *const *const to = elements;
  dnn_descriptor *const graph = child(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  const void *const mode = dnn_find(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE)->elements;
  dnn_conv c;
  dnn_engine first;
  dnn_read_graph(graph, &c);
  const int64_t n = engines(&c, *(const int *) mode == CUDNN_HEUR_MODE_FALLBACK, &first);
  for (int64_t i = 0; i < n + MORE && i < room; i++) {
    if (!dnn_is_alive(to[i]) || to[i]->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
      cuda_host_mistake("the heuristics fill descriptors of engine configurations");
    to[i]->engine = i < n ? (dnn_engine) (first + i) : DNN_UNABLE;
    to[i]->graph = graph;
    to[i]->final = true;
  }
  return n + MORE;
}

/** Notes of an engine: products of bf16 are always those of tensor cores. */
static int64_t notes(const dnn_descriptor *engine, int64_t room, int *note) {
  dnn_conv c;
  int64_t n = 0;
  dnn_read_graph(engine->graph, &c);
  if (n < room && (engine->engine == DNN_TF32 || c.x.type == CUDA_R_16BF))
    note[n++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
  if (n < room && engine->engine == DNN_UNORDERED)
    note[n++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
  return n;
}

cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t *count, void *elements) {
  const dnn_descriptor *const d = descriptor;
  if (!d->final || (room > 0 && elements == NULL)) return CUDNN_STATUS_BAD_PARAM;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    *count = give_engines(d, room, elements);
  } else if (name == CUDNN_ATTR_ENGINECFG_ENGINE &&
             type == CUDNN_TYPE_BACKEND_DESCRIPTOR && room == 1) {
    dnn_descriptor *const engine = *(dnn_descriptor *const *) elements;
    engine->engine = d->engine;
    engine->graph = d->graph;
    engine->final = true;
    *count = 1;
  } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE &&
             type == CUDNN_TYPE_NUMERICAL_NOTE) {
    *count = notes(d, room, elements);
  } else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE &&
             type == CUDNN_TYPE_INT64 && room == 1) {
    *(int64_t *) elements = (int64_t) d->conv.workspace_bytes;
    *count = 1;
  } else {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  return CUDNN_STATUS_SUCCESS;
}

/** Find the memory of a tensor in a variant pack. */
static bool place(const dnn_descriptor *pack, dnn_tensor *t) {
  const dnn_attribute *const id = dnn_find(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const dnn_attribute *const p = dnn_find(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  for (int64_t i = 0; i < id->count && i < p->count; i++)
    if (((const int64_t *) id->elements)[i] == t->id)
      t->p = ((void *const *) p->elements)[i];
  return cuda_host_is_device(t->p, 1) && (uintptr_t) t->p % (uintptr_t) t->alignment == 0;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  const dnn_descriptor *const made = plan, *const given = pack;
  if (!made->final || !given->final) return CUDNN_STATUS_BAD_PARAM;
  if (cuda_host_fails(CUDA_HOST_CONVOLUTION)) return CUDNN_STATUS_EXECUTION_FAILED;
  dnn_conv c = made->conv;
  const dnn_attribute *const at = dnn_find(given, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  c.workspace = at != NULL ? *(void *const *) at->elements : NULL;
  if (!place(given, &c.x) || !place(given, &c.w) || !place(given, &c.y) ||
      (c.workspace_bytes > 0 && !cuda_host_is_device(c.workspace, c.workspace_bytes)))
    return CUDNN_STATUS_BAD_PARAM;
  const cuda_host_work w = {
      .name = "cudnnBackendExecute", .run = dnn_run, .payload = &c, .bytes = sizeof c};
  cuda_host_queue(handle->stream, &w);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
  *handle = NULL;
  if (cuda_host_fails(CUDA_HOST_HANDLE)) return CUDNN_STATUS_NOT_INITIALIZED;
  *handle = cuda_host_alloc(sizeof **handle);
  cuda_host_hold(CUDA_HOST_HANDLES, 1);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  free(handle);
  cuda_host_hold(CUDA_HOST_HANDLES, -1);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

size_t cudnnGetVersion(void) {
  return 91900;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
  case CUDNN_STATUS_SUCCESS:
    return "CUDNN_STATUS_SUCCESS";
  case CUDNN_STATUS_NOT_INITIALIZED:
    return "CUDNN_STATUS_NOT_INITIALIZED";
  case CUDNN_STATUS_BAD_PARAM:
    return "CUDNN_STATUS_BAD_PARAM";
  case CUDNN_STATUS_NOT_SUPPORTED:
    return "CUDNN_STATUS_NOT_SUPPORTED";
  case CUDNN_STATUS_EXECUTION_FAILED:
    return "CUDNN_STATUS_EXECUTION_FAILED";
  default:
    return "CUDNN_STATUS_INTERNAL_ERROR";
  }
}
