/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mode_start.c  The modes of a linear model before it is trained. */
#include "eigenstep/mode_start.h"

#include <cblas.h>
#include <string.h>
#include "eigenstep/flow.h"
#include "eigenstep/mem.h"

/* Collective. moment [k] = (1/2N) sum (v_j'x)^2 over both views. */
static es_status moments(const es_modes *modes, const es_pairs *p, double *moment) {
  const es_comm *const c = modes->vector->grid->comm;
  const int m = p->m, n = (int) p->n, k = modes->k;
  const es_dmat first = es_dmat_first_cols(modes->vector, k);
  double *v = NULL, *y = NULL;
  es_status st = ES_NEW((size_t) m * (size_t) k, &v);
  if (st == ES_OK) st = ES_NEW((size_t) (n + 1) * (size_t) k, &y);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = es_dmat_gather(&first, v);
  for (int a = 0; a < 2 && st == ES_OK && n > 0; a++) {
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, k, m, 1, p->x[a], m, v, k,
                0, y, k);
    for (size_t i = 0; i < (size_t) n * (size_t) k; i++)
      moment[i % (size_t) k] += y[i] * y[i] / (2 * (double) p->total);
  }
  if (st == ES_OK) es_comm_sum_f64(c, moment, k);
  es_free(&y);
  es_free(&v);
  return st;
}

/* Collective. R_jj of W(0) V = Q R. */
static es_status amplitudes(const es_modes *modes, int d, es_start_entry *entry,
                            void *ctx, es_mode_start *s) {
  const es_comm *const c = modes->vector->grid->comm;
  const es_flow_options none = {.offdiag = 1};
  double *w = NULL, *leading = NULL;
  es_flow *f = NULL;
  es_status st = ES_NEW((size_t) d * (size_t) modes->k, &w);
  if (st == ES_OK) st = ES_NEW((size_t) d * (size_t) s->n, &leading);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = es_modes_project(modes, d, entry, ctx, w);
  for (int i = 0; st == ES_OK && i < d; i++)
    memcpy(leading + (size_t) i * (size_t) s->n, w + (size_t) i * (size_t) modes->k,
           (size_t) s->n * sizeof *leading);
  if (st == ES_OK)
    st = es_comm_agree(c, es_flow_create(d, s->n, modes->gamma, leading, &none, &f));
  if (st == ES_OK) memcpy(s->amplitude, f->start, (size_t) s->n * sizeof *f->start);
  es_flow_destroy(&f);
  es_free(&leading);
  es_free(&w);
  return st;
}

es_status es_mode_start_compute(const es_modes *modes, const es_pairs *p, int d,
                                es_start_entry *entry, void *ctx, es_mode_start *s) {
  double *moment = NULL;
  *s = (es_mode_start){.n = modes->k < d ? modes->k : d};
  es_status st = ES_NEW(modes->k, &moment);
  if (st == ES_OK) st = ES_NEW(s->n, &s->mode);
  if (st == ES_OK) st = ES_NEW(s->n, &s->amplitude);
  st = es_comm_agree(modes->vector->grid->comm, st);
  if (st == ES_OK) st = moments(modes, p, moment);
  if (st == ES_OK) st = amplitudes(modes, d, entry, ctx, s);
  for (int j = 0; j < s->n && st == ES_OK; j++)
    s->mode[j] = (es_loss_mode){.gamma = modes->gamma[j], .moment = moment[j]};
  es_free(&moment);
  return st;
}

void es_mode_start_free(es_mode_start *s) {
  es_free(&s->mode);
  es_free(&s->amplitude);
}
