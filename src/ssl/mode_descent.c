/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mode_descent.c  Amplitudes of the modes of a linear model, each alone. */
#include "eigenstep/mode_descent.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

/* Updates of modes before a surgery: some seconds. */
#define MOST_UPDATES 4e8

struct es_mode_descent {
  const es_loss *loss; /* borrowed */
  es_loss_setup setup;
  es_mode_update update;
  int n;
  es_loss_mode *mode;                     /* [n] owned, as the rest */
  double *start, *s, *m, *value, *before; /* amplitude at first and now, momentum,
                                              eigenvalue now and a step ago */
  double *final;
  es_surgery_entry *changed; /* [n] by surgery */
  int64_t steps;
};

/* -dL/ds of a plain gradient, with weight decay. */
static double velocity(const es_mode_descent *p, int j, double s, double *value) {
  return -p->update.decay * s +
         p->loss->ops->theory->velocity(p->loss->par, &p->setup, &p->mode[j], s, value);
}

/* With the preconditioned gradient; the divisor's C is that of the same step. */
static double effective(const es_mode_descent *p, int j, double s) {
  double value;
  const double v = velocity(p, j, s, &value);
  return p->update.eps > 0 ? v / (fmax(value, 0) + p->update.eps) : v;
}

/* The amplitude at which a mode rests, by bisection; 0: it does not grow. */
static double rest(const es_mode_descent *p, int j) {
  const double gamma = p->mode[j].gamma; /* a start may lie beyond the rest */
  double low = fmin(fmax(p->start[j], 1e-150), gamma > 0 ? 1e-6 / sqrt(gamma) : INFINITY);
  double high = low, value;
  if (!(velocity(p, j, low, &value) > 0)) return 0;
  while (velocity(p, j, high, &value) > 0 && high < 1e150) high *= 2;
  if (high >= 1e150) return 0;
  for (int i = 0; i < 200; i++) {
    const double middle = (low + high) / 2;
    if (velocity(p, j, middle, &value) > 0)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* The fastest relative change of an amplitude from the start to its rest, and of its
 * distance from the rest. */
static double fastest(const es_mode_descent *p, int j, double end) {
  double top = 0;
  for (double s = fmax(p->start[j], 1e-12 * end); s < end; s *= 1.1)
    top = fmax(top, effective(p, j, s) / s);
  const double h = 1e-5 * end;
  return fmax(top, (effective(p, j, end - h) - effective(p, j, end + h)) / (2 * h));
}

static void choose_rate(es_mode_descent *p) {
  double top = 0, first = INFINITY;
  for (int j = 0; j < p->n; j++) {
    const double end = rest(p, j);
    if (end == 0) continue;
    top = fmax(top, fastest(p, j, end));
    first = fmin(first, end);
  }
  if (p->update.lr > 0) return;
  if (p->update.orthogonal)
    p->update.lr = isfinite(first) ? first / 200 : 1;
  else
    p->update.lr = top > 0 ? 0.5 * (1 - p->update.momentum) / top : 1;
}

static es_status allocate(es_mode_descent *p, const es_mode_start *start) {
  const size_t n = (size_t) start->n;
  double **const rows[] = {&p->start, &p->s, &p->m, &p->value, &p->before, &p->final};
  ES_TRY(ES_NEW(n, &p->mode));
  ES_TRY(ES_NEW(n, &p->changed));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) ES_TRY(ES_NEW(n, rows[i]));
  memcpy(p->mode, start->mode, n * sizeof *p->mode);
  memcpy(p->start, start->amplitude, n * sizeof *p->start);
  return ES_OK;
}

/* Before which step modes are changed; -1: never. */
static int64_t surgery_step(const es_mode_descent *p) {
  return p->update.surgery != NULL ? p->update.surgery->step : -1;
}

/* Modes of smaller number than j, in the order of descending eigenvalue. */
static int rank_of(const es_mode_descent *p, int j) {
  int rank = 0;
  for (int i = 0; i < p->n; i++)
    rank += i < j ? p->value[i] >= p->value[j] : p->value[i] > p->value[j];
  return rank;
}

/* Which modes surgery changes: those that have the eigenvalues of its numbers then. */
static es_status find_changed(es_mode_descent *p) {
  es_surgery_entry entry[ES_SURGERY_MODES];
  const int n =
      p->update.surgery != NULL ? es_surgery_entries(p->update.surgery, entry) : 0;
  const double most = floor(MOST_UPDATES / fmax(p->n, 1));
  ES_CHECK(n == 0 || (double) surgery_step(p) <= most, ES_ECONFIG,
           "surgery.step: got %lld, expected at most %.0f: %d modes are followed step by "
           "step to it before the run",
           (long long) surgery_step(p), most, p->n);
  for (int j = 0; j < p->n; j++) p->changed[j] = (es_surgery_entry){0, 1, 1};
  while (n > 0 && p->steps < surgery_step(p)) es_mode_descent_step(p, p->update.lr);
  for (int j = 0; j < p->n; j++)
    for (int i = 0; i < n; i++)
      if (entry[i].mode == rank_of(p, j) + 1) p->changed[j] = entry[i];
  es_mode_descent_rewind(p);
  return ES_OK;
}

es_status es_mode_descent_create(const es_loss *loss, const es_loss_setup *setup,
                                 const es_mode_update *update, const es_mode_start *start,
                                 es_mode_descent **out) {
  es_mode_descent *p = NULL;
  double value;
  ES_CHECK(es_loss_has_velocity(loss->ops), ES_ECONFIG,
           "loss.name: got %s, which does not say how a mode moves alone",
           loss->ops->name);
  ES_TRY(ES_NEW(1, &p));
  p->loss = loss;
  p->setup = *setup;
  p->update = *update;
  p->n = start->n;
  es_status st = allocate(p, start);
  if (st == ES_OK && p->n > 0 && isnan(velocity(p, 0, 1, &value))) {
    es_error("loss.%s: got parameters with which modes do not move alone",
             loss->ops->name);
    st = ES_ECONFIG;
  }
  if (st == ES_OK) {
    choose_rate(p);
    for (int j = 0; j < p->n; j++) {
      const double end = rest(p, j);
      if (end > 0) velocity(p, j, end, &p->final[j]);
    }
    es_mode_descent_rewind(p);
    st = find_changed(p);
  }
  if (st == ES_OK)
    *out = p;
  else
    es_mode_descent_destroy(&p);
  return st;
}

void es_mode_descent_destroy(es_mode_descent **p) {
  if (*p == NULL) return;
  double *rows[] = {(*p)->start, (*p)->s,      (*p)->m,
                    (*p)->value, (*p)->before, (*p)->final};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) es_free(&rows[i]);
  es_free(&(*p)->changed);
  es_free(&(*p)->mode);
  es_free(p);
}

