/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transitions.c  Transition detector: when each eigenvalue of the followed matrix
 *  made its transition, its growth rate, and a forecast of the transition from the
 *  exponential phase (Simon et al., ICML 2023: lambda(t) is a logistic curve of rate
 *  8 gamma; other losses have other factors).
 *
 *  The rule, for one mode with values l_i at times t_i:
 *
 *  - It is learned once its value exceeds settled / 2, until one is at or below 0.8 of
 *    that: a mode that hovers about the half is counted throughout.
 *  - Its final value L is the median of the latest 5 values that followed the last one at
 *    or below 0.4 settled (a lone dip, see below, is skipped); of the latest 3 where the
 *    others are older than the last quarter of the steps; of fewer where there are no
 *    more. From 3 on the noise of one snapshot moves it little. A latest value at or
 *    below half of that is L itself.
 *  - Its transition is between the last i with l_i <= L/2 and i + 1. Later dips that stay
 *    above L/2 do not count, nor do lone dips (one snapshot, with two above before it and
 *    one after it), nor earlier excursions.
 *    Between the two the crossing is interpolated in ln l if l more than doubled
 *    (exponential growth), else in l. A mode that was above L/2 from the first snapshot
 *    on, lone dips skipped, has no transition, rate or forecast (NaN).
 *  - It is unstable if it crossed L/2 before that for two snapshots or more and then fell
 *    to L/4 or below: both crossings are told. A mode that is not learned fell if it did
 *    so with settled in place of L.
 *  - A mode that is not learned, but rose above its noise, has stopped if in the latest
 *    quarter of the steps (of 5 snapshots or more) the mean of the later half exceeds
 *    that of the earlier half by a tenth or less.
 *  - The next mode has no forecast where it has stopped, where half of what it is
 *    expected to reach is passed, nor 3 errors after the forecast from the end of its
 *    window.
 *
 *  The exponential phase of a mode, its rate and the forecast: transition_fit.c. */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "transitions_private.h"

#define RECENT 0.75 /* of the latest step */
#define KEPT 0.8    /* of settled / 2: a learned mode above it stays learned */
#define STOPPED 1.1 /* growth in an eighth of the steps */
#define OVERDUE 3.0 /* errors after its forecast a mode no longer grows exponentially */
enum { LATEST = 5, LEAST = 3 };

static double at(es_curve c, int i) {
  return es_curve_at(c, i);
}

es_status es_transitions_create(const es_transitions_options *o, es_transitions **s) {
  ES_CHECK(o->modes >= 1, ES_EARG, "transitions: got %d modes, expected at least 1",
           o->modes);
  ES_CHECK(o->rate > 0 && o->settled > 0, ES_EARG,
           "transitions: got rate %g, settled %g, expected both above 0", o->rate,
           o->settled);
  es_transitions *n = NULL;
  ES_TRY(es_alloc(sizeof *n, "transition detector", (void **) &n));
  n->opt = *o;
  *s = n;
  return ES_OK;
}

void es_transitions_destroy(es_transitions **s) {
  if (!*s) return;
  es_free(&(*s)->step);
  es_free(&(*s)->time);
  es_free(&(*s)->lambda);
  es_free(s);
}

/* Replace *x by a copy of `capacity` elements. */
static es_status enlarge(double **x, size_t used, size_t capacity) {
  double *larger = NULL;
  ES_TRY(ES_NEW(capacity, &larger));
  if (used > 0) memcpy(larger, *x, used * sizeof *larger);
  es_free(x);
  *x = larger;
  return ES_OK;
}

static es_status reserve(es_transitions *s) {
  if (s->count < s->capacity) return ES_OK;
  const size_t used = (size_t) s->count, capacity = used > 0 ? 2 * used : 64;
  const size_t modes = (size_t) s->opt.modes;
  ES_TRY(enlarge(&s->step, used, capacity));
  ES_TRY(enlarge(&s->time, used, capacity));
  ES_TRY(enlarge(&s->lambda, used * modes, capacity * modes));
  s->capacity = (int) capacity;
  return ES_OK;
}

