/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_recipe.c  Views as recipes: they draw what augmentations draw, batches hold
 *  the records in order, and a backend that makes views of them makes those of the CPU,
 *  within one grey level. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "backends.h"
#include "dataset_files.h"
#include "eigenstep/backend.h"
#include "eigenstep/selected.h"

enum { PAIRS = 5, MOST = 80, BIG = 840 };

static es_comm *self;
static const es_data_params leaves = {
    .name = "deadleaves", .count = 40, .size = 32, .shuffle = true};

/** Records of noise and edges, h x w, one after the other, as a batch holds them. */
typedef struct rig {
  es_dataset set; /**< what a pipeline asks of it */
  es_augment *a;
  es_shape out;
  void *scratch;
  uint8_t *records;
  int64_t at[PAIRS];
  int h[PAIRS], w[PAIRS];
} rig;

static es_sample record_of(const rig *t, int i) {
  return (es_sample){.c = 3, .h = t->h[i], .w = t->w[i], .u8 = t->records + t->at[i]};
}

static es_augment *pipeline(const es_dataset *ds, const char *const *settings,
                            es_shape *out) {
  es_config *cfg;
  es_augment *a = NULL;
  es_augment_steps steps = {0};
  assert_int_equal(es_config_create(&cfg), ES_OK);
  for (; *settings != NULL; settings++)
    assert_int_equal(es_config_set(cfg, *settings), ES_OK);
  assert_int_equal(es_select_augment(cfg, ds->ops->name, &steps), ES_OK);
  assert_int_equal(es_augment_create(&steps, ds, &a, out), ES_OK);
  es_augment_steps_free(&steps);
  es_config_destroy(&cfg);
  return a;
}

/** side: of all records; 0: they differ. */
static void rig_open(rig *t, int side, const char *const *settings) {
  const es_dataset_ops *const *list;
  int64_t bytes = 0;
  memset(t, 0, sizeof *t);
  for (int i = 0; i < PAIRS; i++) {
    t->h[i] = side > 0 ? side : MOST - 13 * i;
    t->w[i] = side > 0 ? side : 30 + 9 * i;
    t->at[i] = bytes;
    bytes += 3 * t->h[i] * t->w[i];
  }
  assert_int_equal(ES_NEW(bytes, &t->records), ES_OK);
  es_rng r = es_rng_at(5, ES_STREAM_TEST, 0, 0);
  for (int64_t k = 0; k < bytes; k++)
    t->records[k] = (uint8_t) (k / 200 % 2 * 150 + (int) (es_rng_u32(&r) % 106));
  (void) es_dataset_list(&list);
  const int most = side > 0 ? side : MOST;
  t->set = (es_dataset){.ops = list[0],
                        .c = 3,
                        .h = side,
                        .w = side,
                        .largest = {most, most, (int64_t) most * most}};
  while (t->set.ops->pairs) t->set.ops = *++list;
  t->a = pipeline(&t->set, settings, &t->out);
  assert_int_equal(es_alloc(es_augment_scratch(t->a), "scratch", &t->scratch), ES_OK);
}

static void rig_close(rig *t) {
  es_augment_destroy(&t->a);
  es_free(&t->scratch);
  es_free(&t->records);
}

static es_view_key key_of(int i, int view) {
  return (es_view_key){.seed = 11, .epoch = 2, .sample = 100 + i, .view = view};
}

static es_view_recipe recipe_of(const rig *t, int i, int view) {
  const es_view_key key = key_of(i, view);
  const es_sample s = record_of(t, i);
  es_view_recipe r;
  assert_int_equal(es_augment_plan(t->a, &key, &s, &r), ES_OK);
  r.record = t->at[i];
  return r;
}