double es_mode_descent_rate(const es_mode_descent *p) {
  return p->update.lr;
}

const double *es_mode_descent_final(const es_mode_descent *p) {
  return p->final;
}

const double *es_mode_descent_value(const es_mode_descent *p) {
  return p->value;
}

double es_mode_descent_value_at(const es_mode_descent *p, int j, double s) {
  double value;
  velocity(p, j, s, &value);
  return value;
}

bool es_mode_descent_is_removed(const es_mode_descent *p, int j) {
  return p->changed[j].left < 1;
}

bool es_mode_descent_is_frozen(const es_mode_descent *p, int j) {
  return p->changed[j].gain == 0;
}

void es_mode_descent_rewind(es_mode_descent *p) {
  p->steps = 0;
  for (int j = 0; j < p->n; j++) {
    p->s[j] = p->start[j];
    p->m[j] = 0;
    velocity(p, j, p->s[j], &p->value[j]);
    p->before[j] = p->value[j];
  }
}

/* As es_surgery_move. */
static void apply_surgery(es_mode_descent *p, int j) {
  const es_surgery_entry *const e = &p->changed[j];
  p->s[j] *= e->left;
  p->m[j] *= e->gain == 0 ? 0 : e->left;
}

/* The preconditioner divides by the C of the step before. */
void es_mode_descent_step(es_mode_descent *p, double lr) {
  const es_mode_update *const u = &p->update;
  const bool surgery = u->surgery != NULL && p->steps >= surgery_step(p);
  for (int j = 0; j < p->n; j++) {
    double now;
    if (surgery && p->steps == surgery_step(p)) apply_surgery(p, j);
    double v = velocity(p, j, p->s[j], &now);
    if (u->eps > 0) v /= fmax(p->before[j], 0) + u->eps;
    if (surgery) v *= p->changed[j].gain;
    p->before[j] = now;
    p->m[j] = u->momentum * p->m[j] + v;
    const double by = u->nesterov ? v + u->momentum * p->m[j] : p->m[j];
    if (u->orthogonal)
      p->s[j] += by > 0 ? lr : by < 0 ? -lr : 0;
    else
      p->s[j] += lr * by;
    velocity(p, j, p->s[j], &p->value[j]);
  }
  p->steps++;
}

/* Until mode j alone crosses half of its final value, a removed one for the last time. */
static es_status cross(const es_mode_descent *p, int j, es_step_rate *rate,
                       const void *ctx, int64_t most, double *step) {
  es_mode_descent one = *p;
  const double half = p->final[j] / 2;
  const int64_t again = es_mode_descent_is_removed(p, j) ? surgery_step(p) + 1 : 0;
  es_crossings *c = NULL;
  one.n = 1;
  one.mode = p->mode + j;
  one.start = p->start + j;
  one.s = p->s + j;
  one.m = p->m + j;
  one.value = p->value + j;
  one.before = p->before + j;
  one.changed = p->changed + j;
  es_status st = es_crossings_create(1, &half, &c);
  for (int64_t k = 0; k <= most && st == ES_OK; k++) {
    if (k > again && es_crossings_count(c) > 0) break;
    if (k > 0 && k == again) {
      es_crossings_destroy(&c);
      ES_TRY(es_crossings_create(1, &half, &c));
    }
    st = es_crossings_update(c, (double) k, one.value);
    es_mode_descent_step(&one, rate != NULL ? rate(ctx, k) : p->update.lr);
  }
  if (st == ES_OK) *step = es_crossings_at(c)[0];
  es_crossings_destroy(&c);
  return st;
}

es_status es_mode_descent_steps(es_mode_descent *p, es_step_rate *rate, const void *ctx,
                                int64_t most, double *step) {
  es_status st = ES_OK;
  es_mode_descent_rewind(p);
  for (int j = 0; j < p->n && st == ES_OK; j++) {
    step[j] = NAN;
    if (p->final[j] / 2 > 0) st = cross(p, j, rate, ctx, most, &step[j]);
  }
  es_mode_descent_rewind(p);
  return st;
}
