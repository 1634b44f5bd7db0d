/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_surgery.c  Modes of a linear model are changed before a step. */
#include "linear_surgery.h"

#include <math.h>
#include "eigenstep/mem.h"

struct es_linear_surgery {
  es_linear_surgery_target on;
  es_surgery *surgery;
  es_crossings **crossing; /* [n] owned, as the rest */
  double *along;           /* [d, k] W V */
};

static es_status watch(es_linear_surgery *s, int j) {
  const double half = es_mode_descent_final(s->on.predicted)[j] / 2;
  es_crossings_destroy(&s->crossing[j]);
  return es_crossings_create(1, &half, &s->crossing[j]);
}

static es_status create(const es_surgery_params *p, es_linear_surgery *s) {
  const int d = s->on.map->d;
  ES_TRY(es_surgery_create(p, d, s->on.steps, &s->surgery));
  if (s->surgery == NULL) return ES_OK;
  ES_TRY(ES_NEW(s->on.n, &s->crossing));
  ES_TRY(ES_NEW((int64_t) d * s->on.modes->k, &s->along));
  for (int j = 0; j < s->on.n; j++) ES_TRY(watch(s, j));
  return ES_OK;
}

es_status es_linear_surgery_create(const es_surgery_params *p,
                                   const es_linear_surgery_target *target,
                                   es_linear_surgery **out) {
  es_linear_surgery *s = NULL;
  *out = NULL;
  ES_TRY(ES_NEW(1, &s));
  s->on = *target;
  const es_status st = create(p, s);
  if (st == ES_OK && s->surgery != NULL)
    *out = s;
  else
    es_linear_surgery_destroy(&s);
  return st;
}

void es_linear_surgery_destroy(es_linear_surgery **s) {
  if (*s == NULL) return;
  for (int j = 0; (*s)->crossing != NULL && j < (*s)->on.n; j++)
    es_crossings_destroy(&(*s)->crossing[j]);
  es_free(&(*s)->crossing);
  es_free(&(*s)->along);
  es_surgery_destroy(&(*s)->surgery);
  es_free(s);
}

static double weight(void *map, int i, int j) {
  const es_linear_map *const f = map;
  return f->w[(int64_t) i * f->p->m + j];
}

es_status es_linear_surgery_follow(es_linear_surgery *s, int64_t step) {
  if (s == NULL) return ES_OK;
  const int d = s->on.map->d, k = s->on.modes->k;
  ES_TRY(es_modes_project(s->on.modes, d, weight, s->on.map, s->along));
  for (int j = 0; j < s->on.n; j++) {
    double square = 0;
    for (int i = 0; i < d; i++) square += s->along[i * k + j] * s->along[i * k + j];
    const double now = es_mode_descent_value_at(s->on.predicted, j, sqrt(square));
    ES_TRY(es_crossings_update(s->crossing[j], (double) step, &now));
  }
  return ES_OK;
}

double es_linear_surgery_crossing(const es_linear_surgery *s, int j) {
  return es_crossings_at(s->crossing[j])[0];
}

typedef struct square {
  int d;
  const double *a; /* [d, d] */
} square;

static double entry(void *of, int i, int j) {
  const square *const s = of;
  return s->a[(int64_t) i * s->d + j];
}

/* Collective. Leading eigenpairs of c. */
static es_status find(es_linear_surgery *s, double time, const double *c) {
  const int d = s->on.map->d, k = es_surgery_modes(s->surgery);
  square of = {d, c};
  double *full = NULL, *q = NULL;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  es_status st;
  ES_TRY_GOTO(es_dmat_create(s->on.grid, d, d, 0, &a), done);
  es_dmat_fill(a, entry, &of);
  ES_TRY_GOTO(es_eig_solve("auto", a, d, &e), done);
  st = ES_NEW(d * d, &full);
  if (st == ES_OK) st = ES_NEW(k * d, &q);
  ES_TRY_GOTO(es_comm_agree(s->on.grid->comm, st), done);
  ES_TRY_GOTO(es_dmat_gather(e->vector, full), done);
  for (int i = 0; i < d; i++)
    for (int j = 0; j < k; j++) q[j * d + i] = full[i * d + j];
  es_surgery_set(s->surgery, time, e->value, q);
done:
  es_free(&q);
  es_free(&full);
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  return st;
}

/* Prediction of modes alone does not know of outputs that learn another's direction. */
static void warn_of_early(const es_linear_surgery *s) {
  const double *const now = es_mode_descent_value(s->on.predicted);
  const double *const final = es_mode_descent_final(s->on.predicted);
  int early = 0;
  for (int j = 0; j < s->on.n; j++)
    early += es_mode_descent_is_frozen(s->on.predicted, j) && now[j] < 0.9 * final[j];
  if (early > 0)
    es_warn("%d of the modes are frozen before they have settled: in time other outputs "
            "learn what is missing of these directions of the data, and later modes come "
            "later than predicted; take a later surgery.step",
            early);
}

es_status es_linear_surgery_apply(es_linear_surgery *s, int64_t step, double time,
                                  const double *c, es_traj *t, bool *done) {
  *done = s != NULL && es_surgery_is_due(s->surgery, step);
  if (!*done) return ES_OK;
  const int64_t m = s->on.map->p->m;
  ES_TRY(find(s, time, c));
  es_surgery_move(s->surgery, false, m, s->on.map->w);
  es_surgery_move(s->surgery, true, m, s->on.momentum);
  es_status st = ES_OK;
  warn_of_early(s);
  for (int j = 0; j < s->on.n && st == ES_OK; j++)
    if (es_mode_descent_is_removed(s->on.predicted, j)) st = watch(s, j);
  ES_TRY(es_comm_agree(s->on.grid->comm, st));
  return es_surgery_record(s->surgery, t);
}

void es_linear_surgery_steer(const es_linear_surgery *s, const es_loss_batch *b) {
  if (s != NULL) es_surgery_steer(s->surgery, b);
}