/** Largest difference of pairs [0, n) from the CPU's views, in grey levels. */
static double off_of(es_backend *b, const rig *t, es_precision precision, int n) {
  const size_t image = 3 * (size_t) t->out.h * (size_t) t->out.w;
  const es_act_type type = {t->out, precision};
  es_view_recipe recipe[2][PAIRS];
  float *want = NULL, *got = NULL;
  void *y = NULL;
  double worst = 0;
  for (int i = 0; i < 2 * n; i++) recipe[i / n][i % n] = recipe_of(t, i % n, i / n);
  const es_views v = {.n = n,
                      .views = 2,
                      .side = t->out.h,
                      .records = t->records,
                      .recipe = {recipe[0], recipe[1]}};
  assert_int_equal(ES_NEW(2 * (size_t) n * image, &got), ES_OK);
  assert_int_equal(ES_NEW(image, &want), ES_OK);
  assert_int_equal(b->ops->alloc(b, b->ops->act_bytes(b, type, 2 * n), "views", &y),
                   ES_OK);
  const es_views_most most = es_augment_most(t->a, n);
  assert_int_equal(b->ops->views_reserve(b, &most), ES_OK);
  const size_t held = b->allocated;
  assert_int_equal(b->ops->views(b, precision, &v, y), ES_OK);
  assert_true(b->allocated == held);
  assert_int_equal(b->ops->act_read(b, type, 2 * n, y, got), ES_OK);
  for (int i = 0; i < 2 * n; i++) {
    const es_view_key key = key_of(i % n, i / n);
    const es_sample s = record_of(t, i % n);
    assert_int_equal(es_augment_apply(t->a, &key, &s, t->scratch, want), ES_OK);
    for (size_t k = 0; k < image; k++) {
      const double off = 255 * fabs((double) got[(size_t) i * image + k] - want[k]);
      worst = off <= worst ? worst : off; /* a NaN stays */
    }
  }
  b->ops->release(b, &y);
  es_free(&want);
  es_free(&got);
  return worst;
}

/** Round-off separates the two: a hundredth of a grey level is far above it, and far
 *  below what a wrong window, order or weight changes. bf16 has 8 bits: half of the last
 *  is 2 grey levels where normalised values are above 2. */
static void check(es_backend *b, int side, int n, const char *const *settings) {
  rig t;
  rig_open(&t, side, settings);
  assert_null(es_augment_no_recipe(t.a));
  const double f32 = off_of(b, &t, ES_F32, n), bf16 = off_of(b, &t, ES_BF16, n);
  rig_close(&t);
  printf("%s: %.1e grey levels, bf16 %.2f\n", settings[0], f32, bf16);
  assert_true(f32 < 0.01 && bf16 < 2.1);
}
#define SET(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check_all(es_backend *b) {
  static const char *const one[] = {"crop", "flip", "jitter", "gray", "blur"};
  check(b, 0, PAIRS,
        SET("augment.list=crop,flip,jitter,gray,blur,solarize,normalize",
            "augment.crop.size=24", "augment.jitter.p=1", "augment.blur.p=1",
            "augment.solarize.p=0.5"));
  check(b, 0, PAIRS,
        SET("augment.list=crop,solarize,blur,jitter,flip,normalize",
            "augment.crop.size=40", "augment.crop.interpolation=bilinear",
            "augment.jitter.hue=0.5", "augment.blur.p=1", "augment.blur.sigma_max=4",
            "augment.solarize.p=1"));
  check(b, 0, PAIRS,
        SET("augment.list=crop", "augment.crop.size=30", "augment.crop.mode=fixed"));
  check(b, 21, PAIRS, SET("augment.list=flip,jitter,gray"));
  check(b, 17, PAIRS, SET("augment.list=none"));
  check(b, BIG, 2, SET("augment.list=none")); /* one pair at a time */
  for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
    char list[64], p[64];
    snprintf(list, sizeof list, "augment.list=crop%s%s", i > 0 ? "," : "",
             i > 0 ? one[i] : "");
    snprintf(p, sizeof p, "augment.%s.p=1", one[i]);
    check(b, 0, 2, SET(list, "augment.crop.size=19", i > 0 ? p : "data.size=0"));
  }
}

static void views_of_a_device(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    es_backend *b = NULL;
    if (list[i]->views == NULL) continue;
    assert_int_equal(es_backend_open(list[i]->name, NULL, 1, &b), ES_OK);
    check_all(b);
    es_backend_close(&b);
  }
}

