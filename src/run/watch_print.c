/* SPDX-License-Identifier: BSD-3-Clause */
/** @file watch_print.c  A run's state, loss and eigenvalues as text (watch.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/watch.h"

enum {
  WIDTH = 60,
  LEVELS = 8,
  SHOWN = 8,
  FEATURES = 3,
  LINE = 4 * WIDTH + 8,
  TEXT = 1400
};

/* One character a cell, its height value / (high - low). */
static void sparkline(const double *cell, double low, double high, bool blocks,
                      char line[LINE]) {
  static const char *const block[LEVELS] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                            "\u2585", "\u2586", "\u2587", "\u2588"};
  static const char ascii[LEVELS + 1] = "_.-:=+*#";
  size_t used = 0;
  for (int i = 0; i < WIDTH; i++) {
    const double share = high > low ? (cell[i] - low) / (high - low) : 0;
    const int level = (int) fmin(fmax(share * LEVELS, 0), LEVELS - 1);
    if (isnan(cell[i]))
      used += (size_t) snprintf(line + used, LINE - used, " ");
    else if (blocks)
      used += (size_t) snprintf(line + used, LINE - used, "%s", block[level]);
    else
      used += (size_t) snprintf(line + used, LINE - used, "%c", ascii[level]);
  }
}

/* Values of column k of a series over the steps up to `end`: each cell the last value in
 * it, or, where it has none, that before. */
static void resample(const es_traj_rows *r, int64_t k, double end, double *cell) {
  int64_t row = 0;
  double value = NAN;
  for (int i = 0; i < WIDTH; i++) {
    const double until = end * (i + 1) / WIDTH;
    for (; row < r->n && (double) r->step[row] <= until; row++)
      value = r->values[row * r->width + k];
    cell[i] = row < r->n || i == 0 || (double) r->step[r->n - 1] > end * i / WIDTH ? value
                                                                                   : NAN;
  }
}

static void draw_series(const char *name, const es_traj_rows *r, int64_t k, double end,
                        double high, bool blocks) {
  double cell[WIDTH], low = 0, top = high;
  char line[LINE] = "";
  resample(r, k, end, cell);
  if (isnan(high)) { /* between its least and largest value */
    low = INFINITY;
    top = -INFINITY;
    for (int i = 0; i < WIDTH; i++) {
      low = fmin(low, cell[i]);
      top = fmax(top, cell[i]);
    }
  }
  sparkline(cell, low, top, blocks, line);
  es_print("  %-9s %10.4g  %s", name, r->values[(r->n - 1) * r->width + k], line);
}

static void describe_state(const es_watched *w, char *text, size_t size) {
  char age[32];
  es_duration(w->age, age);
  if (w->state == ES_WATCH_GONE)
    snprintf(
        text, size,
        "gone: killed without a word, last sign of life %s ago; 'eigenstep resume %s' "
        "continues from its last checkpoint",
        age, w->dir);
  else if (w->state == ES_WATCH_SILENT)
    snprintf(text, size, "RUNNING, not seen from this machine; last sign of life %s ago",
             age);
  else
    snprintf(text, size, "%s", w->status);
}

/* "step 80 of 150, t = 0.08, 66 img/s, 5 min left" */
static void describe_progress(const es_watched *w, char *text, size_t size) {
  const es_watch_progress *const p = &w->now;
  char of[40] = "", speed[40] = "", left[60] = "", time[32];
  if (isnan(p->step)) {
    snprintf(text, size, "no progress line yet");
    return;
  }
  if (isfinite(p->steps)) snprintf(of, sizeof of, " of %.0f", p->steps);
  if (isfinite(p->speed)) snprintf(speed, sizeof speed, ", %.1f img/s", p->speed);
  if (isfinite(p->left) && !es_watch_is_over(w))
    snprintf(left, sizeof left, ", about %s left", es_duration(p->left, time));
  snprintf(text, size, "step %.0f%s, t = %.4g%s%s", p->step, of, p->time, speed, left);
}

/* ", now at 0.47": the latest eigenvalue of a mode, where it is published. */
static const char *value_of(const es_traj_rows *e, double mode, char text[32]) {
  text[0] = '\0';
  if (e->n > 0 && mode <= (double) e->width)
    snprintf(text, 32, ", now at %.2g",
             e->values[(e->n - 1) * e->width + (int) mode - 1]);
  return text;
}

/* "2 modes learned; forecast: mode 3 at step 135 +- 12 (t = 0.135)" */
static void describe_next(const es_watched *w, char *text, size_t size) {
  const es_watch_progress *const p = &w->now;
  char next[120] = "", error[32] = "", now[32];
  if (isfinite(p->at_step_error))
    snprintf(error, sizeof error, " +- %.0f", p->at_step_error);
  if (p->mode > 0 && isfinite(p->at_step))
    snprintf(next, sizeof next, "; forecast: mode %.0f at step %.0f%s (t = %.4g)",
             p->mode, p->at_step, error, p->at_time);
  else if (p->mode > 0)
    snprintf(next, sizeof next, "; no forecast of mode %.0f%s", p->mode,
             value_of(&w->eigenvalues, p->mode, now));
  if (isnan(p->learned))
    snprintf(text, size, "no mode counted yet%s", next);
  else
    snprintf(text, size, "%.0f mode%s learned%s", p->learned, p->learned == 1 ? "" : "s",
             next);
}

/* The leading eigenvalues of a series, the first `shown` of them, on one scale from 0 to
 * the largest of all, `least` at least. */
static void draw_leading(const char *noun, const es_traj_rows *e, int shown, double end,
                         double least, bool blocks) {
  char name[32];
  double high = least;
  for (int64_t i = 0; i < e->n * e->width; i++) high = fmax(high, e->values[i]);
  for (int64_t k = 0; k < e->width && k < shown; k++) {
    snprintf(name, sizeof name, "%s_%d", noun, (int) k + 1);
    draw_series(name, e, k, end, high, blocks);
  }
}

void es_watch_draw(const es_watched *w, bool blocks) {
  const es_traj_rows *const e = &w->eigenvalues;
  char state[TEXT], progress[TEXT], next[TEXT];
  double end = w->now.step;
  describe_state(w, state, sizeof state);
  describe_progress(w, progress, sizeof progress);
  describe_next(w, next, sizeof next);
  es_print("%s: %s", w->dir, state);
  es_print("  %s; %s", progress, next);
  if (e->n == 0) {
    es_print("  no snapshot is published yet");
    return;
  }
  if (!(end >= (double) e->step[e->n - 1])) end = (double) e->step[e->n - 1];
  if (w->loss.n > 0) draw_series("loss", &w->loss, 0, end, NAN, blocks);
  draw_leading("lambda", e, SHOWN, end, 1, blocks);
  if (w->features.n > 0) draw_leading("feature", &w->features, FEATURES, end, 0, blocks);
  es_print("  %-9s %10s  0%*s%.0f", "step", "", WIDTH - 6, "", end);
}

void es_watch_print_line(const es_watched *w) {
  char state[TEXT], progress[TEXT], next[TEXT];
  describe_state(w, state, sizeof state);
  describe_progress(w, progress, sizeof progress);
  describe_next(w, next, sizeof next);
  es_print("%s: %s; %s, loss %.4g; %s", w->dir, state, progress, w->now.loss, next);
}
