/* SPDX-License-Identifier: BSD-3-Clause */
/** @file views.c  Records -> views by a pipeline; views -> numbers. */
#include "views.h"

#include <math.h>
#include "eigenstep/mem.h"

bool es_study_is_augmented(const es_held_out *h) {
  return !es_assembly_probe_set(h->run->parts)->ops->pairs;
}

/* Both views of this rank's pair i. */
static es_status make_pair(const es_held_out *h, const es_augment *a, void *const work[2],
                           int i, es_study_views *v) {
  const es_dataset *const ds = es_assembly_probe_set(h->run->parts);
  const es_batch *const b = h->batch;
  const int64_t size = (int64_t) v->shape.c * v->shape.h * v->shape.w;
  es_sample s;
  for (int view = 0; view < ES_VIEWS; view++) {
    const es_view_key key = {.seed = (uint64_t) h->run->settings.run.seed,
                             .epoch = b->epoch[i],
                             .sample = b->id[i],
                             .view = view};
    if (view == 0 || ds->ops->pairs)
      ES_TRY(ds->ops->get(ds, b->id[i], view, work[0], &s));
    ES_TRY(es_augment_apply(a, &key, &s, work[1], v->x + (view * b->n + i) * size));
  }
  return ES_OK;
}

es_status es_study_views_make(const es_held_out *h, const es_augment_steps *steps,
                              es_study_views *v) {
  const es_dataset *const ds = es_assembly_probe_set(h->run->parts);
  void *work[2] = {NULL, NULL};
  es_augment *a = NULL;
  *v = (es_study_views){.x = NULL};
  es_status st = es_augment_create(steps, ds, &a, &v->shape);
  if (st == ES_OK) st = es_dataset_room(ds, &work[0]);
  if (st == ES_OK) st = es_alloc(es_augment_scratch(a), "a view", &work[1]);
  const int64_t size = (int64_t) v->shape.c * v->shape.h * v->shape.w;
  if (st == ES_OK) st = ES_NEW(2 * h->batch->n * size, &v->x);
  for (int i = 0; i < h->batch->n && st == ES_OK; i++) st = make_pair(h, a, work, i, v);
  es_free(&work[1]);
  es_dataset_room_free(ds, &work[0]);
  es_augment_destroy(&a);
  return st;
}

void es_study_views_free(es_study_views *v) {
  es_free(&v->x);
}

/* Pixels, for images of three colours. to: of the first number. */
static es_status measure_pixels(const es_held_out *h, es_study_numbers *s) {
  const int64_t points = 2 * s->pairs, first = h->points.first;
  es_augment_steps plain = {0};
  es_study_views v = {.x = NULL};
  es_slope_plan plan = {0};
  double number[ES_PIXEL_NUMBERS];
  es_status st = es_augment_steps_copy(&h->run->settings.selected.augment, &plain);
  es_augment_steps_drop_last(&plain);
  if (st == ES_OK) st = es_study_views_make(h, &plain, &v);
  const int64_t size = (int64_t) v.shape.c * v.shape.h * v.shape.w;
  const bool colours = st == ES_OK && v.shape.c == 3 && v.shape.h * v.shape.w > 1;
  if (colours) st = es_slope_plan_open(v.shape.h, v.shape.w, &plan);
  for (int i = 0; i < 2 * h->batch->n && colours && st == ES_OK; i++) {
    const int64_t at = i / h->batch->n * s->pairs + first + i % h->batch->n;
    es_attribute_measure(v.x + i * size, &plan, number);
    for (int k = 0; k < ES_PIXEL_NUMBERS; k++) s->number[k * points + at] = number[k];
  }
  es_slope_plan_free(&plan);
  es_study_views_free(&v);
  es_augment_steps_free(&plain);
  return st;
}

/* What is not drawn is 0 for all. */
static double known(double drawn) {
  return isnan(drawn) ? 0 : drawn;
}

/* What the run's pipeline drew for this rank's pair i. */
static es_status read_draws(const es_held_out *h, void *work, int i,
                            es_study_numbers *s) {
  const es_assembly *const p = h->run->parts;
  const es_dataset *const ds = es_assembly_probe_set(p);
  const int64_t points = 2 * s->pairs;
  es_sample image = {.h = ds->h, .w = ds->w};
  if (ds->h == 0) ES_TRY(ds->ops->get(ds, h->batch->id[i], 0, work, &image));
  for (int view = 0; view < ES_VIEWS; view++) {
    const es_view_key key = {.seed = (uint64_t) h->run->settings.run.seed,
                             .epoch = h->batch->epoch[i],
                             .sample = h->batch->id[i],
                             .view = view};
    const es_drawn d = es_augment_draw(p->input.augment, &key, image.h, image.w);
    double *const to = s->number + view * s->pairs + h->points.first + i;
    to[ES_CROP_X * points] = known(d.x);
    to[ES_CROP_Y * points] = known(d.y);
    to[ES_CROP_AREA * points] = known(d.area);
    to[ES_FLIP * points] = known(d.flipped);
  }
  return ES_OK;
}

/* This rank's points; those of the others stay 0. */
static es_status read_own(const es_held_out *h, es_study_numbers *s) {
  const es_dataset *const ds = es_assembly_probe_set(h->run->parts);
  void *work = NULL;
  ES_TRY(measure_pixels(h, s));
  es_status st = es_dataset_room(ds, &work);
  for (int i = 0; i < h->batch->n && st == ES_OK; i++) {
    s->record[h->points.first + i] = h->batch->id[i];
    s->label[h->points.first + i] = h->batch->label[i] + 1;
    if (es_study_is_augmented(h)) st = read_draws(h, work, i, s);
  }
  es_dataset_room_free(ds, &work);
  return st;
}

es_status es_study_numbers_read(const es_comm *c, const es_held_out *h,
                                es_study_numbers *s) {
  const int64_t pairs = h->points.pairs;
  *s = (es_study_numbers){.pairs = pairs};
  es_status st = ES_NEW(2 * pairs * ES_VIEW_NUMBERS, &s->number);
  if (st == ES_OK) st = ES_NEW(pairs, &s->record);
  if (st == ES_OK) st = ES_NEW(pairs, &s->label);
  if (st == ES_OK) st = read_own(h, s);
  ES_TRY(es_comm_agree(c, st));
  es_comm_sum_f64(c, s->number, 2 * pairs * ES_VIEW_NUMBERS);
  es_comm_sum_i64(c, s->record, pairs);
  es_comm_sum_i64(c, s->label, pairs);
  for (int64_t i = 0; i < pairs; i++) s->label[i]--;
  return ES_OK;
}

void es_study_numbers_free(es_study_numbers *s) {
  es_free(&s->number);
  es_free(&s->record);
  es_free(&s->label);
}
