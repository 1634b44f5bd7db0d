/* SPDX-License-Identifier: BSD-3-Clause */
/** @file params.c  Flat parameter buffers with named tensors, and their initial values.
 *
 *  Initial values are torchvision's distributions drawn from the counter-based generator:
 *  element e of tensor i is a function of (seed, i, e) alone.
 *  Order of calls: create -> add ... -> alloc -> init. */
#include "eigenstep/params.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "array.h"

enum { PART = 4096 }; /* elements drawn at a time; even */

es_status es_params_create(es_backend *b, es_params **p) {
  es_params *q;
  ES_TRY(ES_NEW(1, &q));
  q->backend = b;
  q->version = 1;
  *p = q;
  return ES_OK;
}

static void release(es_backend *b, es_buf *p) {
  void *q = *p;
  if (q != NULL) b->ops->release(b, &q);
  *p = NULL;
}

void es_params_destroy(es_params **p) {
  if (*p == NULL) return;
  if ((*p)->shared.comm == NULL) {
    release((*p)->backend, &(*p)->value);
    release((*p)->backend, &(*p)->grad);
  }
  es_shared_destroy(&(*p)->shared.values);
  es_shared_destroy(&(*p)->shared.grads);
  release((*p)->backend, &(*p)->state);
  release((*p)->backend, &(*p)->frozen);
  es_free(&(*p)->tensor);
  es_free(p);
}

es_status es_params_add(es_params *p, const es_tensor_info *v, int *index) {
  ES_CHECK(p->value == NULL, ES_EARG,
           "parameters: got '%s' after the buffers were allocated", v->name);
  ES_CHECK(es_params_find(p, v->name) < 0, ES_EARG,
           "parameters: got the name '%s' twice, expected unique names", v->name);
  ES_CHECK(v->ndim >= 1 && v->ndim <= 4, ES_EARG, "'%s': got %d dimensions, expected 1-4",
           v->name, v->ndim);
  int64_t count = 1;
  for (int i = 0; i < v->ndim; i++) {
    ES_CHECK(v->dim[i] >= 1 && v->dim[i] <= INT64_C(0xffffffff) / count, ES_EARG,
             "'%s': got size %lld in dimension %d, expected 1 to 2^32 elements in all",
             v->name, (long long) v->dim[i], i);
    count *= v->dim[i];
  }
  ES_TRY(
      es_array_reserve(&p->tensor, p->n_tensors, &p->cap, sizeof *p->tensor, "tensors"));
  es_tensor_info *const mine = &p->tensor[p->n_tensors];
  int64_t *const end = v->state ? &p->n_state : &p->n;
  *mine = *v;
  mine->count = count;
  mine->offset = *end;
  *end += count;
  *index = p->n_tensors++;
  return ES_OK;
}

static es_status allocate(es_backend *b, int64_t n, const char *what, es_buf *buf) {
  void *p;
  ES_TRY(b->ops->alloc(b, (size_t) n * sizeof(float), what, &p));
  *buf = p;
  return ES_OK;
}

es_status es_params_alloc(es_params *p) {
  ES_TRY(allocate(p->backend, p->n, "parameters", &p->value));
  ES_TRY(allocate(p->backend, p->n, "parameter gradients", &p->grad));
  return allocate(p->backend, p->n_state, "running averages", &p->state);
}

void es_params_share(es_params *p, const es_comm *c, es_shared *values,
                     es_shared *grads) {
  const size_t bytes = (size_t) p->n * sizeof(float);
  float *const value = values->part[0], *const grad = grads->part[c->node_rank];
  if (c->node_rank == 0) memcpy(value, p->value, bytes);
  memcpy(grad, p->grad, bytes);
  es_comm_barrier(c);
  release(p->backend, &p->value);
  release(p->backend, &p->grad);
  p->value = value; /* of the node's first rank, which may differ from what was packed */
  p->grad = grad;
  p->shared = (es_params_sharing){.comm = c, .values = values, .grads = grads};
  p->version++;
}

int es_params_find(const es_params *p, const char *name) {
  for (int i = 0; i < p->n_tensors; i++)
    if (strcmp(p->tensor[i].name, name) == 0) return i;
  return -1;
}

