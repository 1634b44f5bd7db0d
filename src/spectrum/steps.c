/* SPDX-License-Identifier: BSD-3-Clause */
/** @file steps.c  Step detector: when each eigenvalue rose, how fast, and what its
 *  early growth foretold (Simon et al., ICML 2023: lambda(t) is a logistic curve of
 *  rate 8 gamma).
 *
 *  The rule, for one mode with values l_i at times t_i and `scale` the value at
 *  which a learned mode settles (1 for Barlow Twins):
 *
 *  - It has risen if its latest value L exceeds scale / 2.
 *  - It crossed between the last i with l_i <= L/2 and i + 1: later dips that stay
 *    above L/2 do not count, earlier excursions neither. Between the two the
 *    crossing is interpolated in ln l if l more than doubled (exponential growth),
 *    else in l. A mode that was above L/2 from the first snapshot on has no
 *    crossing, rate or forecast (NaN).
 *  - Its exponential window ends at the last snapshot before the crossing (before
 *    now if it has not risen) with l < scale / 10 and reaches back as long as l
 *    stays below that and above the noise floor, 3 times the least value up to there
 *    (at least 1e-12 scale).
 *  - The rate is the least-squares slope of ln(l / (scale - l)) on t in the window.
 *    For small l that is the slope of ln l; unlike it, it has no bias where l nears
 *    scale / 10. It counts if there are 3 snapshots or more, l grew at least
 *    twofold, and a straight line explains 80 % of the variance. gamma = slope / 8.
 *  - The forecast is made at the end of the window, from nothing later: t +
 *    ln(scale/l - 1) / slope, the time of l = scale / 2. Hence `scale`, not L,
 *    bounds the window. */
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/steps.h"

#define WINDOW_TOP 0.1    /* of scale */
#define FLOOR_FACTOR 3.0  /* above the least value */
#define FLOOR_LEAST 1e-12 /* of scale */
#define MIN_POINTS 3
#define MIN_GROWTH 2.0
#define MIN_R2 0.8

struct es_steps {
  int modes, count, capacity;
  double *step, *time; /* [capacity] owned */
  double *lambda;      /* [capacity][modes] owned */
};

/* One mode's history. */
typedef struct curve {
  const es_steps *s;
  int mode;
} curve;

static double at(curve c, int i) {
  return c.s->lambda[(size_t) i * (size_t) c.s->modes + (size_t) c.mode];
}

es_status es_steps_create(int modes, es_steps **s) {
  ES_CHECK(modes >= 1, ES_EARG, "got %d modes, expected at least 1", modes);
  es_steps *n = NULL;
  ES_TRY(es_alloc(sizeof *n, "step detector", (void **) &n));
  n->modes = modes;
  *s = n;
  return ES_OK;
}

void es_steps_destroy(es_steps **s) {
  if (!*s) return;
  es_free(&(*s)->step);
  es_free(&(*s)->time);
  es_free(&(*s)->lambda);
  es_free(s);
}

/* Replace *x by a copy with room for `capacity` elements. */
static es_status enlarge(double **x, size_t used, size_t capacity) {
  double *larger = NULL;
  ES_TRY(ES_NEW(capacity, &larger));
  if (used > 0) memcpy(larger, *x, used * sizeof *larger);
  es_free(x);
  *x = larger;
  return ES_OK;
}

static es_status make_room(es_steps *s) {
  if (s->count < s->capacity) return ES_OK;
  const size_t used = (size_t) s->count, room = used > 0 ? 2 * used : 64;
  const size_t modes = (size_t) s->modes;
  ES_TRY(enlarge(&s->step, used, room));
  ES_TRY(enlarge(&s->time, used, room));
  ES_TRY(enlarge(&s->lambda, used * modes, room * modes));
  s->capacity = (int) room;
  return ES_OK;
}

