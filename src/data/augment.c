/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment.c  The pipeline from a record to a view.
 *
 *  Random numbers: each augmentation of each view has its own Philox sequence,
 *    key     = Philox(seed; epoch), 64 bits, so that epochs need no room in the counter,
 *    index   = record number,
 *    sub     = 22 bits of the hash of the augmentation's name, and the view,
 *  hence a view is a function of (seed, epoch, record, view) whatever rank or thread
 *  makes it, and adding, removing or moving one does not change the random numbers of
 *  the others. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data_private.h"
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"

enum {
  NAME_SIZE = 96,
  MOST_SIDE = 4096, /* of views made by a device */
  MOST_TIMES = 4    /* what two views take that their record may take instead */
};

struct es_augment {
  bool pairs;
  es_augment_steps steps;         /* owned, prepared */
  uint32_t tag[ES_AUGMENT_STEPS]; /**< of the random numbers of each */
  es_shape out;
  es_largest largest; /**< image in the data set or between two augmentations */
  int side;           /**< longest side of an image that an augmentation has resized */
};

void es_augment_destroy(es_augment **a) {
  if (*a == NULL) return;
  es_augment_steps_free(&(*a)->steps);
  es_free(a);
}

static uint32_t tag_of(const char *name) {
  const uint64_t hash = es_hash_bytes(ES_HASH_START, name, strlen(name));
  return (uint32_t) (hash >> 42); /* the upper 22 bits are the best mixed */
}

static int longer(int a, int b) {
  return a > b ? a : b;
}

/** Prepare the augmentations of one view. h, w: of the records in, of the view out. */
static es_status prepare(es_augment *a, int view, int *h, int *w) {
  char section[NAME_SIZE];
  for (int i = 0; i < a->steps.n; i++) {
    const es_augment_step *s = &a->steps.step[i];
    snprintf(section, sizeof section, "%s.%s", view == 0 ? "augment" : "view2",
             s->ops->name);
    const int before[2] = {*h, *w};
    if (s->ops->prepare != NULL) ES_TRY(s->ops->prepare(s->par[view], section, h, w));
    if (*h == before[0] && *w == before[1]) continue;
    a->side = longer(a->side, longer(*h, *w));
    a->largest.h = longer(a->largest.h, *h);
    a->largest.w = longer(a->largest.w, *w);
  }
  return ES_OK;
}

static es_status build(const es_augment_steps *steps, const es_dataset *ds,
                       es_augment *a) {
  int h[ES_VIEWS], w[ES_VIEWS];
  ES_TRY(es_augment_steps_copy(steps, &a->steps));
  for (int i = 0; i < a->steps.n; i++) a->tag[i] = tag_of(a->steps.step[i].ops->name);
  a->largest = ds->largest;
  for (int v = 0; v < ES_VIEWS; v++) {
    h[v] = ds->h;
    w[v] = ds->w;
    ES_TRY(prepare(a, v, &h[v], &w[v]));
    ES_CHECK(
        h[v] > 0 && h[v] == w[v], ES_ECONFIG,
        "augment.list: got views of %s without 'crop', expected square images of one "
        "size; add 'crop', or set data.size, which makes squares of the images of a "
        "folder",
        h[v] > 0 ? "unequal sides" : "different sizes");
  }
  ES_CHECK(h[0] == h[1], ES_ECONFIG,
           "view2.crop.size: got %d, expected %d, the size of the first view", h[1],
           h[0]);
  a->out = (es_shape){3, h[0], w[0]};
  return ES_OK;
}

es_status es_augment_create(const es_augment_steps *steps, const es_dataset *ds,
                            es_augment **a, es_shape *out) {
  es_augment *made;
  ES_TRY(ES_NEW(1, &made));
  if (ds->ops->pairs) {
    made->pairs = true;
    made->out = (es_shape){ds->c, ds->h, ds->w};
  } else {
    const es_status st = build(steps, ds, made);
    if (st != ES_OK) {
      es_augment_destroy(&made);
      return st;
    }
  }
  *out = made->out;
  *a = made;
  return ES_OK;
}

