/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transitions.c  Transition detector: when each eigenvalue of the followed matrix
 *  made its transition, its growth rate, and a forecast of the transition from the
 *  exponential phase (Simon et al., ICML 2023: lambda(t) is a logistic curve of rate
 *  8 gamma; other losses have other factors).
 *
 *  The rule, for one mode with values l_i at times t_i:
 *
 *  - It is learned if its latest value exceeds settled / 2.
 *  - Its final value L is the median of the latest 5 values that followed the last one at
 *    or below settled / 2 (a lone dip, see below, is skipped); of the latest 3 where the
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
 *  - The final value of a mode is not known before it is learned. At snapshot i it is
 *    taken to be e_i: the mean of the modes learned by then; `alone`, or else `settled`,
 *    if there are none.
 *  - Its exponential window ends at the last snapshot before the crossing (before the
 *    latest if it is not learned) with l < e / 10 and extends back as long as l is below
 *    twice that (for noise), above the noise floor, 3 times the least value up to there
 *    (at least 1e-12 e), and within a factor of 4 of its end: growth quickens as features
 *    align, so older values mislead. If that leaves fewer than 4 snapshots, the factor is
 *    ignored.
 *  - The rate is the slope of ln(l / (e - l)) on t in the window, by least squares with
 *    weights 1 / (0.1^2 + (least / l)^2): values near the floor are mostly noise. For
 *    small l that is the slope of ln l; unlike it, it has no bias where l nears e / 10.
 *    It counts if there are 3 snapshots or more, l grew at least twofold, and a straight
 *    line explains 80 % of the variance. A step multiplies an amplitude by z =
 *    e^(slope lr/2), lr that of the window; under descent with momentum mu z is the
 *    larger root of z^2 - (1 + mu + x) z + mu = 0 with x = lr gamma rate/2. That gives
 *    gamma; it is slope / rate where x and mu are small. Its error is that of the fit,
 *    from the scatter about the line.
 *  - The forecast is made at the end of the window, from no later value: t +
 *    ln(e/l - 1) / slope, the time of l = e / 2; in steps at the current learning rate.
 *  - The forecast of the next mode to be learned is the same, but starts from the latest
 *    value even where that is above the window's top. */
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/transitions.h"

#define WINDOW_TOP 0.1    /* of the expected final value */
#define FLOOR_FACTOR 3.0  /* above the least value */
#define FLOOR_LEAST 1e-12 /* of the expected final value */
#define REACH 4.0         /* from the end of the window back */
#define REACH_POINTS 4
#define SCATTER 0.1 /* of a value far above the floor */
#define MIN_POINTS 3
#define MIN_GROWTH 2.0
#define MIN_R2 0.8
#define RECENT 0.75 /* of the latest step */
enum { LATEST = 5, LEAST = 3 };

struct es_transitions {
  es_transitions_options opt;
  int count, capacity;
  double *step, *time; /* [capacity] owned */
  double *lambda;      /* [capacity][modes] owned */
};

/* One mode's history. */
typedef struct curve {
  const es_transitions *s;
  int mode;
} curve;

/* The exponential window and the line through it. */
typedef struct window {
  int first, last; /* snapshots; none if last < first */
  double end;      /* e */
  double least;    /* value up to its last snapshot */
  double slope, error;
} window;

