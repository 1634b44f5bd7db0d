/* SPDX-License-Identifier: BSD-3-Clause */
/** @file modes_report.c  What eigenstep modes prints. */
#include <math.h>
#include <stdio.h>
#include "modes_file.h"

enum { SHOWN = 16, NAMED = 3 };

static const char *cell(char text[16], const char *format, double v) {
  if (isnan(v)) return "-";
  snprintf(text, 16, format, v);
  return text;
}

/* The attributes of a mode that are above the null, the strongest first. */
static int name_mode(const es_study_findings *r, int mode, int best[NAMED]) {
  const double *const r2 = r->learned.r2 + mode * ES_ATTRIBUTES;
  int n = 0;
  for (int found = 0; found < NAMED; found++) {
    int next = -1;
    for (int a = 0; a < ES_ATTRIBUTES; a++) {
      bool taken = !(r2[a] > r->series.null[a]); /* also NaN */
      for (int i = 0; i < n; i++) taken = taken || best[i] == a;
      if (!taken && (next < 0 || r2[a] > r2[next])) next = a;
    }
    if (next >= 0) best[n++] = next;
  }
  return n;
}

/* The augmentation alone that a mode is least invariant to. */
static void name_weakest(const es_study_table *t, int mode, char text[40]) {
  int least = -1;
  const double *const v = t->value + (int64_t) mode * t->columns;
  for (int i = 1; i < t->columns; i++)
    if (!isnan(v[i]) && (least < 0 || v[i] < v[least])) least = i;
  if (least < 0)
    snprintf(text, 40, "-");
  else
    snprintf(text, 40, "%s %.2f", t->name[least], v[least]);
}

static void print_mode(const es_study_findings *r, int mode) {
  const es_study_learned *const l = &r->learned;
  const es_study_series *const s = &r->series;
  const double *const accuracy = r->usefulness.accuracy;
  const int row = l->row[mode], at = row * s->modes + mode;
  char step[16], halves[16], views[16], first[16], alone[16], weakest[40];
  char named[120] = "none above the null";
  int best[NAMED];
  const int n = name_mode(r, mode, best);
  for (int i = 0, used = 0; i < n; i++)
    used += snprintf(named + used, sizeof named - (size_t) used, "%s%s %.2f",
                     i > 0 ? ", " : "", es_attribute_table[best[i]].name,
                     l->r2[mode * ES_ATTRIBUTES + best[i]]);
  name_weakest(&r->invariance, mode, weakest);
  es_print(
      "%5d %8s %8lld %10.3g %7s %6.2f %6s %-14s %6s %6s  %s", mode + 1,
      cell(step, "%.4g", l->step[mode]), (long long) s->step[row], s->variance[at],
      cell(halves, "%.2f", l->halves[mode]), l->kept[mode],
      cell(views, "%.2f", r->invariance.value[mode * r->invariance.columns]), weakest,
      cell(first, "%.3f",
           accuracy != NULL ? accuracy[ES_FIRST_K * s->modes + mode] : NAN),
      cell(alone, "%.3f", accuracy != NULL ? accuracy[ES_ALONE * s->modes + mode] : NAN),
      named);
}

static void print_attributes(const es_study_series *s) {
  char text[400] = "";
  for (int a = 0, used = 0; a < ES_ATTRIBUTES; a++) {
    const bool varies = !isnan(s->r2[a]);
    if (varies)
      used += snprintf(text + used, sizeof text - (size_t) used, "%s%s %.3f",
                       used > 0 ? ", " : "", es_attribute_table[a].name, s->null[a]);
    else
      es_print("%s: not defined: %s", es_attribute_table[a].name,
               es_attribute_table[a].absent);
  }
  es_print("null, the 99th percentile of the largest R^2 of any mode by chance: %s",
           text);
}

/* Numbers of the modes by the growth rates of column i, largest first. */
static void name_order(const es_study_rates *r, int i, char text[80]) {
  bool taken[SHOWN] = {false};
  const int n = r->modes < SHOWN / 2 ? r->modes : SHOWN / 2;
  for (int found = 0, used = 0; found < n; found++) {
    int best = 0;
    while (taken[best]) best++;
    for (int j = best + 1; j < n; j++) {
      const double v = r->without[j * r->augmentations + i];
      if (!taken[j] && v > r->without[best * r->augmentations + i]) best = j;
    }
    taken[best] = true;
    used += snprintf(text + used, 80 - (size_t) used, " %d", best + 1);
  }
}

static void print_rates(const es_study_rates *r, const char *what) {
  if (r->gamma == NULL) return;
  char line[400], order[80] = "";
  int used = snprintf(line, sizeof line, "%5s %11s", "mode", "gamma");
  es_print(
      "\n%s at the start: d ln gamma / d strength of each augmentation, +- its error",
      what);
  for (int i = 0; i < r->augmentations && used < 380; i++)
    used += snprintf(line + used, sizeof line - (size_t) used, " %14.14s", r->name[i]);
  es_print("%s", line);
  for (int j = 0; j < r->modes && j < SHOWN / 2; j++) {
    used = snprintf(line, sizeof line, "%5d %11.4g", j + 1, r->gamma[j]);
    for (int i = 0; i < r->augmentations && used < 380; i++) {
      const int at = j * r->augmentations + i;
      char text[40] = "-";
      if (!isnan(r->change[at]))
        snprintf(text, sizeof text, "%.3f +- %.2g", r->change[at], r->error[at]);
      used += snprintf(line + used, sizeof line - (size_t) used, " %14s", text);
    }
    es_print("%s", line);
  }
  es_print(
      "negative: a stronger augmentation slows the mode; -: it has no strength here");
  for (int i = 0; i < r->augmentations; i++) {
    if (isnan(r->without[i])) continue;
    name_order(r, i, order);
    es_print("without %s the order of these would be%s", r->name[i], order);
  }
}

void es_study_print(const es_study_findings *r) {
  const es_study_series *const s = &r->series;
  int best[NAMED], named = 0;
  for (int k = 0; k < s->modes; k++) named += name_mode(r, k, best) > 0;
  es_print("\nmodes of %lld pairs, each at the first step here after it was learned",
           (long long) r->numbers.pairs);
  es_print("%5s %8s %8s %10s %7s %6s %6s %-14s %6s %6s  %s", "mode", "learned", "at step",
           "variance", "halves", "kept", "views", "least invar.", "first k", "alone",
           "R^2 above the null");
  for (int k = 0; k < s->modes && k < SHOWN; k++) print_mode(r, k);
  if (s->modes > SHOWN) es_print("      (%d more in modes.h5)", s->modes - SHOWN);
  es_print(
      "learned: step of the transition; variance: eigenvalue at that step here; "
      "halves: |cosine| of the mode\nfound by either half of the pairs; kept: share of "
      "the mode that the last network shows; views:\nagreement of the two views (1: "
      "invariant); least invar.: the augmentation that alone changes it\nmost, with "
      "that agreement; first k, alone: accuracy of a classifier on the first k modes, "
      "on this\none; R^2: share of the mode that an attribute or the class explains");
  print_attributes(s);
  if (named == 0)
    es_print("no mode has an attribute or class above the null");
  else
    es_print("%d of %d modes have an attribute or class above the null", named, s->modes);
  if (r->usefulness.accuracy != NULL)
    es_print("accuracy by chance %.3f", r->usefulness.chance);
  print_rates(&r->rates[ES_OF_PIXELS], "pixels");
  print_rates(&r->rates[ES_OF_FEATURES], "features");
}