/** Floats of one of the two buffers, rounded up to whole cache lines: room for an image
 *  of the set, and for one that is resized along one of its sides or both. */
static size_t buffer_floats(const es_augment *a) {
  const int longest = longer(a->largest.h, a->largest.w);
  const int64_t resized = (int64_t) a->side * longest;
  const int64_t most = a->largest.pixels > resized ? a->largest.pixels : resized;
  const size_t n = 3 * (size_t) most;
  return (n + 15) / 16 * 16;
}

size_t es_augment_scratch(const es_augment *a) {
  const size_t work = (size_t) ES_IMAGE_WORK * (size_t) (a->largest.h + a->largest.w);
  return (2 * buffer_floats(a) + work) * sizeof(float);
}

static es_image make_image(const es_augment *a, const es_sample *s, void *scratch) {
  es_image img = {.h = s->h, .w = s->w, .px = scratch};
  img.tmp = img.px + buffer_floats(a);
  img.work = img.tmp + buffer_floats(a);
  const int n = s->h * s->w;
  float *restrict red = img.px, *restrict green = red + n, *restrict blue = green + n;
  for (int i = 0; i < n; i++) {
    red[i] = s->u8[3 * i];
    green[i] = s->u8[3 * i + 1];
    blue[i] = s->u8[3 * i + 2];
  }
  return img;
}

/** The key of an epoch: a Philox block of a counter no sequence uses (sub is full). */
static uint64_t epoch_key(uint64_t seed, uint64_t epoch) {
  const uint32_t key[2] = {(uint32_t) seed, (uint32_t) (seed >> 32)};
  const uint32_t ctr[4] = {(uint32_t) epoch, (uint32_t) (epoch >> 32), 0,
                           (uint32_t) ES_STREAM_AUGMENT << 24 | 0xFFFFFF};
  uint32_t out[4];
  es_philox(ctr, key, out);
  return (uint64_t) out[1] << 32 | out[0];
}

/** A vector of a ready pair. */
static es_status copy(const es_augment *a, int64_t sample, const es_sample *s,
                      float *out) {
  ES_CHECK(s->is_float && s->c == a->out.c && s->h * s->w == a->out.h * a->out.w,
           ES_EINTERNAL, "record %lld: got %d x %d x %d, expected %d x %d x %d numbers",
           (long long) sample, s->c, s->h, s->w, a->out.c, a->out.h, a->out.w);
  memcpy(out, s->f32, (size_t) s->c * (size_t) (s->h * s->w) * sizeof *out);
  return ES_OK;
}

/** The time since *mark is that of part k. */
static void lap(es_augment_profile *p, int k, double *mark) {
  if (p == NULL) return;
  const double now = es_cpu_now();
  p->seconds[k] += now - *mark;
  *mark = now;
}

/** The sequence of augmentation i. */
static es_rng sequence(const es_augment *a, const es_view_key *which, uint64_t key,
                       int i) {
  return es_rng_at(key, ES_STREAM_AUGMENT, (uint64_t) which->sample,
                   a->tag[i] << 2 | (uint32_t) which->view);
}

es_drawn es_augment_draw(const es_augment *a, const es_view_key *which, int h, int w) {
  es_drawn d = {NAN, NAN, NAN, NAN};
  const uint64_t key = epoch_key(which->seed, which->epoch);
  for (int i = 0; i < a->steps.n; i++) {
    const es_augment_step *const t = &a->steps.step[i];
    es_rng r = sequence(a, which, key, i);
    if (t->ops->draw != NULL) t->ops->draw(t->par[which->view], &r, h, w, &d);
  }
  return d;
}

int64_t es_augment_record_bytes(const es_augment *a) {
  return 3 * a->largest.pixels;
}

