/* SPDX-License-Identifier: BSD-3-Clause */
/** @file extremes.c  The samples at both ends of each mode, and how they look. */
#include <math.h>
#include "eigenstep/mem.h"
#include "last_step.h"

enum { SIDE = 64, COLOURS = 3 };

/* sample [n] <- the first n pairs by sign x coordinate, descending; ties by number. */
static void choose(const double *q, int pairs, double sign, int n, int64_t *sample) {
  for (int found = 0; found < n; found++) {
    int best = -1;
    for (int i = 0; i < pairs; i++) {
      bool taken = false;
      for (int k = 0; k < found; k++) taken = taken || sample[k] == i;
      if (!taken && (best < 0 || sign * q[i] > sign * q[best])) best = i;
    }
    sample[found] = best;
  }
}

/* Pixels of an image, planes of h x w in [0, 1], means over squares of `by` a side. */
static void shrink(const float *x, es_shape s, int by, const es_study_extremes *e,
                   int64_t *to) {
  for (int y = 0; y < e->h; y++)
    for (int column = 0; column < e->w; column++)
      for (int c = 0; c < COLOURS; c++) {
        double sum = 0;
        for (int i = 0; i < by * by; i++)
          sum += (double)
              x[((int64_t) c * s.h + y * by + i / by) * s.w + column * by + i % by];
        const double grey = 255 * sum / (by * by);
        to[((int64_t) y * e->w + column) * COLOURS + c] =
            (int64_t) lround(fmin(fmax(grey, 0), 255));
      }
}

/* Pictures of this rank's pairs among the samples; those of the others stay 0. */
static void draw_own(const es_held_out *h, const es_study_views *v, int64_t samples,
                     int by, es_study_extremes *e) {
  const int64_t size = (int64_t) COLOURS * v->shape.h * v->shape.w;
  for (int64_t i = 0; i < samples; i++) {
    const int64_t own = e->sample[i] - h->points.first;
    if (own >= 0 && own < h->points.n)
      shrink(v->x + own * size, v->shape, by, e, e->pixel + i * e->h * e->w * COLOURS);
  }
}

/* Collective. */
static es_status draw_pictures(const es_study_state *s, int64_t samples,
                               es_study_extremes *e) {
  es_augment_steps plain = {0};
  es_study_views v = {.x = NULL};
  es_status st =
      es_augment_steps_copy(&s->held_out->run->settings.selected.augment, &plain);
  es_augment_steps_drop_last(&plain);
  if (st == ES_OK) st = es_study_views_make(s->held_out, &plain, &v);
  const int longest = v.shape.h > v.shape.w ? v.shape.h : v.shape.w;
  const int by = (longest + SIDE - 1) / SIDE;
  const bool images = st == ES_OK && v.shape.c == COLOURS && v.shape.h * v.shape.w > 1;
  if (images) {
    e->h = v.shape.h / by;
    e->w = v.shape.w / by;
    st = ES_NEW(samples * e->h * e->w * COLOURS, &e->pixel);
  }
  if (images && st == ES_OK) draw_own(s->held_out, &v, samples, by, e);
  st = es_comm_agree(s->comm, st);
  if (images && st == ES_OK)
    es_comm_sum_i64(s->comm, e->pixel, samples * e->h * e->w * COLOURS);
  es_study_views_free(&v);
  es_augment_steps_free(&plain);
  return st;
}

es_status es_study_find_extremes(const es_study_state *s, const es_study_learned *l,
                                 es_study_extremes *e) {
  const int pairs = l->points / 2;
  *e = (es_study_extremes){.n = pairs < ES_EXTREMES ? pairs : ES_EXTREMES};
  const int64_t samples = (int64_t) ES_ENDS * l->modes * e->n;
  ES_TRY(ES_COMM_NEW(s->comm, samples, &e->sample));
  for (int end = 0; end < ES_ENDS; end++)
    for (int64_t k = 0; k < l->modes; k++)
      choose(l->q + k * l->points, pairs, end == 0 ? 1 : -1, e->n,
             e->sample + (end * l->modes + k) * e->n);
  return draw_pictures(s, samples, e);
}