/** Where a tensor lives. */
static es_buf place(const es_params *p, const es_tensor_info *v) {
  return (v->state ? p->state : p->value) + v->offset;
}

es_status es_params_get(const es_params *p, int tensor, float *out) {
  const es_tensor_info *const v = &p->tensor[tensor];
  return p->backend->ops->download(p->backend, out, place(p, v), (size_t) v->count);
}

es_status es_params_set(es_params *p, int tensor, const float *in) {
  p->version++;
  const es_tensor_info *const v = &p->tensor[tensor];
  return p->backend->ops->upload(p->backend, place(p, v), in, (size_t) v->count);
}

/** Room on the host for the largest tensor. */
static es_status staging(const es_params *p, float **buf) {
  int64_t most = 0;
  for (int i = 0; i < p->n_tensors; i++)
    if (p->tensor[i].count > most) most = p->tensor[i].count;
  return ES_NEW(most, buf);
}

/** Elements [first, first + n) of a tensor, n <= PART. Of the blocks of the sequence r a
 *  normal number takes one and a uniform one half. */
static void draw_part(const es_tensor_info *v, es_rng r, int64_t first, int64_t n,
                      float *out) {
  const double in = sqrt((double) v->fan_in), gain = sqrt(2.0 / (double) v->fan_out);
  double x[PART];
  for (int64_t e = 0; e < n; e++) x[e] = v->init == ES_INIT_ONE ? 1.0 : 0.0;
  switch (v->init) {
  case ES_INIT_ZERO:
  case ES_INIT_ONE:
    break;
  case ES_INIT_UNIFORM_FAN_IN:
    es_rng_skip(&r, (uint32_t) (first / 2));
    for (int64_t e = 0; e < n; e++) x[e] = es_rng_range(&r, -1.0, 1.0) / in;
    break;
  case ES_INIT_KAIMING_FAN_OUT:
  case ES_INIT_NORMAL_FAN_IN:
    es_rng_skip(&r, (uint32_t) first);
    es_rng_normals(&r, n, x);
    for (int64_t e = 0; e < n; e++)
      x[e] = v->init == ES_INIT_KAIMING_FAN_OUT ? gain * x[e] : x[e] / in;
    break;
  }
  for (int64_t e = 0; e < n; e++) out[e] = (float) (v->scale * x[e]);
}

static void draw(const es_tensor_info *v, es_rng r, int threads, float *out) {
  (void) threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t first = 0; first < v->count; first += PART) {
    const int64_t left = v->count - first;
    draw_part(v, r, first, left < PART ? left : PART, out + first);
  }
}

es_status es_params_init(es_params *p, uint64_t seed) {
  es_status st = ES_OK;
  float *host;
  ES_TRY(staging(p, &host));
  for (int i = 0; i < p->n_tensors && st == ES_OK; i++) {
    draw(&p->tensor[i], es_rng_at(seed, ES_STREAM_INIT, (uint64_t) i, 0),
         p->backend->threads, host);
    st = es_params_set(p, i, host);
  }
  es_free(&host);
  return st;
}

static es_status visit_tensor(es_params *p, int i, float *host, es_visitor *v) {
  const es_tensor_info *const tensor = &p->tensor[i];
  char name[ES_NAME_MAX + 8];
  snprintf(name, sizeof name, "model/%s", tensor->name);
  es_item item = {.name = name, .type = ES_ITEM_F32, .ndim = tensor->ndim, .data = host};
  memcpy(item.dim, tensor->dim, sizeof item.dim);
  if (!v->loading) ES_TRY(es_params_get(p, i, host));
  ES_TRY(v->item(v, &item));
  return v->loading ? es_params_set(p, i, host) : ES_OK;
}

es_status es_params_visit(es_params *p, es_visitor *v) {
  es_status st = ES_OK;
  float *host;
  ES_TRY(staging(p, &host));
  for (int i = 0; i < p->n_tensors && st == ES_OK; i++) st = visit_tensor(p, i, host, v);
  es_free(&host);
  return st;
}
