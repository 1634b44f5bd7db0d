/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_dnn.c  Convolutions by cuDNN's graph API: a graph of one operation, the
 *  engines that the library's heuristics name for it, best first, and a plan of the
 *  first that fits. Plans are kept until the backend is closed: layers of one shape share
 *  them, and what was timed is not planned again. */
#include "cuda_dnn.h"

#include <cudnn.h>
#include <string.h>
#include "eigenstep/mem.h"

enum {
  MODES = 2,             /* of the heuristics */
  ENGINES = 16,          /* looked at, of a mode */
  PARTS = 10,            /* descriptors of a plan besides engines */
  WORKSPACE = 256 << 20, /* bytes, at most */
  MOST_NOTES = CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
  VECTOR = 16, /* bytes that engines load at once */
  X = 1,       /* names of tensors in a graph */
  W = 2,
  Y = 3
};

/** What plans are for. */
typedef struct plan_key {
  es_shape in, out;
  es_window window;
  es_precision precision;
  es_pass pass;
  int n;
} plan_key;

/** The plans of a pass, best first, as far as they were asked for. */
typedef struct plan_list {
  plan_key of;
  int n;
  es_cuda_dnn_plan *plan[ES_CUDA_ENGINES]; /* owned [n] */
  int mode, next; /**< list of the heuristics and its configuration to look at next */
} plan_list;

struct es_cuda_dnn {
  cudnnHandle_t handle; /* owned */
  plan_list *list;      /* owned [n] */
  int n, cap;
};

struct es_cuda_dnn_plan {
  cudnnBackendDescriptor_t part[PARTS + 3 * ENGINES]; /* owned [n] */
  int n;
  cudnnBackendDescriptor_t plan; /* one of part */
  int64_t workspace;
};

static es_status dnn_ok(cudnnStatus_t e, const char *what) {
  if (e == CUDNN_STATUS_SUCCESS) return ES_OK;
  return es_cuda_failed("cuDNN", e == CUDNN_STATUS_ALLOC_FAILED, what,
                        cudnnGetErrorString(e));
}

es_status es_cuda_dnn_open(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  ES_TRY(ES_NEW(1, &s->dnn));
  ES_TRY(dnn_ok(cudnnCreate(&s->dnn->handle), "opening cuDNN"));
  return dnn_ok(cudnnSetStream(s->dnn->handle, s->stream), "opening cuDNN");
}

static void plan_destroy(es_cuda_dnn_plan **p) {
  if (*p == NULL) return;
  while ((*p)->n > 0) (void) cudnnBackendDestroyDescriptor((*p)->part[--(*p)->n]);
  es_free(p);
}

void es_cuda_dnn_close(es_backend *b) {
  es_cuda_dnn *k = es_cuda_of(b)->dnn;
  if (k == NULL) return;
  for (int i = 0; i < k->n; i++)
    for (int e = 0; e < k->list[i].n; e++) plan_destroy(&k->list[i].plan[e]);
  es_free(&k->list);
  if (k->handle != NULL) (void) cudnnDestroy(k->handle);
  es_free(&es_cuda_of(b)->dnn);
}

/* --- descriptors: after the first failure nothing is done -------------------------- */

typedef struct maker {
  es_cuda_dnn_plan *of;
  cudnnStatus_t status;
} maker;

static cudnnBackendDescriptor_t make(maker *m, cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t d = NULL;
  if (m->status != CUDNN_STATUS_SUCCESS) return NULL;
  m->status = cudnnBackendCreateDescriptor(type, &d);
  if (m->status == CUDNN_STATUS_SUCCESS) m->of->part[m->of->n++] = d;
  return d;
}

static void set(maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t n, const void *values) {
  if (m->status == CUDNN_STATUS_SUCCESS)
    m->status = cudnnBackendSetAttribute(d, name, type, n, values);
}

static void set_part(maker *m, cudnnBackendDescriptor_t d,
                     cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t part) {
  set(m, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static void finish(maker *m, cudnnBackendDescriptor_t d) {
  if (m->status == CUDNN_STATUS_SUCCESS) m->status = cudnnBackendFinalize(d);
}

/** n x [c, h, w], stored channels last. */
typedef struct tensor {
  int64_t name, n, c, h, w;
  bool bf16;
} tensor;

static cudnnBackendDescriptor_t make_tensor(maker *m, const tensor *t) {
  const int64_t size[4] = {t->n, t->c, t->h, t->w};
  const int64_t stride[4] = {t->c * t->h * t->w, 1, t->c * t->w, t->c};
  const cudnnDataType_t type = t->bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const int64_t element = t->bf16 ? 2 : 4; /* buffers begin at 256, images follow */
  const int64_t alignment = t->c * element % VECTOR == 0 ? VECTOR : element;
  cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size);
  set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride);
  set(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &t->name);
  set(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  finish(m, d);
  return d;
}

static cudnnBackendDescriptor_t make_window(maker *m, const es_window *w) {
  const cudnnDataType_t type = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t dims = 2, one[2] = {1, 1}, stride[2] = {w->stride, w->stride},
                pad[2] = {w->pad, w->pad};
  cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dims);
  set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, one);
  set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
  set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
  set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
  finish(m, d);
  return d;
}