es_status es_transitions_add(es_transitions *s, int64_t step, double time,
                             const double *lambda) {
  const int last = s->count - 1;
  ES_CHECK(last < 0 || (double) step > s->step[last], ES_EARG,
           "transitions: got step %lld, expected one after %.0f", (long long) step,
           s->step[last]);
  ES_CHECK(
      isfinite(time) && (last < 0 || time >= s->time[last]), ES_EARG,
      "transitions: got time %g at step %lld, expected none before the last snapshot's",
      time, (long long) step);
  for (int j = 0; j < s->opt.modes; j++)
    ES_CHECK(isfinite(lambda[j]), ES_EMATH,
             "transitions: got eigenvalue %d = %g at step %lld, expected a finite number",
             j + 1, lambda[j], (long long) step);
  ES_TRY(reserve(s));
  const size_t modes = (size_t) s->opt.modes;
  s->step[s->count] = (double) step;
  s->time[s->count] = time;
  memcpy(s->lambda + (size_t) s->count * modes, lambda, modes * sizeof *lambda);
  s->count++;
  return ES_OK;
}

/* Is snapshot i at or below `level` alone, between two above it and one? */
static bool lone_dip(es_curve c, int i, double level) {
  return i >= 2 && i < c.s->count - 1 && at(c, i) <= level && at(c, i + 1) > level &&
         at(c, i - 1) > level && at(c, i - 2) > level;
}

int es_curve_last_below(es_curve c, double level) {
  int i = c.s->count - 1;
  while (i >= 0 && (at(c, i) > level || lone_dip(c, i, level))) i--;
  return i;
}

bool es_curve_learned(es_curve c, int i) {
  const double half = c.s->opt.settled / 2;
  while (i >= 0 && at(c, i) <= half && at(c, i) > KEPT * half) i--;
  return i >= 0 && at(c, i) > half;
}

/* The final value of a learned mode. */
static double settled_value(es_curve c) {
  const int now = c.s->count - 1;
  const double latest = at(c, now), learned = KEPT * c.s->opt.settled / 2;
  double low[LATEST] = {latest}; /* ascending */
  int n = 1;
  for (int i = now - 1; i >= 0 && n < LATEST; i--) {
    const double l = at(c, i);
    int k = n;
    if (lone_dip(c, i, learned)) continue;
    if (l <= learned || (n >= LEAST && c.s->step[i] < RECENT * c.s->step[now])) break;
    for (; k > 0 && low[k - 1] > l; k--) low[k] = low[k - 1];
    low[k] = l;
    n++;
  }
  const double median = (low[(n - 1) / 2] + low[n / 2]) / 2;
  return latest > median / 2 ? median : latest;
}

/* Where between snapshots i and i + 1 (0..1) the value passes `level`. */
static double fraction(es_curve c, int i, double level) {
  const double low = at(c, i), high = at(c, i + 1);
  if (low > 0 && high > 2 * low) return log(level / low) / log(high / low);
  return (level - low) / (high - low);
}

void es_curve_crossing(es_curve c, int i, double level, double *step, double *time) {
  const es_transitions *const s = c.s;
  const double f = fraction(c, i, level);
  *step = s->step[i] + f * (s->step[i + 1] - s->step[i]);
  *time = s->time[i] + f * (s->time[i + 1] - s->time[i]);
}

/* The first snapshot with two above `level` after it, up to snapshot `last`: -1 if the
 * first two of all are, `last` + 1 if there is none. */
static int first_below(es_curve c, double level, int last) {
  int i = -1;
  while (i <= last && (at(c, i + 1) <= level || at(c, i + 2) <= level)) i++;
  return i;
}

/* Did the mode fall after a first rise above `level`, before snapshot `last` + 1? Then
 * its first crossing is told. */
