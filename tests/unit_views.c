/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_views.c  The pipeline: lists, sections of both views, whose random numbers
 *  are whose. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataset_files.h"
#include "eigenstep/selected.h"

enum { SIDE = 32, VALUES = 3 * SIDE * SIDE };

static es_comm *self;
static es_dataset *leaves; /* 32 x 32 */

typedef struct pipeline {
  es_augment *a;
  es_shape out;
  void *scratch;
} pipeline;

/** Settings end with NULL. @return status of es_select_augment and es_augment_create */
static es_status make(pipeline *p, const es_dataset *ds, const char *const *settings) {
  es_config *cfg;
  *p = (pipeline){0};
  assert_int_equal(es_config_create(&cfg), ES_OK);
  for (; *settings != NULL; settings++)
    assert_int_equal(es_config_set(cfg, *settings), ES_OK);
  es_augment_steps steps = {0};
  es_status st = es_select_augment(cfg, ds->ops->name, &steps);
  if (st == ES_OK) st = es_augment_create(&steps, ds, &p->a, &p->out);
  es_augment_steps_free(&steps);
  es_config_destroy(&cfg);
  if (st == ES_OK)
    assert_int_equal(es_alloc(es_augment_scratch(p->a), "scratch", &p->scratch), ES_OK);
  return st;
}
#define SET(...) ((const char *const[]){__VA_ARGS__, NULL})

static void drop(pipeline *p) {
  es_free(&p->scratch);
  es_augment_destroy(&p->a);
}

/** A view of a record of the test's data set. */
static void view(const pipeline *p, int64_t id, uint64_t epoch, int which, float *x) {
  es_sample s;
  void *record;
  assert_int_equal(es_alloc(leaves->scratch, "record", &record), ES_OK);
  assert_int_equal(leaves->ops->get(leaves, id, 0, record, &s), ES_OK);
  const es_view_key key = {.seed = 3, .epoch = epoch, .sample = id, .view = which};
  assert_int_equal(es_augment_apply(p->a, &key, &s, p->scratch, x), ES_OK);
  es_free(&record);
}

static bool equal(const float *a, const float *b) {
  return memcmp(a, b, VALUES * sizeof *a) == 0;
}

static void refused(const es_dataset *ds, const char *const *settings, const char *part,
                    const char *other) {
  pipeline p;
  assert_int_equal(make(&p, ds, settings), ES_ECONFIG);
  assert_null(p.a);
  assert_non_null(strstr(es_log_last_error(), part));
  assert_non_null(strstr(es_log_last_error(), other));
}

static void none_scales_to_one(void **state) {
  pipeline p;
  static float x[VALUES];
  es_sample s;
  void *record;
  (void) state;
  assert_int_equal(make(&p, leaves, SET("augment.list=none")), ES_OK);
  assert_int_equal(p.out.c, 3);
  assert_int_equal(p.out.h, SIDE);
  view(&p, 4, 0, 1, x);
  assert_int_equal(es_alloc(leaves->scratch, "record", &record), ES_OK);
  assert_int_equal(leaves->ops->get(leaves, 4, 0, record, &s), ES_OK);
  for (int k = 0; k < VALUES; k++) {
    const int c = k / (SIDE * SIDE), at = k % (SIDE * SIDE);
    assert_true(fabsf(x[k] - s.u8[3 * at + c] / 255.0f) < 1e-6f);
  }
  es_free(&record);
  drop(&p);
}

static void views_depend_on_what_they_should(void **state) {
  static float x[VALUES], y[VALUES];
  pipeline p, again;
  (void) state;
  assert_int_equal(make(&p, leaves, SET("run.seed=1")), ES_OK);
  assert_int_equal(make(&again, leaves, SET("run.seed=1")), ES_OK);
  view(&p, 7, 2, 0, x);
  view(&again, 8, 2, 0, y); /* a history must not matter */
  view(&again, 7, 2, 0, y);
  assert_true(equal(x, y));
  view(&p, 7, 2, 1, y);
  assert_false(equal(x, y));
  view(&p, 7, 3, 0, y);
  assert_false(equal(x, y));
  view(&p, 7, 2 + (UINT64_C(1) << 32), 0, y);
  assert_false(equal(x, y));
  drop(&p);
  drop(&again);
}