/** Names of an operation and of its attributes. */
static const struct {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, window, alpha, beta;
} operations[ES_PASSES] = {
    [ES_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [ES_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [ES_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

/** The graph of one convolution. */
static cudnnBackendDescriptor_t make_graph(maker *m, cudnnHandle_t handle,
                                           const es_op_desc *d,
                                           const es_cuda_dnn_job *job) {
  const bool bf16 = es_cuda_bf16(d);
  const float one = 1.0f, zero = 0.0f;
  const tensor x = {X, job->n, d->in.c, d->in.h, d->in.w, bf16};
  const tensor w = {W, d->out.c, d->in.c, d->window.k, d->window.k, bf16};
  const tensor y = {Y, job->n, d->out.c, d->out.h, d->out.w, bf16};
  cudnnBackendDescriptor_t xd = make_tensor(m, &x), wd = make_tensor(m, &w),
                           yd = make_tensor(m, &y), window = make_window(m, &d->window);
  cudnnBackendDescriptor_t op = make(m, operations[job->pass].type);
  set_part(m, op, operations[job->pass].x, xd);
  set_part(m, op, operations[job->pass].w, wd);
  set_part(m, op, operations[job->pass].y, yd);
  set_part(m, op, operations[job->pass].window, window);
  set(m, op, operations[job->pass].alpha, CUDNN_TYPE_FLOAT, 1, &one);
  set(m, op, operations[job->pass].beta, CUDNN_TYPE_FLOAT, 1, &zero);
  finish(m, op);
  cudnnBackendDescriptor_t graph = make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set_part(m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
  set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  finish(m, graph);
  return graph;
}

/* --- engines ----------------------------------------------------------------------- */

/** Are the results of an engine with this note wanted? */
static bool accepts(const es_backend *b, const es_op_desc *d,
                    cudnnBackendNumericalNote_t note) {
  const bool exact = d->precision == ES_F32 && !b->tf32;
  switch (note) {
  case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
  case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
  case CUDNN_NUMERICAL_NOTE_FFT:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6: /* these lose digits */
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
    return false;
  case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
  case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD:
  case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    return !exact;
  default:
    return true;
  }
}

static bool accepted(maker *m, const es_backend *b, const es_op_desc *d,
                     cudnnBackendDescriptor_t config) {
  cudnnBackendNumericalNote_t notes[MOST_NOTES];
  cudnnBackendDescriptor_t engine = make(m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  int64_t n = 0;
  if (m->status != CUDNN_STATUS_SUCCESS ||
      cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
                               &engine) != CUDNN_STATUS_SUCCESS ||
      cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                               CUDNN_TYPE_NUMERICAL_NOTE, MOST_NOTES, &n,
                               notes) != CUDNN_STATUS_SUCCESS)
    return false;
  for (int64_t i = 0; i < n; i++)
    if (!accepts(b, d, notes[i])) return false;
  return true;
}

/** A plan of this configuration. @return whether there is one */
static bool plan_config(maker *m, cudnnHandle_t handle, cudnnBackendDescriptor_t config) {
  es_cuda_dnn_plan *p = m->of;
  cudnnBackendDescriptor_t d = NULL;
  int64_t n = 0;
  maker own = {p,
               cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &d)};
  set(&own, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set_part(&own, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  finish(&own, d);
  if (own.status == CUDNN_STATUS_SUCCESS)
    own.status = cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                          CUDNN_TYPE_INT64, 1, &n, &p->workspace);
  if (own.status == CUDNN_STATUS_SUCCESS && p->workspace <= WORKSPACE) {
    p->plan = p->part[p->n++] = d;
    return true;
  }
  if (d != NULL) (void) cudnnBackendDestroyDescriptor(d);
  return false;
}

/** A plan by the next configuration of a list of the heuristics that is accepted; counts
 *  on *next. Is there one? Then m has it. */
static bool plan_mode(maker *m, es_backend *b, const es_op_desc *d,
                      cudnnBackendDescriptor_t graph, plan_list *f) {
  static const cudnnBackendHeurMode_t modes[MODES] = {CUDNN_HEUR_MODE_A,
                                                      CUDNN_HEUR_MODE_FALLBACK};
  const cudnnHandle_t handle = es_cuda_of(b)->dnn->handle;
  cudnnBackendDescriptor_t config[ENGINES];
  int64_t n = 0;
  cudnnBackendDescriptor_t heuristic = make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set_part(m, heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  set(m, heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &modes[f->mode]);
  finish(m, heuristic);
  for (int i = 0; i < ENGINES; i++)
    config[i] = make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (m->status == CUDNN_STATUS_SUCCESS)
    m->status =
        cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, ENGINES, &n, config);
  while (f->next < n && f->next < ENGINES && m->status == CUDNN_STATUS_SUCCESS) {
    const cudnnBackendDescriptor_t c = config[f->next++];
    if (accepted(m, b, d, c) && plan_config(m, handle, c)) return true;
  }
  return false;
}

/** Does it say that no engine computes this, rather than that something is wrong? */
static bool is_unsupported(cudnnStatus_t e) {
  return e / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
}

/** One more plan of a list. @return ES_ENOTSUP: the library has no further engine */
static es_status plan_next(es_backend *b, const es_op_desc *d, const es_cuda_dnn_job *job,
                           plan_list *f) {
  for (; f->mode < MODES; f->mode++, f->next = 0) {
    es_cuda_dnn_plan *p = NULL;
    ES_TRY(ES_NEW(1, &p));
    maker m = {p, CUDNN_STATUS_SUCCESS};
    cudnnBackendDescriptor_t graph = make_graph(&m, es_cuda_of(b)->dnn->handle, d, job);
    const cudnnStatus_t made = m.status;
    if (plan_mode(&m, b, d, graph, f)) {
      f->plan[f->n++] = p;
      return ES_OK;
    }
    plan_destroy(&p);
    if (made != CUDNN_STATUS_SUCCESS && !is_unsupported(made))
      es_warn_local("backend cuda: %s: cuDNN: %s; it is computed without cuDNN",
                    es_cuda_name(d), cudnnGetErrorString(made));
    if (m.status == CUDNN_STATUS_ALLOC_FAILED) return dnn_ok(m.status, es_cuda_name(d));
  }
  return ES_ENOTSUP;
}

/** The list of a pass, empty if it is new. */
static es_status list_of(es_cuda_dnn *k, const plan_key *key, plan_list **f) {
  for (int i = 0; i < k->n; i++) {
    *f = &k->list[i];
    if (memcmp(&(*f)->of, key, sizeof *key) == 0) return ES_OK;
  }
  if (k->n == k->cap) {
    plan_list *grown = NULL;
    ES_TRY(ES_NEW(2 * k->cap + 32, &grown));
    if (k->n > 0) memcpy(grown, k->list, (size_t) k->n * sizeof *grown);
    es_free(&k->list);
    k->list = grown;
    k->cap = 2 * k->cap + 32;
  }
  *f = &k->list[k->n++];
  **f = (plan_list){.of = *key};
  return ES_OK;
}

es_status es_cuda_dnn_plan_find(es_backend *b, const es_op_desc *d,
                                const es_cuda_dnn_job *job, const es_cuda_dnn_plan **p) {
  plan_list *f = NULL;
  plan_key key;
  memset(&key, 0, sizeof key); /* compared as bytes */
  key.in = d->in;
  key.out = d->out;
  key.window = d->window;
  key.precision = d->precision;
  key.pass = job->pass;
  key.n = job->n;
  if (job->engine >= ES_CUDA_ENGINES) return ES_ENOTSUP;
  ES_TRY(list_of(es_cuda_of(b)->dnn, &key, &f));
  while (f->n <= job->engine) ES_TRY(plan_next(b, d, job, f));
  *p = f->plan[job->engine];
  return ES_OK;
}

size_t es_cuda_dnn_version(void) {
  return cudnnGetVersion();
}

size_t es_cuda_dnn_workspace(const es_cuda_dnn_plan *p) {
  return (size_t) p->workspace;
}

es_status es_cuda_dnn_run(es_backend *b, const es_cuda_dnn_plan *p,
                          const es_cuda_dnn_data *data) {
  const int64_t name[3] = {X, W, Y};
  void *const at[3] = {data->x, data->w, data->y};
  void *workspace = data->workspace;
  cudnnBackendDescriptor_t d = NULL;
  maker m = {NULL,
             cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &d)};
  set(&m, d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, name);
  set(&m, d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, at);
  set(&m, d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  finish(&m, d);
  if (m.status == CUDNN_STATUS_SUCCESS)
    m.status = cudnnBackendExecute(es_cuda_of(b)->dnn->handle, p->plan, d);
  if (d != NULL) (void) cudnnBackendDestroyDescriptor(d);
  return dnn_ok(m.status, "convolution");
}
