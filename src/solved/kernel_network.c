/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_network.c  Real networks that become a kernel machine as they get
 *  wide.
 *
 *  f(x) = V relu(W_L ... relu(W_1 x)), no biases, trained on all pairs at once by
 *  the same step as any other network, in single precision. Weights are normal, of
 *  variance 2 in W_1 and 2 / fan-in in the other hidden layers. With gradients of
 *  all weights taken at one rate, the kernel of the gradient is `width` times
 *  - arccos of that depth, if V starts small (entries alpha / sqrt(width)): then the
 *    gradients of W_l are of the order of V and do not count;
 *  - ntk_relu of depth 1, if V has entries of variance 2, the second half of the
 *    units copies the first half's W_1 and has the opposite V: the two halves cancel
 *    in f, not in the gradients. V has another alpha / sqrt(width) on top, which is
 *    the start.
 *
 *  So the rate lr / width makes t = lr x step the time of the kernel machine. The
 *  machine starts from the network's own embeddings F_0 and takes as many steps:
 *  f(x) = f_0(x) + (w - w_0) B' K^(-1/2) k(x), w_0 = F_0 K^(-1/2) B.
 *  (Chizat, Oyallon, Bach, NeurIPS 2019, for the halves; Lee et al., NeurIPS 2019, for
 *  linearisation.) */
#include "kernel_network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"

/* This rank's pairs of one set, as the network takes them. */
static es_status fill_batch(es_network *q, int set, int64_t from, int64_t total) {
  const es_pairs *p = &q->m->pairs;
  const int64_t begin = p->first > from ? p->first : from;
  const int64_t last = p->first + p->n < from + total ? p->first + p->n : from + total;
  const int64_t n = last > begin ? last - begin : 0;
  es_network_set *s = &q->set[set];
  es_batch *b = &s->batch;
  s->n = total;
  s->first = begin - from;
  b->n = (int) n;
  ES_TRY(ES_NEW(2 * n * p->m, &b->x));
  ES_TRY(ES_NEW(n, &b->id));
  ES_TRY(ES_NEW(2 * n * q->m->par.dim, &s->z));
  for (int64_t i = 0; i < n; i++) b->id[i] = begin + i;
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < n * p->m; i++)
      b->x[v * n * p->m + i] = (float) p->x[v][(begin - p->first) * p->m + i];
  return ES_OK;
}

es_status es_network_open(es_network *q) {
  const es_kernel_params *par = &q->m->par;
  const int64_t d = par->dim, all = 2 * d * (par->sample + par->held_out);
  const int64_t k = d * q->m->modes->basis.k;
  ES_TRY(es_backend_open("auto", q->m->comm, 1, &q->backend));
  es_status st = fill_batch(q, ES_SET_TRAIN, 0, par->sample);
  if (st == ES_OK) st = fill_batch(q, ES_SET_HELD_OUT, par->sample, par->held_out);
  if (st == ES_OK) st = ES_NEW(all, &q->f0);
  if (st == ES_OK) st = ES_NEW(all, &q->f);
  if (st == ES_OK) st = ES_NEW(all, &q->ref);
  if (st == ES_OK) st = ES_NEW(k, &q->w0);
  if (st == ES_OK) st = ES_NEW(k, &q->w);
  return es_comm_agree(q->m->comm, st);
}

void es_network_free(es_network *q) {
  es_train_destroy(&q->train);
  es_optim_destroy(&q->optim);
  es_loss_destroy(&q->loss);
  es_net_destroy(&q->net);
}

void es_network_close(es_network *q) {
  es_network_free(q);
  double **owned[] = {&q->f0, &q->f, &q->ref, &q->w0, &q->w};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(owned[i]);
  for (int s = 0; s < 2; s++) {
    es_free(&q->set[s].batch.x);
    es_free(&q->set[s].batch.id);
    es_free(&q->set[s].z);
  }
  es_backend_close(&q->backend);
}

