/* SPDX-License-Identifier: BSD-3-Clause */
/** @file pass.c  What an observer of the network keeps of each layer. Batch norm with
 *  constant statistics: dgain = sum_p g_p (x_p - mean) / sqrt(var + eps), dbias =
 *  sum_p g_p, where g = dy where the output is positive (if it has a ReLU), else 0. */
#include "pass.h"

#include <math.h>
#include "eigenstep/mem.h"

/* One pass at work. */
typedef struct pass {
  es_net *net;
  int n_kept;
  const es_ntk_kept *kept;
  unsigned char **gate; /* [n_kept] of a batch norm: is the output positive? */
  float *x, *dy;        /* room for a map of all images of a forward */
  float *statistics;    /* of all batch norms, laid out as the parameters' state */
  int64_t first;        /* sample */
  int n;                /* images */
} pass;

static int64_t map_size(const es_net_layer *l) {
  return (int64_t) l->in.c * l->in.h * l->in.w;
}

/* Index of the network's layer i among those kept, or -1. */
static int find(const pass *p, int i) {
  for (int k = 0; k < p->n_kept; k++)
    if (p->kept[k].layer->index == i) return k;
  return -1;
}

static es_status after_forward(void *ctx, int i) {
  pass *const p = ctx;
  const int k = find(p, i);
  if (k < 0 || p->gate[k] == NULL) return ES_OK;
  const int64_t size = p->n * map_size(&p->kept[k].layer->of);
  ES_TRY(es_net_layer_output(p->net, i, p->x));
  for (int64_t e = 0; e < size; e++) p->gate[k][e] = p->x[e] > 0.0f;
  return ES_OK;
}

/* Gradients of gain and bias of one image. */
static void bn_gradients(const es_net_layer *l, const float *x, const float *dy,
                         const unsigned char *gate, const float *mean, const float *var,
                         float *g) {
  const int64_t pixels = (int64_t) l->in.h * l->in.w;
  for (int c = 0; c < l->in.c; c++) {
    double gain = 0, bias = 0;
    for (int64_t e = c * pixels; e < (c + 1) * pixels; e++) {
      if (gate != NULL && gate[e] == 0) continue;
      gain += (double) dy[e] * (x[e] - mean[c]);
      bias += dy[e];
    }
    g[c] = (float) (gain / sqrt(var[c] + l->eps));
    g[l->in.c + c] = (float) bias;
  }
}

static es_status keep_bn(pass *p, int i, int k) {
  const es_ntk_layer *const layer = p->kept[k].layer;
  const es_net_layer *const l = &layer->of;
  const es_tensor_info *const tensor = es_net_params(p->net)->tensor;
  const int64_t size = map_size(l);
  ES_TRY(es_net_layer_input(p->net, i, p->x));
  ES_TRY(es_net_layer_gradient(p->net, i, p->dy));
  for (int s = 0; s < p->n; s++)
    bn_gradients(l, p->x + s * size, p->dy + s * size,
                 p->gate[k] != NULL ? p->gate[k] + s * size : NULL,
                 p->statistics + tensor[l->mean].offset,
                 p->statistics + tensor[l->var].offset,
                 p->kept[k].g + (p->first + s) * layer->g_size);
  return ES_OK;
}

static es_status before_backward(void *ctx, int i) {
  pass *const p = ctx;
  const int k = find(p, i);
  if (k < 0) return ES_OK;
  const es_ntk_layer *const l = p->kept[k].layer;
  if (l->of.kind == ES_OP_BN) return keep_bn(p, i, k);
  ES_TRY(es_net_layer_input(p->net, i, p->kept[k].x + p->first * l->x_size));
  return es_net_layer_gradient(p->net, i, p->kept[k].g + p->first * l->g_size);
}

static void pass_close(pass *p) {
  for (int k = 0; p->gate != NULL && k < p->n_kept; k++) es_free(&p->gate[k]);
  es_free(&p->gate);
  es_free(&p->x);
  es_free(&p->dy);
  es_free(&p->statistics);
}

static es_status pass_open(const es_ntk_passes *o, int n, const es_ntk_kept *kept,
                           pass *p) {
  const es_params *const params = es_net_params(o->net);
  const es_buf statistics = o->mode == ES_BN_FROZEN ? params->frozen : params->state;
  int64_t widest = 1;
  *p = (pass){.net = o->net, .n_kept = n, .kept = kept};
  ES_TRY(ES_NEW(n, &p->gate));
  for (int k = 0; k < n; k++) {
    const es_net_layer *const l = &kept[k].layer->of;
    if (l->kind != ES_OP_BN) continue;
    if (map_size(l) > widest) widest = map_size(l);
    if (l->relu) ES_TRY(ES_NEW(o->points->most * map_size(l), &p->gate[k]));
  }
  ES_TRY(ES_NEW(o->points->most * widest, &p->x));
  ES_TRY(ES_NEW(o->points->most * widest, &p->dy));
  ES_TRY(ES_NEW(params->n_state + 1, &p->statistics));
  es_backend *const b = params->backend;
  return params->n_state == 0
             ? ES_OK
             : b->ops->download(b, p->statistics, statistics, (size_t) params->n_state);
}

static int64_t image_size(const es_net *net) {
  const es_shape s = es_net_shape(net, 0);
  return (int64_t) s.c * s.h * s.w;
}

/* Images of the forward that begins with sample `first`. */
static int count_at(const es_held_out_points *points, int64_t first) {
  const int64_t left = 2 * points->n - first;
  return left < points->most ? (int) left : points->most;
}

static es_status run(const es_ntk_passes *o, pass *p, const float *dz, float *z) {
  const int64_t d = es_net_dim(o->net), size = image_size(o->net);
  for (; p->first < 2 * o->points->n; p->first += p->n) {
    p->n = count_at(o->points, p->first);
    ES_TRY(es_net_forward(o->net, p->n, 1, o->mode, o->points->x + p->first * size,
                          z + p->first * d));
    es_net_zero_grad(o->net);
    ES_TRY(es_net_backward(o->net, dz));
  }
  return ES_OK;
}

/* The gradient of u . f with respect to f of `most` images. */
static es_status repeat(int most, int64_t d, const float *u, float **dz) {
  ES_TRY(ES_NEW(most * d, dz));
  for (int64_t i = 0; i < most * d; i++) (*dz)[i] = u[i % d];
  return ES_OK;
}

es_status es_ntk_pass(const es_ntk_passes *o, const float *u, int n,
                      const es_ntk_kept *kept, float *z) {
  const int64_t d = es_net_dim(o->net);
  pass p = {.net = NULL};
  float *dz = NULL, *own_z = NULL;
  const es_net_observer who = {after_forward, before_backward, &p,
                               n > 0 ? kept[0].layer->index : 0};
  es_status st = pass_open(o, n, kept, &p);
  if (st == ES_OK) st = repeat(o->points->most, d, u, &dz);
  if (st == ES_OK && z == NULL) st = ES_NEW(2 * o->points->n * d, &own_z);
  if (st == ES_OK) {
    es_net_observe(o->net, &who);
    st = run(o, &p, dz, z != NULL ? z : own_z);
    es_net_observe(o->net, NULL);
  }
  es_free(&own_z);
  es_free(&dz);
  pass_close(&p);
  return st;
}

double es_ntk_pass_cost(const es_net *net) {
  es_net_cost cost;
  es_net_cost_of(net, &cost);
  return 3 * cost.flops / 2; /* backward takes two products where forward takes one */
}