/** Steps added to the list, or moved in it, must not change what the others draw. */
static void steps_draw_independently(void **state) {
  static float x[VALUES], y[VALUES];
  pipeline crop, flipped, swapped, both;
  (void) state;
  assert_int_equal(make(&crop, leaves, SET("augment.list=crop")), ES_OK);
  assert_int_equal(make(&flipped, leaves,
                        SET("augment.list=jitter,gray,blur,crop", "augment.jitter.p=0",
                            "augment.gray.p=0", "augment.blur.p=0")),
                   ES_OK);
  for (int64_t id = 0; id < 8; id++) {
    view(&crop, id, 0, 0, x);
    view(&flipped, id, 0, 0, y);
    assert_true(equal(x, y));
  }
  /* flip and gray commute, provided that each keeps its decision */
  assert_int_equal(make(&swapped, leaves, SET("augment.list=gray,flip")), ES_OK);
  assert_int_equal(make(&both, leaves, SET("augment.list=flip,gray")), ES_OK);
  for (int64_t id = 0; id < 20; id++) {
    view(&swapped, id, 0, 0, x);
    view(&both, id, 0, 0, y);
    assert_true(equal(x, y));
  }
  drop(&crop);
  drop(&flipped);
  drop(&swapped);
  drop(&both);
}

static double mean(const float *x) {
  double sum = 0;
  for (int k = 0; k < VALUES; k++) sum += (double) x[k];
  return sum / VALUES;
}

static void second_view_overrides_the_first(void **state) {
  static float x[VALUES], y[VALUES], plain[VALUES];
  pipeline p, none;
  (void) state;
  assert_int_equal(make(&none, leaves, SET("augment.list=none")), ES_OK);
  assert_int_equal(make(&p, leaves,
                        SET("augment.list=solarize", "augment.solarize.threshold=0",
                            "augment.solarize.p=0", "view2.solarize.p=1")),
                   ES_OK);
  for (int64_t id = 0; id < 10; id++) {
    view(&none, id, 0, 0, plain);
    view(&p, id, 0, 0, x);
    view(&p, id, 0, 1, y); /* p from view2, the threshold from the first view */
    assert_true(equal(x, plain));
    assert_true(fabs(mean(x) + mean(y) - 1) < 1e-5);
  }
  drop(&p);
  drop(&none);
}

static void normalize_is_last_wherever_listed(void **state) {
  static float x[VALUES], y[VALUES];
  pipeline first, last;
  (void) state;
  assert_int_equal(make(&first, leaves, SET("augment.list=normalize,jitter,crop")),
                   ES_OK);
  assert_int_equal(make(&last, leaves, SET("augment.list=jitter,crop,normalize")), ES_OK);
  view(&first, 1, 0, 0, x);
  view(&last, 1, 0, 0, y);
  assert_true(equal(x, y));
  drop(&first);
  drop(&last);
}

static void crop_sets_the_size(void **state) {
  static float x[3 * 48 * 48];
  pipeline p;
  (void) state;
  assert_int_equal(make(&p, leaves, SET("augment.crop.size=48")), ES_OK);
  assert_int_equal(p.out.w, 48);
  view(&p, 0, 0, 0, x);
  drop(&p);
  assert_int_equal(
      make(&p, leaves,
           SET("augment.list=crop", "augment.crop.mode=fixed", "augment.crop.size=20")),
      ES_OK);
  assert_int_equal(p.out.h, 20);
  view(&p, 0, 0, 0, x);
  drop(&p);
}

