/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_update.c  Updates of parameters, which leave the weights of convolutions
 *  packed for the next step: one pass over memory, and no launch for each layer.
 *
 *  A list of the packed weights of all trained layers lies on the device, in the order of
 *  the values they are packed of; an update is given the part of it that is within its
 *  range. Room for it is made when layers are planned. */
#include <math.h>
#include <string.h>
#include "cuda_conv.h"
#include "eigenstep/mem.h"

static int64_t count_of(const es_cuda_packed *w) {
  return w->of.o * w->of.i * w->of.taps;
}

es_status es_cuda_trained_reserve(es_backend *b) {
  es_cuda_trained *const t = &es_cuda_of(b)->trained;
  if (t->layers == t->cap) {
    const int cap = 2 * t->cap + 64;
    es_cuda_trained grown = {.n = t->n, .layers = t->layers, .cap = cap};
    es_status st = ES_NEW(cap, &grown.weights);
    if (st == ES_OK) st = ES_NEW(cap, &grown.layer);
    if (st == ES_OK)
      st = es_cuda_alloc(b, (size_t) cap * sizeof *grown.weights, "list of weights",
                         &grown.device);
    if (st == ES_OK && t->n > 0) {
      memcpy(grown.weights, t->weights, (size_t) t->n * sizeof *t->weights);
      memcpy(grown.layer, t->layer, (size_t) t->n * sizeof *t->layer);
    }
    es_cuda_trained *const old = st == ES_OK ? t : &grown;
    es_cuda_release(b, &old->device);
    es_free(&old->weights);
    es_free(&old->layer);
    ES_TRY(st);
    *t = grown;
  }
  t->layers++;
  return ES_OK;
}

static void remove_at(es_cuda_trained *t, int i) {
  const size_t after = (size_t) (--t->n - i);
  memmove(&t->weights[i], &t->weights[i + 1], after * sizeof *t->weights);
  memmove(&t->layer[i], &t->layer[i + 1], after * sizeof *t->layer);
  t->sent = false;
}

void es_cuda_trained_forget(es_cuda_conv *c) {
  es_cuda_trained *const t = &es_cuda_of(c->op.backend)->trained;
  for (int i = t->n - 1; i >= 0; i--)
    if (t->layer[i] == c) remove_at(t, i);
  t->layers--;
}

void es_cuda_trained_close(es_backend *b) {
  es_cuda_trained *const t = &es_cuda_of(b)->trained;
  es_cuda_release(b, &t->device);
  es_free(&t->weights);
  es_free(&t->layer);
}

void es_cuda_trained_add(es_cuda_conv *c, const es_buf w) {
  es_cuda_trained *const t = &es_cuda_of(c->op.backend)->trained;
  if (c->packed == NULL || c->trained == w) return;
  for (int i = t->n - 1; i >= 0; i--) /* another layer may have the same weights */
    if (t->layer[i] == c || t->weights[i].from == w) remove_at(t, i);
  int at = t->n++;
  for (; at > 0 && t->weights[at - 1].from > w; at--) {
    t->weights[at] = t->weights[at - 1];
    t->layer[at] = t->layer[at - 1];
  }
  t->weights[at] = (es_cuda_packed){
      .from = w, .of = es_cuda_conv_filter(&c->op.desc), .to = c->packed};
  t->layer[at] = c;
  t->sent = false;
  c->trained = w;
}

/** The list on the device, as far as its tensors are within p[n]. */
static es_status packing_of(es_backend *b, const float *p, size_t n, es_cuda_packing *w) {
  es_cuda_trained *const t = &es_cuda_of(b)->trained;
  int first = 0, end;
  while (first < t->n && t->weights[first].from < p) first++;
  for (end = first; end < t->n; end++)
    if (t->weights[end].from + count_of(&t->weights[end]) > p + n) break;
  *w = (es_cuda_packing){.n = end - first};
  if (end == first) return ES_OK;
  if (!t->sent)
    ES_TRY(es_cuda_send(b, t->device, t->weights, (size_t) t->n * sizeof *t->weights));
  t->sent = true;
  w->list = (const es_cuda_packed *) t->device + first;
  for (int i = first; i < end; i++) t->layer[i]->packed_version = 0; /* if it fails */
  return ES_OK;
}

/** What was in the list is packed, of these values. */
static void note_packed(es_backend *b, const es_cuda_packing *w, int64_t version) {
  const es_cuda_trained *const t = &es_cuda_of(b)->trained;
  const es_cuda_packed *const all = t->device;
  for (int i = 0; i < w->n; i++) {
    const int at = (int) (w->list - all) + i;
    t->layer[at]->packed_version = version;
    t->layer[at]->packed_of = t->weights[at].from;
  }
}

es_status es_cuda_sgd_step(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                           const es_buf g, es_buf m) {
  es_cuda_sgd u = {.n = n,
                   .lr = (float) a->lr,
                   .scale = (float) a->scale,
                   .momentum = (float) a->momentum,
                   .decay = (float) a->weight_decay,
                   .nesterov = a->nesterov,
                   .p = p,
                   .m = m,
                   .g = g};
  if (a->version != 0) ES_TRY(packing_of(b, p, n, &u.packing));
  ES_TRY(es_cuda_ok(es_cuda_update_sgd(es_cuda_of(b)->stream, &u), "update by SGD"));
  note_packed(b, &u.packing, a->version);
  return ES_OK;
}

es_status es_cuda_adamw_step(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                             const es_buf g, es_buf const moments[2]) {
  const double t = (double) a->step;
  es_cuda_adamw u = {.n = n,
                     .by = {.b1 = (float) a->beta1,
                            .new1 = (float) (1.0 - a->beta1),
                            .b2 = (float) a->beta2,
                            .new2 = (float) (1.0 - a->beta2),
                            .decay = (float) (a->lr * a->weight_decay),
                            .eps = (float) a->eps,
                            .rate = (float) (a->lr / (1.0 - pow(a->beta1, t))),
                            .root = (float) (1.0 / sqrt(1.0 - pow(a->beta2, t)))},
                     .p = p,
                     .m = moments[0],
                     .v = moments[1],
                     .g = g};
  if (a->version != 0) ES_TRY(packing_of(b, p, n, &u.packing));
  ES_TRY(es_cuda_ok(es_cuda_update_adamw(es_cuda_of(b)->stream, &u), "update by AdamW"));
  note_packed(b, &u.packing, a->version);
  return ES_OK;
}