static double at(curve c, int i) {
  return c.s->lambda[(size_t) i * (size_t) c.s->opt.modes + (size_t) c.mode];
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
static bool lone_dip(curve c, int i, double level) {
  return i >= 2 && i < c.s->count - 1 && at(c, i) <= level && at(c, i + 1) > level &&
         at(c, i - 1) > level && at(c, i - 2) > level;
}

/* Last snapshot at or below `level`, but for lone dips; -1 if there is none. */
static int last_below(curve c, double level) {
  int i = c.s->count - 1;
  while (i >= 0 && (at(c, i) > level || lone_dip(c, i, level))) i--;
  return i;
}

/* The final value of a learned mode. */
static double settled_value(curve c) {
  const int now = c.s->count - 1;
  const double latest = at(c, now), learned = c.s->opt.settled / 2;
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
static double fraction(curve c, int i, double level) {
  const double low = at(c, i), high = at(c, i + 1);
  if (low > 0 && high > 2 * low) return log(level / low) / log(high / low);
  return (level - low) / (high - low);
}

/* Expected final value of a mode that is not learned at snapshot i (-1: none yet). */
static double final_value(const es_transitions *s, int i) {
  double sum = 0;
  int learned = 0;
  for (int j = 0; i >= 0 && j < s->opt.modes; j++) {
    const double l = at((curve){s, j}, i);
    if (l <= s->opt.settled / 2) break;
    sum += l;
    learned++;
  }
  if (learned > 0) return sum / learned;
  return s->opt.alone > 0 ? s->opt.alone : s->opt.settled;
}

/* The window, looking back from snapshot `from`. */
static window find_window(curve c, int from) {
  window w = {.slope = NAN, .error = NAN};
  w.last = from;
  while (w.last >= 0 && at(c, w.last) >= WINDOW_TOP * final_value(c.s, w.last)) w.last--;
  w.end = final_value(c.s, w.last);
  w.least = INFINITY;
  for (int i = 0; i <= w.last; i++) w.least = fmin(w.least, at(c, i));
  const double floor = fmax(FLOOR_FACTOR * w.least, FLOOR_LEAST * w.end);
  for (w.first = w.last + 1; w.first > 0; w.first--) {
    const double l = at(c, w.first - 1);
    const bool near = l * REACH >= at(c, w.last) || w.last - w.first + 1 < REACH_POINTS;
    if (!near || l <= floor || l >= 2 * WINDOW_TOP * w.end) break; /* noise at the top */
  }
  return w;
}

static double logit(curve c, const window *w, int i) {
  return log(at(c, i) / (w->end - at(c, i)));
}

static double weight(curve c, const window *w, int i) {
  const double noise = fmax(w->least, 0) / at(c, i);
  return 1 / (SCATTER * SCATTER + noise * noise);
}

/* Slope of the logit on time over the window and its error; NaN if it does not count. */
static void fit(curve c, window *w) {
  const int n = w->last - w->first + 1;
  const double *const t = c.s->time;
  if (n < MIN_POINTS || at(c, w->last) < MIN_GROWTH * at(c, w->first)) return;
  double sum = 0, mt = 0, my = 0, tt = 0, ty = 0, yy = 0;
  for (int i = w->first; i <= w->last; i++) sum += weight(c, w, i);
  for (int i = w->first; i <= w->last; i++) {
    mt += weight(c, w, i) / sum * t[i];
    my += weight(c, w, i) / sum * logit(c, w, i);
  }
  for (int i = w->first; i <= w->last; i++) {
    const double x = t[i] - mt, y = logit(c, w, i) - my, p = weight(c, w, i);
    tt += p * x * x;
    ty += p * x * y;
    yy += p * y * y;
  }
  if (!(ty > 0) || ty * ty < MIN_R2 * tt * yy) return;
  w->slope = ty / tt;
  w->error = sqrt(fmax(yy - w->slope * ty, 0) / (n - 2) / tt);
}

/* The step of a time after snapshot i, at the learning rate before snapshot i. */
static double step_of(const es_transitions *s, int i, double time) {
  if (i < 1 || !(s->time[i] > s->time[i - 1])) return NAN;
  const double pace = (s->step[i] - s->step[i - 1]) / (s->time[i] - s->time[i - 1]);
  return s->step[i] + (time - s->time[i]) * pace;
}

/* Forecast of the time at which the mode crosses half of `end`, from snapshot i. */
static double extrapolate(curve c, int i, double end, double slope) {
  return c.s->time[i] + log(end / at(c, i) - 1) / slope;
}

/* Time and step at which the value passes `level` after snapshot i. */
static void crossing(curve c, int i, double level, double *step, double *time) {
  const es_transitions *const s = c.s;
  const double f = fraction(c, i, level);
  *step = s->step[i] + f * (s->step[i + 1] - s->step[i]);
  *time = s->time[i] + f * (s->time[i + 1] - s->time[i]);
}

/* The first snapshot with two above `level` after it, up to snapshot `last`: -1 if the
 * first two of all are, `last` + 1 if there is none. */
static int first_below(curve c, double level, int last) {
  int i = -1;
  while (i <= last && (at(c, i + 1) <= level || at(c, i + 2) <= level)) i++;
  return i;
}

/* Did the mode fall after a first rise above `level`, before snapshot `last` + 1? Then
 * its first crossing is told. */
static bool fell(curve c, double level, int last, es_transition *row) {
  if (last < 1) return false;
  const int first = first_below(c, level, last - 2);
  double least = INFINITY;
  for (int i = first + 1; i <= last; i++) least = fmin(least, at(c, i));
  if (first > last - 2 || least > level / 2) return false;
  row->step_first = row->time_first = NAN;
  if (first >= 0) crossing(c, first, level, &row->step_first, &row->time_first);
  return true;
}

/* Transition of a learned mode; returns the last snapshot before it, -1 for none. */
static int locate(curve c, es_transition *row) {
  const double half = settled_value(c) / 2;
  const int from = last_below(c, half);
  row->state = from < 0 ? ES_MODE_FROM_START : ES_MODE_LEARNED;
  if (from < 0) return from;
  crossing(c, from, half, &row->step, &row->time);
  row->step_first = row->step;
  row->time_first = row->time;
  if (fell(c, half, from, row)) row->state = ES_MODE_UNSTABLE;
  return from;
}

/* State of a mode that is not learned. */
static es_transition_state unlearned(curve c, bool growing, es_transition *row) {
  const int now = c.s->count - 1;
  double least = at(c, 0);
  if (fell(c, c.s->opt.settled / 2, now, row)) return ES_MODE_FELL;
  if (growing) return ES_MODE_GROWING;
  for (int i = 1; i <= now; i++) least = fmin(least, at(c, i));
  return at(c, now) > FLOOR_FACTOR * fabs(least) ? ES_MODE_IRREGULAR : ES_MODE_FLAT;
}

/* gamma of a growth rate that was fitted in a window, and its error. */
static double gamma_of(const es_transitions *s, const window *w, double *error) {
  const double time = s->time[w->last] - s->time[w->first], mu = s->opt.momentum;
  const double lr = time / (s->step[w->last] - s->step[w->first]);
  const double z = exp(w->slope * lr / 2), unit = lr * s->opt.rate / 2;
  const double ahead = s->opt.nesterov ? z / ((1 + mu) * z - mu) : 1;
  *error = w->error * lr / 2 * (z - mu / z) / unit * ahead;
  return expm1(w->slope * lr / 2) * (1 - mu / z) / unit * ahead;
}

static es_transition describe(curve c) {
  es_transition row = {c.mode + 1, ES_MODE_FLAT, NAN, NAN, NAN, NAN,
                       NAN,        NAN,          NAN, NAN, NAN};
  const es_transitions *s = c.s;
  const int now = s->count - 1;
  if (now < 0) return row;
  row.value = at(c, now);
  const bool learned = row.value > s->opt.settled / 2;
  const int from = learned ? locate(c, &row) : now;
  if (from < 0) return row;
  window w = find_window(c, from);
  fit(c, &w);
  if (!learned) row.state = unlearned(c, isfinite(w.slope), &row);
  if (!isfinite(w.slope)) return row;
  row.gamma = gamma_of(s, &w, &row.gamma_error);
  row.time_forecast = extrapolate(c, w.last, w.end, w.slope);
  row.step_forecast = step_of(s, w.last, row.time_forecast);
  return row;
}

void es_transitions_table(const es_transitions *s, es_transition *rows) {
  for (int j = 0; j < s->opt.modes; j++) rows[j] = describe((curve){s, j});
}

int es_transitions_learned(const es_transitions *s) {
  int learned = 0;
  for (int j = 0; s->count > 0 && j < s->opt.modes; j++)
    learned += at((curve){s, j}, s->count - 1) > s->opt.settled / 2;
  return learned;
}

es_forecast es_transitions_next(const es_transitions *s) {
  const int now = s->count - 1, next = es_transitions_learned(s);
  es_forecast f = {next < s->opt.modes ? next + 1 : 0, NAN, NAN, NAN, NAN};
  if (now < 0 || f.mode == 0) return f;
  const curve c = {s, next};
  window w = find_window(c, now);
  fit(c, &w);
  if (!isfinite(w.slope)) return f;
  const double end = final_value(s, now);
  f.gamma = gamma_of(s, &w, &f.gamma_error);
  f.time = at(c, now) < end / 2 ? extrapolate(c, now, end, w.slope) : s->time[now];
  f.step = step_of(s, now, f.time);
  return f;
}