es_status es_steps_add(es_steps *s, int64_t step, double time, const double *lambda) {
  const int last = s->count - 1;
  ES_CHECK(last < 0 || (double) step > s->step[last], ES_EARG,
           "got step %lld, expected one after %.0f", (long long) step, s->step[last]);
  ES_CHECK(isfinite(time) && (last < 0 || time >= s->time[last]), ES_EARG,
           "got time %g at step %lld, expected none before the last snapshot's", time,
           (long long) step);
  for (int j = 0; j < s->modes; j++)
    ES_CHECK(isfinite(lambda[j]), ES_EMATH,
             "got eigenvalue %d = %g at step %lld, expected a finite number", j + 1,
             lambda[j], (long long) step);
  ES_TRY(make_room(s));
  const size_t modes = (size_t) s->modes;
  s->step[s->count] = (double) step;
  s->time[s->count] = time;
  memcpy(s->lambda + (size_t) s->count * modes, lambda, modes * sizeof *lambda);
  s->count++;
  return ES_OK;
}

/* Last snapshot at or below `level`, -1 if there is none. */
static int last_below(curve c, double level) {
  int i = c.s->count - 1;
  while (i >= 0 && at(c, i) > level) i--;
  return i;
}

/* Where between snapshots i and i + 1 (0..1) the value passes `level`. */
static double fraction(curve c, int i, double level) {
  const double low = at(c, i), high = at(c, i + 1);
  if (low > 0 && high > 2 * low) return log(level / low) / log(high / low);
  return (level - low) / (high - low);
}

/* The window's first and last snapshot, looking back from snapshot `from`. */
static void find_window(curve c, double scale, int from, int *first, int *last) {
  const double top = WINDOW_TOP * scale;
  int end = from;
  while (end >= 0 && at(c, end) >= top) end--;
  double least = INFINITY;
  for (int i = 0; i <= end; i++) least = fmin(least, at(c, i));
  const double floor = fmax(FLOOR_FACTOR * least, FLOOR_LEAST * scale);
  int begin = end + 1;
  while (begin > 0 && at(c, begin - 1) < top && at(c, begin - 1) > floor) begin--;
  *first = begin;
  *last = end;
}

/* Slope of the logit on time over the window; NaN if it does not count. */
static double fit(curve c, double scale, int first, int last) {
  const int n = last - first + 1;
  if (n < MIN_POINTS || at(c, last) < MIN_GROWTH * at(c, first)) return NAN;
  double mt = 0, my = 0, tt = 0, ty = 0, yy = 0;
  for (int i = first; i <= last; i++) {
    mt += c.s->time[i] / n;
    my += log(at(c, i) / (scale - at(c, i))) / n;
  }
  for (int i = first; i <= last; i++) {
    const double t = c.s->time[i] - mt, y = log(at(c, i) / (scale - at(c, i))) - my;
    tt += t * t;
    ty += t * y;
    yy += y * y;
  }
  const bool straight = ty > 0 && ty * ty >= MIN_R2 * tt * yy;
  return straight ? ty / tt : NAN;
}

static es_step_row describe(curve c, double scale) {
  es_step_row row = {c.mode + 1, NAN, NAN, NAN, NAN, NAN};
  const es_steps *s = c.s;
  const int now = s->count - 1;
  if (now < 0) return row;
  row.value = at(c, now);
  int from = now;
  if (row.value > scale / 2) {
    from = last_below(c, row.value / 2);
    if (from < 0) return row;
    const double f = fraction(c, from, row.value / 2);
    row.step = s->step[from] + f * (s->step[from + 1] - s->step[from]);
    row.time = s->time[from] + f * (s->time[from + 1] - s->time[from]);
  }
  int first, last;
  find_window(c, scale, from, &first, &last);
  const double slope = fit(c, scale, first, last);
  row.gamma = slope / 8;
  if (isfinite(slope))
    row.time_predicted = s->time[last] + log(scale / at(c, last) - 1) / slope;
  return row;
}

void es_steps_table(const es_steps *s, double scale, es_step_row *rows) {
  for (int j = 0; j < s->modes; j++) rows[j] = describe((curve){s, j}, scale);
}

int es_steps_learned(const es_steps *s, double scale) {
  int learned = 0;
  for (int j = 0; s->count > 0 && j < s->modes; j++)
    learned += at((curve){s, j}, s->count - 1) > scale / 2;
  return learned;
}
