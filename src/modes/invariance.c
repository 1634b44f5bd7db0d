/* SPDX-License-Identifier: BSD-3-Clause */
/** @file invariance.c  How far modes agree between two views. */
#include <math.h>
#include "eigenstep/mem.h"
#include "last_step.h"

/* Of coordinates u [2 pairs, modes]: column `at` of the table. */
static void compare_views(int64_t pairs, const double *u, int at, es_study_table *t) {
  const int k = t->modes;
  for (int j = 0; j < k; j++) {
    double mean = 0, both = 0, all = 0;
    for (int64_t i = 0; i < 2 * pairs; i++) mean += u[i * k + j] / (2 * (double) pairs);
    for (int64_t i = 0; i < pairs; i++) {
      const double a = u[i * k + j] - mean, b = u[(pairs + i) * k + j] - mean;
      both += 2 * a * b;
      all += a * a + b * b;
    }
    t->value[j * t->columns + at] = all > 0 ? both / all : NAN;
  }
}

/* Collective. Coordinates u [2 pairs, modes] of points in the learned modes; z [2 pairs,
 * d]: workspace. */
static es_status place(const es_study_state *s, const es_study_learned *l,
                       const es_held_out_points *points, double *z, double *u) {
  ES_TRY(es_held_out_read(s->comm, s->held_out, points, s->value, z));
  const es_study_frame frame = {l->d, l->modes, s->last->mean, l->w};
  es_study_project(&frame, 2 * points->pairs, z, u);
  return ES_OK;
}

/* Views by step i of the pipeline alone; other steps leave whole images of that size. */
static es_status make_alone(const es_held_out *h, int i, es_study_views *v) {
  const es_shape own = h->run->parts->input.view;
  es_augment_steps alone = {0};
  es_status st = es_augment_steps_alone(&h->run->settings.selected.augment, i, &alone);
  if (st == ES_OK) st = es_study_views_make(h, &alone, v);
  es_augment_steps_free(&alone);
  ES_TRY(st);
  ES_CHECK(v->shape.h == own.h && v->shape.w == own.w, ES_EINTERNAL,
           "views of one augmentation: got %d x %d, expected %d x %d", v->shape.h,
           v->shape.w, own.h, own.w);
  return ES_OK;
}

/* Collective. */
static es_status measure_one(const es_study_state *s, const es_study_learned *l, int i,
                             double *z, double *u) {
  es_study_views v = {.x = NULL};
  const es_status made = make_alone(s->held_out, i, &v);
  es_status st = es_comm_agree(s->comm, made);
  if (st == ES_OK) {
    es_held_out_points points = s->held_out->points;
    points.x = v.x;
    st = place(s, l, &points, z, u);
  }
  es_study_views_free(&v);
  return st;
}

/* Which augmentations are random, and their names, after the first column. */
static int choose(const es_held_out *h, int which[ES_AUGMENT_STEPS],
                  const char *name[ES_AUGMENT_STEPS + 1]) {
  const es_augment_steps *const steps = &h->run->settings.selected.augment;
  int n = 0;
  name[0] = "views";
  if (!es_study_is_augmented(h)) return 0;
  for (int i = 0; i < steps->n; i++) {
    if (steps->step[i].ops->last) continue;
    which[n++] = i;
    name[n] = steps->step[i].ops->name;
  }
  return n;
}

es_status es_study_invariance(const es_study_state *s, const es_study_learned *l,
                              es_study_table *t) {
  int which[ES_AUGMENT_STEPS];
  const char *name[ES_AUGMENT_STEPS + 1];
  const int64_t pairs = s->held_out->points.pairs;
  const int n = choose(s->held_out, which, name);
  double *z = NULL, *u = NULL;
  es_status st = es_study_table_open(l->modes, n + 1, t);
  if (st == ES_OK) st = ES_NEW(2 * pairs * l->d, &z);
  if (st == ES_OK) st = ES_NEW(2 * pairs * l->modes, &u);
  st = es_comm_agree(s->comm, st);
  for (int i = 0; i <= n; i++) t->name[i] = name[i];
  if (st == ES_OK) st = place(s, l, &s->held_out->points, z, u);
  if (st == ES_OK) compare_views(pairs, u, 0, t);
  for (int i = 0; i < n && st == ES_OK; i++) {
    st = es_stop_between(s->stop, s->comm, "the next augmentation");
    if (st == ES_OK) st = measure_one(s, l, which[i], z, u);
    if (st == ES_OK) compare_views(pairs, u, i + 1, t);
  }
  es_free(&u);
  es_free(&z);
  return st;
}