es_views_most es_augment_most(const es_augment *a, int pairs) {
  return (es_views_most){.n = pairs,
                         .views = 2,
                         .side = a->out.h,
                         .h = a->largest.h,
                         .record = es_augment_record_bytes(a)};
}

const char *es_augment_no_recipe(const es_augment *a) {
  if (a->pairs) return "the data set makes its views itself";
  for (int i = 0; i < a->steps.n; i++) {
    const es_augment_ops *const ops = a->steps.step[i].ops;
    if (ops->plan == NULL) return "an augmentation of augment.list is the CPU's alone";
    if (ops->takes_window && i > 0) return "augment.list does not begin with crop";
  }
  if (a->out.h > MOST_SIDE) return "they are too large";
  const int64_t views = 2 * 3 * (int64_t) a->out.h * a->out.w * (int64_t) sizeof(float);
  return es_augment_record_bytes(a) <= MOST_TIMES * views
             ? NULL
             : "records are much larger than their views (set data.size)";
}

/** Is the record as the data set announced it? */
static es_status check_record(const es_augment *a, int64_t id, const es_sample *s) {
  const bool fits =
      s->h >= 1 && s->w >= 1 && s->h <= a->largest.h && s->w <= a->largest.w;
  ES_CHECK(!s->is_float && s->c == 3 && fits, ES_EINTERNAL,
           "record %lld: got %d x %d x %d, expected an image of at most 3 x %d x %d",
           (long long) id, s->c, s->h, s->w, a->largest.h, a->largest.w);
  return ES_OK;
}

es_status es_augment_plan(const es_augment *a, const es_view_key *which,
                          const es_sample *s, es_view_recipe *v) {
  const uint64_t key = epoch_key(which->seed, which->epoch);
  ES_TRY(check_record(a, which->sample, s));
  *v = (es_view_recipe){.h = s->h, .w = s->w, .window = {.h = s->h, .w = s->w}};
  for (int i = 0; i < a->steps.n; i++) {
    const es_augment_step *const t = &a->steps.step[i];
    es_rng r = sequence(a, which, key, i);
    t->ops->plan(t->par[which->view], &r, v);
  }
  return ES_OK;
}

es_status es_augment_measure(const es_augment *a, const es_view_key *which,
                             const es_sample *s, void *scratch, float *out,
                             es_augment_profile *p) {
  if (a->pairs) return copy(a, which->sample, s, out);
  ES_TRY(check_record(a, which->sample, s));
  double mark = p != NULL ? es_cpu_now() : 0;
  es_image img = make_image(a, s, scratch);
  lap(p, 0, &mark);
  const uint64_t key = epoch_key(which->seed, which->epoch);
  for (int i = 0; i < a->steps.n; i++) {
    const es_augment_step *t = &a->steps.step[i];
    es_rng r = sequence(a, which, key, i);
    t->ops->apply(t->par[which->view], &r, &img);
    lap(p, 1 + i, &mark);
  }
  ES_CHECK(img.h == a->out.h && img.w == a->out.w, ES_EINTERNAL,
           "record %lld: got a view of %d x %d, expected %d x %d",
           (long long) which->sample, img.h, img.w, a->out.h, a->out.w);
  const size_t n = 3 * (size_t) img.h * (size_t) img.w;
  for (size_t i = 0; i < n; i++) out[i] = img.px[i] * (1.0f / 255);
  lap(p, 1 + a->steps.n, &mark);
  return ES_OK;
}

es_status es_augment_apply(const es_augment *a, const es_view_key *which,
                           const es_sample *s, void *scratch, float *out) {
  return es_augment_measure(a, which, s, scratch, out, NULL);
}

void es_augment_profile_clear(const es_augment *a, es_augment_profile *p) {
  const int n = a->steps.n;
  *p = (es_augment_profile){.n = n + 2};
  p->name[0] = "to floats";
  for (int i = 0; i < n; i++) p->name[1 + i] = a->steps.step[i].ops->name;
  p->name[1 + n] = "scale";
}
