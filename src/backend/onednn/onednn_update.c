/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_update.c  Updates of parameters that pack weights for the next step while
 *  they are in the cache.
 *
 *  A few rows of a tensor at a time, or one tensor: packing reads its new values from the
 *  cache instead of memory. */
#include <string.h>
#include "eigenstep/mem.h"
#include "onednn_state.h"

bool es_onednn_updates_whole(const es_backend *b) {
  return b->comm == NULL || b->comm->nodes == b->comm->size;
}

void es_onednn_weights_remove(es_backend *b, const es_op *op) {
  es_onednn_trained *const s = &((es_onednn *) b->impl)->trained;
  int kept = 0;
  for (int i = 0; i < s->n; i++)
    if (s->weights[i].op != op) s->weights[kept++] = s->weights[i];
  s->n = kept;
}

es_status es_onednn_weights_reserve(es_backend *b) {
  es_onednn_trained *const s = &((es_onednn *) b->impl)->trained;
  if (s->ops == s->cap) {
    const int cap = 2 * s->cap + 64;
    es_onednn_weights *grown = NULL;
    ES_TRY(ES_NEW(cap, &grown));
    if (s->n > 0) memcpy(grown, s->weights, (size_t) s->n * sizeof *grown);
    es_free(&s->weights);
    s->weights = grown;
    s->cap = cap;
  }
  s->ops++;
  return ES_OK;
}

void es_onednn_weights_release(es_backend *b) {
  es_onednn *const s = b->impl;
  s->trained.ops--;
  if (s->trained.ops == 0) es_onednn_node_free(s);
}

void es_onednn_weights_add(es_backend *b, const es_onednn_weights *w) {
  es_onednn_trained *const s = &((es_onednn *) b->impl)->trained;
  es_onednn_weights_remove(b, w->op);
  int at = s->n++;
  for (; at > 0 && s->weights[at - 1].value > w->value; at--)
    s->weights[at] = s->weights[at - 1];
  s->weights[at] = *w;
}

/** An update of p[n], of either kind. */
typedef struct update {
  es_backend *b;
  const es_sgd_args *sgd;
  const es_adamw_args *adamw; /**< NULL: sgd */
  float *p, *g, *m, *v;
} update;

/** Elements [first, end). */
static es_status update_run(const update *u, size_t first, size_t end) {
  float *const m = u->m != NULL ? u->m + first : NULL;
  if (u->adamw == NULL)
    return es_blas_sgd(u->b, end - first, u->sgd, u->p + first, u->g + first, m);
  float *const moments[2] = {m, u->v + first};
  return es_blas_adamw(u->b, end - first, u->adamw, u->p + first, u->g + first, moments);
}

/** The tensor w, [first, end) of p. */
static es_status update_tensor(const update *u, const es_onednn_weights *w, size_t first,
                               size_t end) {
  const int64_t unit = w->unit(w->op);
  es_status st = ES_OK;
  if (unit >= w->count) {
    ES_TRY(update_run(u, first, end));
    return w->pack(w->op, w->value, 0, w->count);
  }
#pragma omp parallel for num_threads(u->b->threads) schedule(static) reduction(min : st)
  for (int64_t at = 0; at < w->count; at += unit) {
    const int64_t n = at + unit < w->count ? unit : w->count - at;
    const size_t from = first + (size_t) at;
    es_status one = update_run(u, from, from + (size_t) n);
    if (one == ES_OK) one = w->pack(w->op, w->value, at, n);
    if (one < st) st = one; /* errors are negative */
  }
  return st;
}

static es_status update_and_pack(const update *u, size_t n, int64_t version) {
  const es_onednn_trained *const s = &((const es_onednn *) u->b->impl)->trained;
  size_t done = 0;
  const int count = version != 0 && es_onednn_updates_whole(u->b) ? s->n : 0;
  for (int i = 0; i < count; i++) {
    const es_onednn_weights *const w = &s->weights[i];
    if (w->value < u->p + done || w->value + w->count > u->p + n) continue;
    const size_t first = (size_t) (w->value - u->p), end = first + (size_t) w->count;
    ES_TRY(update_run(u, done, first));
    w->set_version(w->op, 0);
    ES_TRY(update_tensor(u, w, first, end));
    w->set_version(w->op, version);
    done = end;
  }
  return update_run(u, done, n);
}

es_status es_onednn_sgd(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                        const es_buf g, es_buf m) {
  const update u = {.b = b, .sgd = a, .p = p, .g = g, .m = m};
  return update_and_pack(&u, n, a->version);
}

es_status es_onednn_adamw(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                          const es_buf g, es_buf const moments[2]) {
  const update u = {.b = b, .adamw = a, .p = p, .g = g, .m = moments[0], .v = moments[1]};
  return update_and_pack(&u, n, a->version);
}