/** Window and mirror image as es_augment_draw tells them. */
static void recipes_draw_the_same(void **state) {
  (void) state;
  rig t;
  int flipped = 0;
  rig_open(&t, 0, SET("augment.crop.size=24"));
  for (int i = 0; i < PAIRS; i++)
    for (int view = 0; view < 2; view++) {
      const es_view_key key = key_of(i, view);
      const es_drawn d = es_augment_draw(t.a, &key, t.h[i], t.w[i]);
      const es_view_recipe r = recipe_of(&t, i, view);
      assert_true(fabs(d.x * t.w[i] - r.window.x - 0.5 * r.window.w) < 1e-9);
      assert_true(fabs(d.y * t.h[i] - r.window.y - 0.5 * r.window.h) < 1e-9);
      assert_true(r.n >= 1 && r.change[r.n - 1].kind == ES_VIEW_NORMALIZE);
      assert_int_equal(d.flipped == 1, r.change[0].kind == ES_VIEW_FLIP);
      flipped += d.flipped == 1;
    }
  rig_close(&t);
  assert_true(flipped > 0 && flipped < 2 * PAIRS);
}

static void what_has_no_recipe(void **state) {
  (void) state;
  rig t;
  rig_open(&t, 40, SET("augment.list=flip,crop", "augment.crop.size=24"));
  assert_string_equal(es_augment_no_recipe(t.a), "augment.list does not begin with crop");
  rig_close(&t);
  /* bytes of a record against floats of two views: sides 113 and 114 for 20 */
  rig_open(&t, 113, SET("augment.list=crop", "augment.crop.size=20"));
  assert_null(es_augment_no_recipe(t.a));
  rig_close(&t);
  rig_open(&t, 114, SET("augment.list=crop", "augment.crop.size=20"));
  assert_string_equal(es_augment_no_recipe(t.a),
                      "records are much larger than their views (set data.size)");
  rig_close(&t);
}

/** The same records, in order, in either kind of batch, however it is prepared. */
static void batches_hold_records(void **state) {
  (void) state;
  es_dataset *ds = NULL;
  es_batch *b = NULL, *plain = NULL;
  es_loader *l = NULL, *views = NULL;
  es_shape out;
  void *record = NULL;
  es_sample s;
  assert_int_equal(es_dataset_open(self, &leaves, NULL, 3, &ds), ES_OK);
  es_augment *a = pipeline(ds, SET("augment.crop.size=8"), &out);
  es_loader_options o = {.seed = 4, .pairs = 7, .count = 40, .shuffle = true};
  assert_int_equal(es_loader_create(self, ds, a, out, &o, &views), ES_OK);
  o.recipes = o.prefetch = true;
  assert_int_equal(es_loader_create(self, ds, a, out, &o, &l), ES_OK);
  assert_int_equal(es_alloc(ds->scratch, "record", &record), ES_OK);
  for (int step = 0; step < 3; step++) {
    assert_int_equal(es_loader_get(l, step, &b), ES_OK);
    assert_int_equal(es_loader_get(views, step, &plain), ES_OK);
    assert_null(b->x);
    assert_null(plain->recipe);
    for (int i = 0; i < b->n; i++) {
      assert_true(b->id[i] == plain->id[i] && b->epoch[i] == plain->epoch[i]);
      assert_int_equal(ds->ops->get(ds, b->id[i], 0, record, &s), ES_OK);
      assert_memory_equal(b->records + b->recipe[i].record, s.u8, 3 * s.h * s.w);
      assert_true(b->recipe[i].record == b->recipe[b->n + i].record);
      assert_true(b->recipe[i].record == 3 * (int64_t) i * s.h * s.w);
    }
  }
  es_free(&record);
  es_loader_destroy(&l);
  es_loader_destroy(&views);
  es_augment_destroy(&a);
  es_dataset_close(&ds);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(recipes_draw_the_same),
      cmocka_unit_test(what_has_no_recipe),
      cmocka_unit_test(batches_hold_records),
      cmocka_unit_test(views_of_a_device),
  };
  MPI_Init(&argc, &argv);
  assert_int_equal(es_comm_create(MPI_COMM_SELF, &self), ES_OK);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&self);
  MPI_Finalize();
  return failed;
}