static bool fell(es_curve c, double level, int last, es_transition *row) {
  if (last < 1) return false;
  const int first = first_below(c, level, last - 2);
  double least = INFINITY;
  for (int i = first + 1; i <= last; i++) least = fmin(least, at(c, i));
  if (first > last - 2 || least > level / 2) return false;
  row->step_first = row->time_first = NAN;
  if (first >= 0) es_curve_crossing(c, first, level, &row->step_first, &row->time_first);
  return true;
}

/* Transition of a learned mode; returns the last snapshot before it, -1 for none. */
static int locate(es_curve c, es_transition *row) {
  const double half = settled_value(c) / 2;
  const int from = es_curve_last_below(c, half);
  row->state = from < 0 ? ES_MODE_FROM_START : ES_MODE_LEARNED;
  if (from < 0) return from;
  es_curve_crossing(c, from, half, &row->step, &row->time);
  row->step_first = row->step;
  row->time_first = row->time;
  if (fell(c, half, from, row)) row->state = ES_MODE_UNSTABLE;
  return from;
}

/* Of a mode that is not learned: does it rise no longer? */
static bool has_stopped(es_curve c) {
  const int now = c.s->count - 1;
  int first = now;
  double early = 0, late = 0;
  while (first > 0 && c.s->step[first - 1] >= RECENT * c.s->step[now]) first--;
  const int n = now - first + 1, half = n / 2;
  for (int i = 0; i < half; i++) {
    early += at(c, first + i);
    late += at(c, now - i);
  }
  return n >= LATEST && late <= STOPPED * early;
}

/* State of a mode that is not learned. */
static es_transition_state unlearned(es_curve c, bool growing, es_transition *row) {
  const int now = c.s->count - 1;
  double least = at(c, 0);
  if (fell(c, c.s->opt.settled / 2, now, row)) return ES_MODE_FELL;
  for (int i = 1; i <= now; i++) least = fmin(least, at(c, i));
  const bool risen = growing || at(c, now) > ES_FLOOR_FACTOR * fabs(least);
  if (!risen) return ES_MODE_FLAT;
  if (has_stopped(c)) return ES_MODE_STOPPED;
  return growing ? ES_MODE_GROWING : ES_MODE_IRREGULAR;
}

static const es_forecast no_forecast = {0, NAN, NAN, NAN, NAN, NAN, NAN};

static es_transition describe(es_curve c) {
  es_transition row = {c.mode + 1, ES_MODE_FLAT, NAN, NAN, NAN,
                       NAN,        no_forecast,  NAN, NAN};
  const es_transitions *s = c.s;
  const int now = s->count - 1;
  if (now < 0) return row;
  row.value = at(c, now);
  row.half = s->opt.settled / 2;
  const bool learned = es_curve_learned(c, now);
  const int from = learned ? locate(c, &row) : now;
  if (from < 0) return row;
  const es_phase p = es_curve_phase(c, from);
  if (!learned) row.state = unlearned(c, isfinite(p.slope), &row);
  if (isfinite(p.slope)) row.forecast = es_curve_forecast(c, &p, p.last);
  return row;
}

void es_transitions_table(const es_transitions *s, es_transition *rows) {
  for (int j = 0; j < s->opt.modes; j++) rows[j] = describe((es_curve){s, j});
}

int es_transitions_learned(const es_transitions *s) {
  int learned = 0;
  for (int j = 0; s->count > 0 && j < s->opt.modes; j++)
    learned += es_curve_learned((es_curve){s, j}, s->count - 1);
  return learned;
}

es_forecast es_transitions_next(const es_transitions *s) {
  const int now = s->count - 1, next = es_transitions_learned(s);
  es_forecast f = no_forecast;
  if (next < s->opt.modes) f.mode = next + 1;
  if (now < 0 || f.mode == 0) return f;
  const es_curve c = {s, next};
  const es_phase p = es_curve_phase(c, now);
  if (!isfinite(p.slope) || has_stopped(c)) return f;
  const es_forecast first = es_curve_forecast(c, &p, p.last);
  const es_forecast latest = es_curve_forecast(c, &p, now);
  const bool overdue = s->time[now] > first.time + OVERDUE * first.time_error;
  return overdue || latest.time <= s->time[now] ? f : latest;
}