static void wrong_settings_are_refused(void **state) {
  (void) state;
  refused(leaves, SET("augment.list=crop,filp"), "filp", "did you mean 'flip'");
  refused(leaves, SET("augment.list=crop,crop"), "'crop' twice", "once");
  refused(leaves, SET("augment.list="), "augment.list", "empty");
  refused(leaves, SET("augment.crop.scale_min=0.5", "augment.crop.scale_max=0.2"),
          "augment.crop.scale_min", "got 0.5");
  refused(leaves, SET("augment.crop.ratio=1"), "augment.crop.ratio", "got 1");
  refused(leaves, SET("augment.crop.mode=fixed", "augment.crop.size=40"),
          "augment.crop.size", "at most");
  refused(leaves, SET("view2.crop.size=16"), "view2.crop.size: got 16", "expected 32");
  refused(leaves, SET("view2.blur.sigma_min=3"), "view2.blur.sigma_min", "got 3");
  refused(leaves, SET("augment.normalize.mean=1"), "augment.normalize", "expected 3");
  es_dataset mixed = *leaves;
  mixed.h = mixed.w = 0;
  refused(&mixed, SET("augment.list=flip"), "different sizes", "set data.size");
  refused(&mixed, SET("augment.list=crop"), "augment.crop.size", "set data.size");
}

static void sections_are_complete(void **state) {
  es_section s[64];
  es_config *cfg;
  const es_augment_ops *const *ops;
  const size_t n = es_data_sections(s, 64);
  (void) state;
  assert_int_equal(n, 2 + 2 * es_augment_list(&ops));
  assert_int_equal(es_data_sections(s, 3), 3);
  es_data_sections(s, 64);
  assert_int_equal(es_config_create(&cfg), ES_OK);
  assert_int_equal(es_config_set(cfg, "view2.solarize.p=0.2"), ES_OK);
  assert_int_equal(es_config_set(cfg, "augment.crop.ratio=0.5,2"), ES_OK);
  assert_int_equal(es_config_check(cfg, s, n), ES_OK);
  es_config_destroy(&cfg);
}

static void pairs_pass_through(void **state) {
  es_data_params p = files_params("gaussian", "");
  es_dataset *ds;
  es_sample s;
  pipeline none;
  float *record, x[50];
  (void) state;
  assert_int_equal(es_dataset_open(self, &p, NULL, 1, &ds), ES_OK);
  assert_int_equal(make(&none, ds, SET("run.seed=1")), ES_OK);
  assert_int_equal(none.out.c, 50);
  assert_int_equal(none.out.h * none.out.w, 1);
  assert_int_equal(ES_NEW(50, &record), ES_OK);
  assert_int_equal(ds->ops->get(ds, 3, 1, record, &s), ES_OK);
  const es_view_key key = {.seed = 3, .sample = 3, .view = 1};
  assert_int_equal(es_augment_apply(none.a, &key, &s, none.scratch, x), ES_OK);
  assert_memory_equal(x, s.f32, sizeof x);
  es_free(&record);
  drop(&none);
  es_dataset_close(&ds);
}

static int setup(void **state) {
  (void) state;
  const es_data_params p = files_params("deadleaves", "");
  return es_dataset_open(self, &p, NULL, 1, &leaves);
}

static int teardown(void **state) {
  (void) state;
  es_dataset_close(&leaves);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(none_scales_to_one),
      cmocka_unit_test(views_depend_on_what_they_should),
      cmocka_unit_test(steps_draw_independently),
      cmocka_unit_test(second_view_overrides_the_first),
      cmocka_unit_test(normalize_is_last_wherever_listed),
      cmocka_unit_test(crop_sets_the_size),
      cmocka_unit_test(wrong_settings_are_refused),
      cmocka_unit_test(sections_are_complete),
      cmocka_unit_test(pairs_pass_through),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_SELF, &self) != ES_OK) return 99;
  int failed = cmocka_run_group_tests(tests, setup, teardown);
  es_comm_destroy(&self);
  failed += es_mem_now() != 0; /* all was freed */
  MPI_Finalize();
  return failed;
}
