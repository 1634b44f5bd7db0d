/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment.c  The pipeline from a record to a view.
 *
 *  Random numbers: each step of each view has a Philox sequence of its own,
 *    key     = Philox(seed; epoch), 64 bits, so that epochs need no room in the counter,
 *    index   = record number,
 *    sub     = 22 bits of the hash of the step's name, and the view,
 *  hence a view is a function of (seed, epoch, record, view) whatever rank or thread
 *  makes it, and adding, removing or moving a step leaves the draws of the others alone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data_private.h"
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

enum { VIEWS = 2, STEPS_MAX = ES_AUGMENT_PARTS - 2, NAME_SIZE = 96 };

const es_param es_augment_table[] = {
    ES_STRING(es_augment_params, list, "crop,flip,jitter,gray,blur,solarize,normalize",
              "steps that make a view, in this order (normalize is always last); none = "
              "values scaled to [0, 1]"),
    ES_PARAM_END};

#define ES_AUGMENT(n) extern const es_augment_ops es_augment_##n;
#include "augment_list.h"
#undef ES_AUGMENT
static const es_augment_ops *const augments[] = {
#define ES_AUGMENT(n) &es_augment_##n,
#include "augment_list.h"
#undef ES_AUGMENT
};
enum { KINDS = sizeof augments / sizeof augments[0] };

typedef struct step {
  const es_augment_ops *ops;
  uint32_t tag;     /**< of the step's random numbers */
  void *par[VIEWS]; /**< owned */
} step;

struct es_augment {
  bool pairs;
  int n;
  step step[STEPS_MAX];
  es_shape out;
  int h_max, w_max; /**< the largest image met on the way, or in the data set */
};

size_t es_augment_list(const es_augment_ops *const **list) {
  *list = augments;
  return KINDS;
}

void es_augment_destroy(es_augment **a) {
  if (*a == NULL) return;
  for (int i = 0; i < (*a)->n; i++)
    for (int v = 0; v < VIEWS; v++) es_free(&(*a)->step[i].par[v]);
  es_free(a);
}

static uint32_t tag_of(const char *name) {
  const uint64_t hash = es_hash_bytes(ES_HASH_START, name, strlen(name));
  return (uint32_t) (hash >> 42); /* the upper 22 bits are the best mixed */
}

/** The values of a step for both views, as given; not yet prepared. */
static es_status read_values(es_config *cfg, step *s) {
  char section[NAME_SIZE];
  const size_t size = s->ops->size;
  for (int v = 0; v < VIEWS; v++) ES_TRY(es_alloc(size, s->ops->name, &s->par[v]));
  snprintf(section, sizeof section, "augment.%s", s->ops->name);
  ES_TRY(es_config_get(cfg, section, s->ops->params, NULL, size, s->par[0]));
  snprintf(section, sizeof section, "view2.%s", s->ops->name);
  return es_config_get(cfg, section, s->ops->params, s->par[0], size, s->par[1]);
}

static es_status add_step(es_config *cfg, es_augment *a, const es_augment_ops *ops) {
  for (int i = 0; i < a->n; i++)
    ES_CHECK(a->step[i].ops != ops, ES_ECONFIG,
             "augment.list: got '%s' twice, expected each step once", ops->name);
  step *s = &a->step[a->n++];
  *s = (step){.ops = ops, .tag = tag_of(ops->name)};
  return read_values(cfg, s);
}

/** The steps of augment.list in its order, those that are last at the end. */
static es_status add_steps(es_config *cfg, es_augment *a) {
  es_augment_params p;
  char names[STEPS_MAX][64];
  size_t n;
  const es_augment_ops *ops[STEPS_MAX];
  ES_TRY(es_config_get(cfg, "augment", es_augment_table, NULL, sizeof p, &p));
  ES_CHECK(p.list[strspn(p.list, " \t")] != '\0', ES_ECONFIG,
           "augment.list: got an empty list, expected steps separated by commas, or none "
           "for images as they are");
  ES_TRY(es_split("augment.list", p.list, STEPS_MAX, names, &n));
  for (size_t i = 0; i < n; i++) {
    const void *found;
    ES_TRY(es_registry_find("step of augment.list", names[i],
                            (const void *const *) augments, KINDS, &found));
    ops[i] = found;
  }
  for (size_t i = 0; i < n; i++)
    if (!ops[i]->last) ES_TRY(add_step(cfg, a, ops[i]));
  for (size_t i = 0; i < n; i++)
    if (ops[i]->last) ES_TRY(add_step(cfg, a, ops[i]));
  return ES_OK;
}

