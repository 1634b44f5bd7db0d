/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transition_fit.c  The exponential phase of one mode: its window, its growth
 *  rate, and the forecast of its transition with its uncertainty.
 *
 *  - The final value of a mode is not known before it is learned. At snapshot i it is
 *    taken to be e_i: the mean of the modes learned by then; `alone`, or else `settled`,
 *    if there are none.
 *  - Its exponential window ends at the last snapshot before the crossing (before the
 *    latest if it is not learned) with l < e / 10 and extends back as long as l is below
 *    twice that (for noise), above the noise floor, 3 times the least value up to there
 *    (at least 1e-12 e), and within a factor of 4 of its end: growth quickens as features
 *    align, so older values mislead. If that leaves fewer than 4 snapshots, the factor is
 *    ignored.
 *  - The rate is the slope of y = ln(l / (e - l)) on t in the window, by least squares
 *    with weights 1 / (0.1^2 + (least / l)^2): values near the floor are mostly noise.
 *    For small l that is the slope of ln l; unlike it, it has no bias where l nears e /
 *    10. It counts if there are 3 snapshots or more, l grew at least twofold, and a
 *    straight line explains 80 % of the variance. A step multiplies an amplitude by z =
 *    e^(slope lr/2), lr that of the window; under descent with momentum mu z is the
 *    larger root of z^2 - (1 + mu + x) z + mu = 0 with x = lr gamma rate/2. That gives
 *    gamma; it is slope / rate where x and mu are small. Its error is that of the fit,
 *    from the scatter about the line.
 *  - The forecast is made at the end of the window, from no later value. The line alone
 *    reaches l = e / 2 at t + left, left = -y / slope. But growth is exponential only
 *    while features stay as they are; in a network it quickens, and where other modes
 *    hinder it it slows down. Two things tell by how much ln(left) is off:
 *    what the mode did: q = ln(slope / slope of the line through the values before the
 *    window, down to a factor of 4 below it), which the rest of the way goes on: -2 q on
 *    average. Between modes q spreads by 0.15; with the error u of both slopes,
 *    r = 0.15^2 / (0.15^2 + u^2), it is taken to be r q, known to u sqrt(r).
 *    what others did: x_j = ln(left, measured / left, of the line) + 2 r q, to e / 2, of
 *    the latest 8 modes learned by then. They are taken to scatter by 0.15 about a mean
 *    that differs from 0 by 0.15 between runs: with m of them it is b = B sum x_j,
 *    B = 1 / (m + 1).
 *    The forecast is t + left e^(b - 2 r q); in steps at the current learning rate. The
 *    2 and both 0.15 were found with the 48 runs of inputs/sweep-forecasts and 27 of
 *    ResNet-18. The forecast of the next mode to be learned is the same, but starts from
 *    the latest value even where that is above the window's top.
 *  - Its error is one standard deviation: the transition is to lie within it in 68 % of
 *    cases. Three parts, taken as independent:
 *    of the line: that of y / slope, from the scatter of the value it starts from, that
 *    of the slope, which also moves q, and their covariance;
 *    of the level: an eigenvalue of n pairs has a relative sampling error of sqrt(2 / n)
 *    (Gaussian embeddings), and once modes are learned the final value of the next is
 *    taken to be known to half of ln(e / settled); half of e is crossed that much / slope
 *    off;
 *    of the model: sqrt(0.15^2 (1 + B) + 4 (r^2 v^2 + (1 - r)^2 0.15^2)) of the time
 *    left, v the relative error of the slope before the window. */
#include <math.h>
#include <stdbool.h>
#include "transitions_private.h"

#define WINDOW_TOP 0.1    /* of the expected final value */
#define FLOOR_LEAST 1e-12 /* of the expected final value */
#define REACH 4.0         /* from the end of the window back */
#define REACH_POINTS 4
#define SCATTER 0.1 /* of a value far above the floor */
#define MIN_POINTS 3
#define MIN_GROWTH 2.0
#define MIN_R2 0.8
#define GOES_ON 2.0       /* times q, by which ln(left) is shorter */
#define QUICKENING 0.15   /* spread of q */
#define BETWEEN_RUNS 0.15 /* of ln(left, measured / left, of the line) + 2 q */
#define BETWEEN_MODES 0.15
enum { MODES_ASKED = 8 };

