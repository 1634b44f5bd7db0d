/* SPDX-License-Identifier: BSD-3-Clause */
/** @file schedule.c  Prediction, recording times and messages of a simulation. */
#include "schedule.h"

#include <math.h>
#include "eigenstep/mem.h"

#define ROUND_OFF 1e-12 /* of the largest eigenvalue */

es_status es_theory_predict(const es_theory_start *s, es_flow_options opt, es_flow **flow,
                            es_crossings **crossings) {
  const int d = s->d, k = s->k;
  const int modes = d < k ? d : k;
  double *leading = NULL, *threshold = NULL;
  es_flow *f = NULL;
  es_status st = ES_NEW((size_t) d * (size_t) modes, &leading);
  if (st == ES_OK) st = ES_NEW(d, &threshold);
  if (st == ES_OK) {
    opt.next = modes < k ? fmax(s->gamma[modes], 0) : 0;
    opt.next_start = s->alpha;
    for (int i = 0; i < d; i++)
      for (int j = 0; j < modes; j++)
        leading[i * modes + j] = s->w[(size_t) i * (size_t) k + (size_t) j];
    st = es_flow_create(d, modes, s->gamma, leading, &opt, &f);
  }
  for (int i = 0; i < d && st == ES_OK; i++) {
    const double end = i < modes ? es_flow_final(f, f->order[i]) : 0;
    threshold[i] = end > 0 ? 0.5 * end : INFINITY;
  }
  if (st == ES_OK) st = es_crossings_create(d, threshold, crossings);
  if (st == ES_OK)
    *flow = f;
  else
    es_flow_destroy(&f);
  es_free(&threshold);
  es_free(&leading);
  return st;
}

void es_theory_gamma(int k, const double *eigenvalue, double *gamma) {
  const double top = fmax(fabs(eigenvalue[0]), fabs(eigenvalue[k - 1]));
  for (int j = 0; j < k; j++)
    gamma[j] = fabs(eigenvalue[j]) > ROUND_OFF * top ? eigenvalue[j] : 0;
}

/* Half of the loss's largest second derivative at the solution: that of the length of row
   1, 8 gamma_1, or that of the angle between rows 1 and 2, 4 w (gamma_1 + gamma_2). A
   mode of negative gamma decays at -4 gamma, stably up to half of 1 / -gamma. */
static double steepness(const es_theory_scale *s) {
  const double second = s->d > 1 && s->k > 1 ? fmax(s->gamma[1], 0) : 0;
  const double angle = s->d > 1 ? 2 * s->offdiag * (s->gamma[0] + second) : 0;
  const double falling = -2 * fmin(s->gamma[s->k - 1], 0);
  return fmax(fmax(4 * s->gamma[0], angle), falling);
}

double es_theory_rate(double lr, const es_theory_scale *s) {
  if (lr > 0) return lr;
  return steepness(s) > 0 ? 1 / (4 * steepness(s)) : 1;
}

double es_theory_limit(const es_theory_scale *s, double decay) {
  const double steepest = steepness(s) - decay;
  return steepest > 0 ? 1 / steepest : INFINITY;
}

es_status es_theory_check_times(const char *section, const es_list *times) {
  for (int i = 1; i < times->n; i++)
    ES_CHECK(times->v[i] > times->v[i - 1], ES_ECONFIG,
             "%s.times: got %g after %g, expected rising times", section, times->v[i],
             times->v[i - 1]);
  ES_CHECK(times->n == 0 || times->v[times->n - 1] > 0, ES_ECONFIG,
           "%s.times: got 0 alone, expected a time to run to", section);
  return ES_OK;
}

/* The times given, converted to steps for gradient descent. */
static void given_moments(es_schedule *p, bool whole) {
  for (int i = 0; i < p->times->n; i++) {
    const double at = whole ? round(p->times->v[i] / p->lr) : p->times->v[i];
    if (p->n == 0 || at > p->at[p->n - 1]) p->at[p->n++] = at;
  }
}

es_status es_theory_moments(es_schedule *p) {
  const es_flow *f = p->flow;
  const bool whole = f->opt.lr > 0;
  const double unit = whole ? p->lr : 1;
  double first = INFINITY, last = 0;
  for (int j = 0; j < f->modes; j++) {
    if (!isfinite(f->tau[j])) continue;
    last = fmax(last, f->tau[j]);
    if (f->tau[j] > 0) first = fmin(first, f->tau[j]);
  }
  double end = last > 0 ? 1.25 * last / unit : 1000;
  if (p->steps > 0) end = (double) p->steps * (p->lr / unit);
  if (whole) end = ceil(end);
  ES_CHECK(end <= 1e12, ES_ECONFIG,
           "%s.steps: got 0 (automatic), which would be %.3g steps; expected a number",
           p->section, end);
  ES_TRY(ES_NEW(p->rows + ES_LIST_MAX + 2, &p->at));
  const double begin = isfinite(first) ? 0.03 * first / unit : 1;
  if (p->times->n > 0)
    given_moments(p, whole);
  else
    p->n = es_record_schedule(whole ? fmax(begin, 1) : begin, end, (int) p->rows, whole,
                              p->at);
  return ES_OK;
}

