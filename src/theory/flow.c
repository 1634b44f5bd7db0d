/* SPDX-License-Identifier: BSD-3-Clause */
/** @file flow.c  Predicted trajectories: effective initialisation, critical times,
 *  curves.
 *
 *  Simon et al., ICML 2023, section 4; off-diagonal weight, weight decay and discrete
 *  steps follow from the same reduction (each mode grows at rate r_j g, g = 1 while no
 *  mode is learned). es_flow_create computes effective initialisation and times,
 *  es_flow_at evaluates the curves. */
#include "eigenstep/flow.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include "eigenstep/mem.h"

/* Growth rate of the amplitude of a mode with eigenvalue gamma, slowed by the factor g.
   For descent: the rate per unit of time that gives the growth of t / lr steps. */
static double rate(const es_flow_options *o, double gamma, double g) {
  const double r = 4 * gamma * g - o->decay, step = o->lr * r;
  if (step == 0) return r;
  return log1p(fmax(step, DBL_EPSILON - 1)) / o->lr;
}

static bool grows(const es_flow *f, int j) {
  return f->start[j] > 0 && 4 * f->gamma[j] > f->opt.decay;
}

double es_flow_final(const es_flow *f, int j) {
  return grows(f, j) ? 1 - f->opt.decay / (4 * f->gamma[j]) : 0;
}

int es_flow_growing(const es_flow *f) {
  int n = 0;
  for (int j = 0; j < f->modes; j++) n += grows(f, j);
  return n;
}

double es_flow_steps(const es_flow *f, int j) {
  return f->tau[j] / f->opt.lr;
}

/* ln of the initial amplitude relative to the amplitude at half the final value. */
static double distance(const es_flow *f, int j) {
  return log(f->start[j]) + 0.5 * log(f->gamma[j] / es_flow_final(f, j));
}

/* Q R = W by Gram-Schmidt, twice for orthogonality to round-off; R_jj = s_j(0) >= 0. */
static void effective_start(es_flow *f, const double *w) {
  const int n = f->modes;
  for (int j = 0; j < n; j++) {
    double norm = 0;
    for (int i = 0; i < f->d; i++) f->q[i * n + j] = w[i * n + j];
    for (int k = 0; k < 2 * j; k++) {
      double dot = 0;
      for (int i = 0; i < f->d; i++) dot += f->q[i * n + k % j] * f->q[i * n + j];
      for (int i = 0; i < f->d; i++) f->q[i * n + j] -= dot * f->q[i * n + k % j];
      f->r[k % j * n + j] += dot;
    }
    for (int i = 0; i < f->d; i++) norm = hypot(norm, f->q[i * n + j]);
    f->start[j] = f->r[j * n + j] = norm;
    for (int i = 0; norm > 0 && i < f->d; i++) f->q[i * n + j] /= norm;
  }
}

/* Times at which modes are learned, in sequence: the next mode is the one that reaches
   half its final value first; from then on the others grow at the rates of the new
   plateau. x: [modes] workspace. */
static void critical_times(es_flow *f, double *x) {
  const int growing = es_flow_growing(f);
  double now = 0;
  for (int j = 0; j < f->modes; j++) {
    f->tau[j] = INFINITY;
    x[j] = grows(f, j) ? distance(f, j) : 0;
  }
  for (int k = 0; k < growing; k++) {
    const double g = es_flow_slowdown(f->d, k, f->opt.offdiag);
    double first = INFINITY;
    int next = -1;
    for (int j = 0; j < f->modes; j++) {
      if (!grows(f, j) || isfinite(f->tau[j])) continue;
      const double r = rate(&f->opt, f->gamma[j], g);
      const double wait = r > 0 ? fmax(-x[j], 0) / r : INFINITY;
      if (wait < first) {
        first = wait;
        next = j;
      }
    }
    if (next < 0) return; /* weight decay exceeds the remaining growth rates */
    for (int j = 0; j < f->modes; j++)
      if (grows(f, j)) x[j] += first * rate(&f->opt, f->gamma[j], g);
    f->tau[next] = now += first;
  }
}

static void sort_modes(es_flow *f) {
  for (int j = 0; j < f->modes; j++) {
    int at = j;
    for (; at > 0 && f->tau[f->order[at - 1]] > f->tau[j]; at--)
      f->order[at] = f->order[at - 1];
    f->order[at] = j;
  }
}

static es_status allocate(int d, int modes, const double *gamma,
                          const es_flow_options *opt, es_flow **out) {
  ES_CHECK(modes >= 0 && modes <= d, ES_EARG, "flow: got %d modes, expected 0 to %d",
           modes, d);
  es_flow *f = NULL;
  es_status st;
  ES_TRY(ES_NEW(1, &f));
  *f = (es_flow){.opt = *opt, .d = d, .modes = modes};
  ES_TRY_GOTO(ES_NEW(modes, &f->gamma), done);
  ES_TRY_GOTO(ES_NEW(modes, &f->start), done);
  ES_TRY_GOTO(ES_NEW(modes, &f->tau), done);
  ES_TRY_GOTO(ES_NEW(modes, &f->order), done);
  for (int j = 0; j < modes; j++) f->gamma[j] = gamma[j];
  *out = f;
  f = NULL;
done:
  es_flow_destroy(&f);
  return st;
}

/* Critical times and order of the modes, from gamma and start. */
static es_status compute_times(es_flow *f) {
  double *x = NULL;
  ES_TRY(ES_NEW(f->modes, &x));
  critical_times(f, x);
  sort_modes(f);
  es_free(&x);
  return ES_OK;
}