/** Prepare the steps of one view. h, w: of the records in, of the view out. */
static es_status prepare(es_augment *a, int view, int *h, int *w) {
  char section[NAME_SIZE];
  for (int i = 0; i < a->n; i++) {
    const step *s = &a->step[i];
    snprintf(section, sizeof section, "%s.%s", view == 0 ? "augment" : "view2",
             s->ops->name);
    if (s->ops->prepare != NULL) ES_TRY(s->ops->prepare(s->par[view], section, h, w));
    if (*h > a->h_max) a->h_max = *h;
    if (*w > a->w_max) a->w_max = *w;
  }
  return ES_OK;
}

static es_status build(es_config *cfg, const es_dataset *ds, es_augment *a) {
  int h[VIEWS], w[VIEWS];
  ES_TRY(add_steps(cfg, a));
  a->h_max = ds->h_max;
  a->w_max = ds->w_max;
  for (int v = 0; v < VIEWS; v++) {
    h[v] = ds->h;
    w[v] = ds->w;
    ES_TRY(prepare(a, v, &h[v], &w[v]));
    ES_CHECK(
        h[v] > 0 && h[v] == w[v], ES_ECONFIG,
        "augment.list: got views of %s without 'crop', expected square images of one "
        "size; add 'crop'",
        h[v] > 0 ? "unequal sides" : "different sizes");
  }
  ES_CHECK(h[0] == h[1], ES_ECONFIG,
           "view2.crop.size: got %d, expected %d, the size of the first view", h[1],
           h[0]);
  a->out = (es_shape){3, h[0], w[0]};
  return ES_OK;
}

es_status es_augment_create(es_config *cfg, const es_dataset *ds, es_augment **a,
                            es_shape *out) {
  es_augment *made;
  ES_TRY(ES_NEW(1, &made));
  if (ds->ops->pairs) {
    made->pairs = true;
    made->out = (es_shape){ds->c, ds->h, ds->w};
  } else {
    const es_status st = build(cfg, ds, made);
    if (st != ES_OK) {
      es_augment_destroy(&made);
      return st;
    }
  }
  *out = made->out;
  *a = made;
  return ES_OK;
}

/** Floats of one of the two buffers, rounded up to whole cache lines. */
static size_t buffer_floats(const es_augment *a) {
  const size_t n = 3 * (size_t) a->h_max * (size_t) a->w_max;
  return (n + 15) / 16 * 16;
}

size_t es_augment_scratch(const es_augment *a) {
  const size_t work = (size_t) ES_IMAGE_WORK * (size_t) (a->h_max + a->w_max);
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

/** p: NULL or where to add the times. */
static es_status make_view(const es_augment *a, uint64_t seed, int64_t sample,
                           uint64_t epoch, int view, const es_sample *s, void *scratch,
                           float *out, es_augment_profile *p) {
  if (a->pairs) return copy(a, sample, s, out);
  const bool fits = s->h >= 1 && s->w >= 1 && s->h <= a->h_max && s->w <= a->w_max;
  ES_CHECK(!s->is_float && s->c == 3 && fits, ES_EINTERNAL,
           "record %lld: got %d x %d x %d, expected an image of at most 3 x %d x %d",
           (long long) sample, s->c, s->h, s->w, a->h_max, a->w_max);
  double mark = p != NULL ? es_cpu_now() : 0;
  es_image img = make_image(a, s, scratch);
  lap(p, 0, &mark);
  const uint64_t key = epoch_key(seed, epoch);
  for (int i = 0; i < a->n; i++) {
    const step *t = &a->step[i];
    es_rng r = es_rng_at(key, ES_STREAM_AUGMENT, (uint64_t) sample,
                         t->tag << 2 | (uint32_t) view);
    t->ops->apply(t->par[view], &r, &img);
    lap(p, 1 + i, &mark);
  }
  ES_CHECK(img.h == a->out.h && img.w == a->out.w, ES_EINTERNAL,
           "record %lld: got a view of %d x %d, expected %d x %d", (long long) sample,
           img.h, img.w, a->out.h, a->out.w);
  const size_t n = 3 * (size_t) img.h * (size_t) img.w;
  for (size_t i = 0; i < n; i++) out[i] = img.px[i] * (1.0f / 255);
  lap(p, 1 + a->n, &mark);
  return ES_OK;
}

es_status es_augment_apply(const es_augment *a, uint64_t seed, int64_t sample,
                           uint64_t epoch, int view, const es_sample *s, void *scratch,
                           float *out) {
  return make_view(a, seed, sample, epoch, view, s, scratch, out, NULL);
}

void es_augment_profile_clear(const es_augment *a, es_augment_profile *p) {
  *p = (es_augment_profile){.n = a->n + 2};
  p->name[0] = "to floats";
  for (int i = 0; i < a->n; i++) p->name[1 + i] = a->step[i].ops->name;
  p->name[1 + a->n] = "scale";
}

es_status es_augment_measure(const es_augment *a, uint64_t seed, int64_t sample,
                             uint64_t epoch, int view, const es_sample *s, void *scratch,
                             float *out, es_augment_profile *p) {
  return make_view(a, seed, sample, epoch, view, s, scratch, out, p);
}