double es_theory_end(const es_schedule *p) {
  return p->at[p->n - 1] * (p->flow->opt.lr > 0 ? p->lr : 1);
}

int64_t es_theory_step(const es_schedule *p, const es_descent *o) {
  int64_t row = 0;
  if (p->flow->opt.lr > 0) return (int64_t) o->reached;
  while (row < p->n && p->at[row] <= o->reached) row++;
  return row;
}

int64_t es_theory_last(const es_schedule *p) {
  return p->flow->opt.lr > 0 ? (int64_t) p->at[p->n - 1] : p->n;
}

/* Which transitions a run of a given length contains. */
static void announce_transitions(const es_schedule *p) {
  const es_flow *const f = p->flow;
  const double end = es_theory_end(p);
  double first = INFINITY;
  int within = 0;
  for (int j = 0; j < f->modes; j++) {
    first = fmin(first, f->tau[j]);
    within += f->tau[j] <= end;
  }
  if ((p->steps == 0 && p->times->n == 0) || !isfinite(first)) return;
  if (within > 0)
    es_info("predicted transitions within the run: %d of %d, the first at t = %.4g",
            within, f->modes, first);
  else
    es_warn(
        "no transition is predicted within the run, which ends at t = %.4g: the first "
        "is predicted at t = %.4g; take %s.%s=%.4g or more, or a larger %s.alpha",
        end, first, p->section, p->times->n > 0 ? "times" : "steps",
        p->times->n > 0 ? 1.25 * first : ceil(1.25 * first / p->lr), p->section);
}

void es_theory_announce(const es_schedule *p) {
  const es_flow *f = p->flow;
  const bool descent = f->opt.lr > 0;
  const int growing = es_flow_growing(f);
  const double end = p->at[p->n - 1];
  double of_time, of_value;
  if (descent)
    es_info("gradient descent: lr = %.6g (stable below %.6g), %.0f steps to t = %.6g",
            p->lr, p->limit, end, end * p->lr);
  else
    es_info("gradient flow to t = %.6g", end);
  if (growing < f->d)
    es_warn("only %d of %d modes can grow (positive eigenvalues%s): expect the loss to "
            "end on the plateau %.6g",
            growing, f->d, f->opt.decay > 0 ? " above the weight decay" : "",
            es_flow_plateau(f->d, growing, f->opt.offdiag));
  es_flow_error(f, &of_time, &of_value);
  es_info("estimated error of the small-start theory at alpha = %g: step times %.1e, "
          "eigenvalues %.1e, embeddings %.1e",
          p->alpha, of_time, of_value, sqrt(of_value));
  if (of_time > 0.1)
    es_warn("alpha = %g is too large for the small-start theory: estimated error of the "
            "step times %.2g",
            p->alpha, of_time);
  if (descent && p->lr >= p->limit)
    es_warn("%s.lr = %g is above the stability limit %g: the run must diverge; take "
            "%s.lr=%.3g, as 0 = automatic does",
            p->section, p->lr, p->limit, p->section, p->limit / 4);
  if (f->opt.offdiag > 1)
    es_warn(
        "%s.offdiag = %g, above 1: plateaus are d - k, and times are those of 1; what "
        "has been learned turns into the axis of one output first, so that modes can "
        "be later",
        p->section, f->opt.offdiag);
  announce_transitions(p);
}

static bool is_stable(const es_schedule *p) {
  return p->flow->opt.lr == 0 || p->lr < p->limit;
}

/* Collective. Why a simulation diverged at `at`. */
static es_status explain(const es_schedule *p, const es_comm *c, double at) {
  if (!is_stable(p))
    es_error(
        "diverged: lr = %g is above the stability limit %g (step %.0f); choose %s.lr "
        "below it, 0 = automatic",
        p->lr, p->limit, at, p->section);
  else
    es_error("diverged at %g: alpha = %g is too large a start for lr = %g", at, p->alpha,
             p->lr);
  return es_comm_agree(c, ES_EMATH);
}

/* Above the limit descent may stay finite and oscillate: nothing it ends on is a
 * minimum. */
static bool settled(const es_schedule *p, const es_descent *o,
                    const es_record_summary *s) {
  return is_stable(p) || s->learned == 0 || o->reached < 1;
}

es_status es_theory_finish(const es_schedule *p, const es_descent *o, es_status st,
                           double seconds, es_record **record) {
  es_record_summary s;
  if (st == ES_EMATH) st = explain(p, o->comm, o->reached);
  const es_status written = es_record_finish(*record, o->observer.crossings, &s);
  if (st >= ES_OK && written != ES_OK) st = written;
  if (st == ES_OK && !settled(p, o, &s)) st = explain(p, o->comm, o->reached);
  es_record_destroy(record);
  if (st >= ES_OK) es_record_print(&s, o->d, seconds);
  return st;
}