static es_status add_layers(es_network *q, int width) {
  const es_kernel *kernel = q->m->kernel;
  const int layers = kernel->ops->layers(kernel->par);
  char name[32];
  int x;
  ES_TRY(es_net_input(q->net, q->m->view, &x));
  ES_TRY(es_net_flatten(q->net, x, &x));
  for (int l = 0; l <= layers; l++) {
    snprintf(name, sizeof name, "layer.%d", l);
    const int out = l < layers ? width : (int) q->m->par.dim;
    ES_TRY(es_net_linear(q->net, x, name, out, false, &x));
    if (l < layers) ES_TRY(es_net_relu(q->net, x, &x));
  }
  es_params *p = es_net_params(q->net);
  for (int l = 0; l <= layers; l++) {
    es_tensor_info *v = &p->tensor[l];
    v->init = ES_INIT_NORMAL_FAN_IN;
    v->scale = l == layers ? q->m->par.alpha : sqrt(l == 0 ? 2.0 * q->m->pairs.m : 2.0);
  }
  return es_net_alloc(q->net);
}

/* The second half of the units as the first, with the opposite output. */
static es_status mirror(const es_network *q, int width, uint64_t seed) {
  es_params *p = es_net_params(q->net);
  const size_t half = (size_t) width / 2 * (size_t) q->m->pairs.m;
  float *in = NULL, *out = NULL;
  es_status st;
  ES_TRY_GOTO(ES_NEW(p->tensor[0].count, &in), done);
  ES_TRY_GOTO(ES_NEW(p->tensor[1].count, &out), done);
  ES_TRY_GOTO(es_params_get(p, 0, in), done);
  ES_TRY_GOTO(es_params_get(p, 1, out), done);
  memcpy(in + half, in, half * sizeof *in);
  for (int i = 0; i < q->m->par.dim; i++)
    for (int u = 0; u < width / 2; u++) {
      float *v = out + (size_t) i * (size_t) width + u;
      es_rng r =
          es_rng_at(seed, ES_STREAM_INIT, (uint64_t) (p->n_tensors + i), (uint32_t) u);
      const float large = (float) (sqrt(2) * es_rng_normal(&r));
      v[0] += large;
      v[width / 2] -= large;
    }
  ES_TRY_GOTO(es_params_set(p, 0, in), done);
  st = es_params_set(p, 1, out);
done:
  es_free(&out);
  es_free(&in);
  return st;
}

/* The loss of the solved model, whatever the run's configuration says about losses. */
static es_status make_loss(es_network *q) {
  const es_machine *m = q->m;
  const es_flow_options model = {.offdiag = m->par.offdiag};
  const es_loss_size size = {.n_max = q->set[ES_SET_TRAIN].batch.n,
                             .pairs = q->set[ES_SET_TRAIN].n,
                             .dim = (int) m->par.dim};
  return es_loss_create_solved(&model, &size, m->comm, &q->loss);
}

es_status es_network_make(es_network *q, int width, uint64_t seed) {
  const es_machine *m = q->m;
  const int train = q->set[ES_SET_TRAIN].batch.n;
  const int held_out = q->set[ES_SET_HELD_OUT].batch.n;
  const int most = train > held_out ? train : held_out;
  const es_net_options o = {.max_n = 2 * most};
  const es_optim_params sgd = {.name = "sgd", .lr = m->lr / width, .lr_1d = 1};
  es_status st = es_net_create(q->backend, &o, &q->net);
  if (st == ES_OK) st = add_layers(q, width);
  if (st == ES_OK) st = es_params_init(es_net_params(q->net), seed);
  if (st == ES_OK && m->kernel->ops->tangent) st = mirror(q, width, seed);
  if (st == ES_OK) st = es_optim_create(&sgd, NULL, es_net_params(q->net), &q->optim);
  ES_TRY(es_comm_agree(m->comm, st));
  ES_TRY(make_loss(q));
  const es_train_options t = {.layout = es_row_layout_distributed(m->comm),
                              .net = q->net,
                              .loss = q->loss,
                              .optim = q->optim,
                              .n_max = most,
                              .groups = 2};
  return es_comm_agree(m->comm, es_train_create(&t, &q->train));
}