es_status es_flow_create(int d, int modes, const double *gamma, const double *w,
                         const es_flow_options *opt, es_flow **out) {
  es_flow *f = NULL;
  es_status st;
  ES_TRY(allocate(d, modes, gamma, opt, &f));
  ES_TRY_GOTO(ES_NEW((size_t) d * (size_t) modes, &f->q), done);
  ES_TRY_GOTO(ES_NEW((size_t) modes * (size_t) modes, &f->r), done);
  effective_start(f, w);
  ES_TRY_GOTO(compute_times(f), done);
  *out = f;
  f = NULL;
done:
  es_flow_destroy(&f);
  return st;
}

es_status es_flow_from_start(int d, int modes, const double *gamma, const double *start,
                             const es_flow_options *opt, es_flow **out) {
  es_flow *f = NULL;
  ES_TRY(allocate(d, modes, gamma, opt, &f));
  for (int j = 0; j < modes; j++) f->start[j] = start[j];
  const es_status st = compute_times(f);
  if (st == ES_OK)
    *out = f;
  else
    es_flow_destroy(&f);
  return st;
}

void es_flow_destroy(es_flow **f) {
  if (*f == NULL) return;
  es_free(&(*f)->gamma);
  es_free(&(*f)->start);
  es_free(&(*f)->q);
  es_free(&(*f)->r);
  es_free(&(*f)->tau);
  es_free(&(*f)->order);
  es_free(f);
}

/* w >= 1, uncoupled mode j: the curve of the flow, at the time at which the flow has
   grown as much as descent. */
static double uncoupled(const es_flow *f, int j, double t) {
  const double r = 4 * f->gamma[j] - f->opt.decay;
  const double same = r != 0 ? t * rate(&f->opt, f->gamma[j], 1) / r : t;
  return es_flow_lambda(f->gamma[j], f->start[j], f->opt.decay, same);
}

/* Growth of ln s_j from 0 to t at the rates of successive plateaus. */
static double growth(const es_flow *f, int j, double t) {
  double sum = 0, from = 0;
  for (int k = 0; k < f->modes && from < t; k++) {
    const int next = f->order[k];
    /* After its own critical time a mode keeps its rate: its curve is logistic. */
    const double to = next == j || !(f->tau[next] < t) ? t : f->tau[next];
    sum += (to - from) *
           rate(&f->opt, f->gamma[j], es_flow_slowdown(f->d, k, f->opt.offdiag));
    from = to;
  }
  return sum;
}

/* w < 1: logistic curves, scaled to the plateau value for the current number of
  modes. */
static void coupled(const es_flow *f, double t, double *lambda) {
  double learned = 0;
  for (int j = 0; j < f->modes; j++) {
    lambda[j] = f->gamma[j] * f->start[j] * f->start[j];
    if (!grows(f, j)) continue;
    lambda[j] = 1 / (1 + exp(-2 * (distance(f, j) + growth(f, j, t))));
    learned += lambda[j];
  }
  const double level = es_flow_plateau_value(f->d, fmax(learned, 1), f->opt.offdiag);
  for (int j = 0; j < f->modes; j++)
    if (grows(f, j)) lambda[j] *= level * es_flow_final(f, j);
}

static int descending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x < y) - (x > y);
}

void es_flow_at(const es_flow *f, double t, double *lambda, double *loss) {
  if (f->opt.offdiag >= 1)
    for (int j = 0; j < f->modes; j++) lambda[j] = uncoupled(f, j, t);
  else
    coupled(f, t, lambda);
  for (int j = f->modes; j < f->d; j++) lambda[j] = 0;
  qsort(lambda, (size_t) f->d, sizeof *lambda, descending);
  *loss = es_flow_loss(f->d, f->opt.offdiag, lambda);
}

void es_flow_amplitudes(const es_flow *f, double t, double *s) {
  if (f->opt.offdiag < 1) coupled(f, t, s);
  for (int j = 0; j < f->modes; j++) {
    const double lambda = f->opt.offdiag >= 1 ? uncoupled(f, j, t) : s[j];
    s[j] = f->gamma[j] != 0 ? sqrt(lambda / f->gamma[j])
                            : f->start[j] * exp(rate(&f->opt, 0, 1) * t);
  }
}

/* Contribution of mode k to output direction j at tau_j relative to that of mode j:
   gamma_k R_jk^2 e^(8 gamma_k tau) / (gamma_j R_jj^2 e^(8 gamma_j tau)). */
static double leak(const es_flow *f, int j, double gamma, double r_jk, double grown) {
  if (gamma <= 0 || r_jk == 0) return 0;
  const double x = log(fabs(r_jk) / f->start[j]) + 0.5 * log(gamma / f->gamma[j]);
  return exp(2 * (x + grown - growth(f, j, f->tau[j])));
}

void es_flow_error(const es_flow *f, double *time, double *value) {
  const int n = f->modes;
  *time = *value = 0;
  for (int j = 0; j < n; j++) {
    if (!isfinite(f->tau[j]) || f->tau[j] <= 0) continue;
    double sum = leak(f, j, f->opt.next, f->opt.next_start,
                      f->tau[j] * rate(&f->opt, f->opt.next, 1));
    for (int k = j + 1; k < n; k++)
      sum += leak(f, j, f->gamma[k], f->r[j * n + k], growth(f, k, f->tau[j]));
    *value = fmax(*value, fmin(sum, 1));
    *time = fmax(*time, log1p(sum) / (2 * growth(f, j, f->tau[j])));
  }
}