static double at(es_curve c, int i) {
  return es_curve_at(c, i);
}

/* Expected final value of a mode that is not learned at snapshot i (-1: none yet). */
static double final_value(const es_transitions *s, int i) {
  double sum = 0;
  int learned = 0;
  for (int j = 0; i >= 0 && j < s->opt.modes; j++) {
    const es_curve c = {s, j};
    if (!es_curve_learned(c, i)) break;
    sum += at(c, i);
    learned++;
  }
  if (learned > 0) return sum / learned;
  return s->opt.alone > 0 ? s->opt.alone : s->opt.settled;
}

/* Variance of the logarithm of the level that a forecast at snapshot i is of. */
static double level_variance(const es_transitions *s, int i) {
  const double sampling = s->opt.pairs > 0 ? 2 / s->opt.pairs : 0;
  if (!es_curve_learned((es_curve){s, 0}, i)) return sampling;
  return sampling + pow(log(final_value(s, i) / s->opt.settled) / 2, 2);
}

/* The first snapshot of a window, all else of which is known. */
static void reach_back(es_curve c, es_phase *w) {
  const double floor = fmax(ES_FLOOR_FACTOR * w->least, FLOOR_LEAST * w->end);
  for (w->first = w->last + 1; w->first > 0; w->first--) {
    const double l = at(c, w->first - 1);
    const bool near =
        l * REACH >= at(c, w->last) || w->last - w->first + 1 < REACH_POINTS;
    if (!near || l <= floor || l >= 2 * WINDOW_TOP * w->end) break; /* noise at the top */
  }
}

/* The window, looking back from snapshot `from`. */
static es_phase find_window(es_curve c, int from) {
  es_phase w = {.slope = NAN, .error = NAN};
  w.last = from;
  while (w.last >= 0 && at(c, w.last) >= WINDOW_TOP * final_value(c.s, w.last)) w.last--;
  w.end = final_value(c.s, w.last);
  w.least = INFINITY;
  for (int i = 0; i <= w.last; i++) w.least = fmin(w.least, at(c, i));
  reach_back(c, &w);
  return w;
}

static double logit(es_curve c, double end, int i) {
  return log(at(c, i) / (end - at(c, i)));
}

static double weight(es_curve c, const es_phase *w, int i) {
  const double noise = fmax(w->least, 0) / at(c, i);
  return 1 / (SCATTER * SCATTER + noise * noise);
}

/* Slope of the logit on time over the window and its error; NaN if it does not count. */
static void fit(es_curve c, es_phase *w) {
  const int n = w->last - w->first + 1;
  const double *const t = c.s->time;
  if (n < MIN_POINTS || at(c, w->last) < MIN_GROWTH * at(c, w->first)) return;
  double sum = 0, mt = 0, my = 0, tt = 0, ty = 0, yy = 0;
  for (int i = w->first; i <= w->last; i++) sum += weight(c, w, i);
  for (int i = w->first; i <= w->last; i++) {
    mt += weight(c, w, i) / sum * t[i];
    my += weight(c, w, i) / sum * logit(c, w->end, i);
  }
  for (int i = w->first; i <= w->last; i++) {
    const double x = t[i] - mt, y = logit(c, w->end, i) - my, p = weight(c, w, i);
    tt += p * x * x;
    ty += p * x * y;
    yy += p * y * y;
  }
  if (!(ty > 0) || ty * ty < MIN_R2 * tt * yy) return;
  w->slope = ty / tt;
  w->middle = mt;
  w->spread = tt;
  w->variance = fmax(yy - w->slope * ty, 0) / (n - 2);
  w->error = sqrt(w->variance / tt);
}

es_phase es_curve_phase(es_curve c, int from) {
  es_phase w = find_window(c, from);
  fit(c, &w);
  return w;
}

/* Steps in a unit of time at the learning rate before snapshot i; NaN: not known. */
static double pace(const es_transitions *s, int i) {
  if (i < 1 || !(s->time[i] > s->time[i - 1])) return NAN;
  return (s->step[i] - s->step[i - 1]) / (s->time[i] - s->time[i - 1]);
}

