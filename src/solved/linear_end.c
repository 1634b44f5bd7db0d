/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_end.c  Where a linear model ended against its prediction: embeddings of
 *  the views it was trained on, and weights against their limit. */
#include "linear_end.h"

#include <cblas.h>
#include <math.h>
#include "eigenstep/mem.h"
#include "end_state.h"

/* out [d, 2n] = W [d, m] x of all views, then of their partners; replicated. */
static void embed(const es_linear_end *e, const double *w, double *out) {
  const es_pairs *p = e->pairs;
  const int d = e->flow->d, n = (int) p->n, points = 2 * (int) p->total;
  for (int64_t i = 0; i < (int64_t) d * points; i++) out[i] = 0;
  for (int v = 0; v < 2 && n > 0; v++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, d, n, p->m, 1, w, p->m, p->x[v],
                p->m, 0, out + v * p->total + p->first, points);
  es_comm_sum_f64(e->comm, out, (int64_t) d * points);
}

/* W [d, m] = Q diag(s) V'. work: [d, k] */
static es_status weights_of(const es_linear_end *e, const double *s, double *work,
                            double *out) {
  const es_flow *f = e->flow;
  const int k = e->modes->k;
  for (int i = 0; i < f->d; i++)
    for (int j = 0; j < k; j++)
      work[(size_t) i * (size_t) k + (size_t) j] =
          j < f->modes ? f->q[i * f->modes + j] * s[j] : 0;
  return es_modes_expand(e->modes, f->d, work, out);
}

/* Amplitudes for t -> infinity. */
static void limit(const es_flow *f, double *s) {
  const double level = es_flow_plateau_value(f->d, es_flow_growing(f), f->opt.offdiag);
  for (int j = 0; j < f->modes; j++) {
    const double final = es_flow_final(f, j);
    s[j] = final > 0 ? sqrt(level * final / f->gamma[j]) : 0;
  }
}

es_status es_linear_compare(const es_linear_end *e, es_traj *t) {
  const es_flow *f = e->flow;
  const es_theory_end end = {
      .comm = e->comm, .traj = t, .d = f->d, .lr = e->lr, .time = e->time};
  const size_t d = (size_t) f->d, k = (size_t) e->modes->k, m = (size_t) e->pairs->m;
  const size_t points = 2 * (size_t) e->pairs->total;
  double *s = NULL, *w = NULL, *now = NULL, *then = NULL, *a = NULL, *b = NULL;
  if (es_flow_growing(f) == 0) return ES_OK;
  es_status st = ES_NEW(d, &s);
  if (st == ES_OK) st = ES_NEW(d * k, &w);
  if (st == ES_OK && !e->direct) st = ES_NEW(d * m, &now);
  if (st == ES_OK) st = ES_NEW(d * m, &then);
  if (st == ES_OK) st = ES_NEW(d * points, &a);
  if (st == ES_OK) st = ES_NEW(d * points, &b);
  ES_TRY_GOTO(es_comm_agree(e->comm, st), done);
  if (!e->direct) ES_TRY_GOTO(es_modes_expand(e->modes, f->d, e->w, now), done);
  const double *measured = e->direct ? e->w : now;
  es_flow_amplitudes(f, e->time, s);
  ES_TRY_GOTO(weights_of(e, s, w, then), done);
  embed(e, measured, a);
  embed(e, then, b);
  const es_end_matrix train = {.path = "/embeddings/train",
                               .what = "embeddings of the pairs",
                               .axis = "point",
                               .n = (int) points,
                               .measured = a,
                               .predicted = b};
  ES_TRY_GOTO(es_theory_write_end(&end, &train), done);
  limit(f, s);
  ES_TRY_GOTO(weights_of(e, s, w, then), done);
  const es_end_matrix weights = {.path = "/weights",
                                 .what = "weights against their limit",
                                 .axis = "value",
                                 .n = (int) m,
                                 .measured = measured,
                                 .predicted = then};
  st = es_theory_write_end(&end, &weights);
done:
  es_free(&b);
  es_free(&a);
  es_free(&then);
  es_free(&now);
  es_free(&w);
  es_free(&s);
  return st;
}