/* gamma of a growth rate that was fitted in a window, and its error. */
static double gamma_of(const es_transitions *s, const es_phase *w, double *error) {
  const double time = s->time[w->last] - s->time[w->first], mu = s->opt.momentum;
  const double lr = time / (s->step[w->last] - s->step[w->first]);
  const double z = exp(w->slope * lr / 2), unit = lr * s->opt.rate / 2;
  const double ahead = s->opt.nesterov ? z / ((1 + mu) * z - mu) : 1;
  *error = w->error * lr / 2 * (z - mu / z) / unit * ahead;
  return expm1(w->slope * lr / 2) * (1 - mu / z) / unit * ahead;
}

/* What is added to ln(left), and its variance. */
typedef struct correction {
  double log, variance;
  double turn; /* times the relative error of the slope is an error of ln(left) */
} correction;

/* What the quickening of a mode up to the end of its window adds. */
static correction quickening(es_curve c, const es_phase *w) {
  const double spread = QUICKENING * QUICKENING;
  es_phase before = *w;
  before.last = w->first - 1;
  before.slope = NAN;
  reach_back(c, &before);
  fit(c, &before);
  if (isnan(before.slope)) return (correction){0, GOES_ON * GOES_ON * spread, 1};
  const double now = w->error / w->slope, then = before.error / before.slope;
  const double noise = now * now + then * then, known = spread / (spread + noise);
  const double unknown = known * known * then * then + (1 - known) * (1 - known) * spread;
  return (correction){-GOES_ON * known * log(w->slope / before.slope),
                      GOES_ON * GOES_ON * unknown, 1 + GOES_ON * known};
}

/* x_j of a mode learned by the latest snapshot of c.s; NaN where it is not known. */
static double surprise(es_curve c) {
  const es_phase w = es_curve_phase(c, es_curve_last_below(c, c.s->opt.settled / 2));
  int i = w.last;
  if (isnan(w.slope)) return NAN;
  while (i + 1 < c.s->count && at(c, i + 1) <= w.end / 2) i++;
  if (i + 1 == c.s->count) return NAN;
  double step, time;
  es_curve_crossing(c, i, w.end / 2, &step, &time);
  const double start = c.s->time[w.last];
  return log((time - start) * w.slope / -logit(c, w.end, w.last)) - quickening(c, &w).log;
}

/* What is added for a mode of window w, as known at snapshot i. */
static correction correction_of(es_curve c, const es_phase *w, int i) {
  const double prior = pow(BETWEEN_MODES / BETWEEN_RUNS, 2);
  const correction own = quickening(c, w);
  es_transitions known = *c.s;
  double sum = 0, modes = 0;
  known.count = i + 1;
  for (int j = c.mode - 1; j >= 0 && j >= c.mode - MODES_ASKED; j--) {
    const double x = surprise((es_curve){&known, j});
    if (!isfinite(x)) continue;
    sum += x;
    modes++;
  }
  const double share = 1 / (modes + prior);
  const double others = BETWEEN_MODES * BETWEEN_MODES * (1 + share);
  return (correction){own.log + share * sum, own.variance + others, own.turn};
}

/* Variance of y_i / slope over that of a logit of weight 1: y_i scatters, the slope does,
 * and i is one of the points that give it. */
static double line_variance(es_curve c, const es_phase *p, int i, double left) {
  const bool of_window = i <= p->last;
  const double own = 1 / weight(c, p, i), x = c.s->time[i] - p->middle;
  const double common = of_window ? 2 * left * x / p->spread : 0;
  return (own + common + left * left / p->spread) / (p->slope * p->slope);
}

es_forecast es_curve_forecast(es_curve c, const es_phase *p, int i) {
  const es_transitions *const s = c.s;
  const double end = final_value(s, i);
  const double line = at(c, i) < end / 2 ? log(end / at(c, i) - 1) / p->slope : 0;
  const correction model = correction_of(c, p, i);
  const double scale = exp(model.log), left = scale * line;
  es_forecast f = {.mode = c.mode + 1, .time = s->time[i] + left};
  f.gamma = gamma_of(s, p, &f.gamma_error);
  f.step = s->step[i] + (f.time - s->time[i]) * pace(s, i);
  const double variance = p->variance * line_variance(c, p, i, model.turn * line) +
                          level_variance(s, i) / (p->slope * p->slope) +
                          line * line * model.variance;
  f.time_error = scale * sqrt(variance);
  f.step_error = f.time_error * pace(s, i);
  return f;
}
