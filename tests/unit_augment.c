/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_augment.c  Single steps at fixed parameters against Pillow and torchvision
 *  (data/gen_augment.py), and the statistics of their random parameters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "data/augment_reference.h"
#include "data/color.h"
#include "data/resample.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

enum { SIDE_MAX = 64, ROOM = 3 * SIDE_MAX * SIDE_MAX, PARAMS_MAX = 4096 };

/** An image with room for any step. */
typedef struct canvas {
  float a[ROOM], b[ROOM], work[ES_IMAGE_WORK * 2 * SIDE_MAX];
  es_image img;
} canvas;

static es_image *load(canvas *c, const uint8_t *px, int h, int w) {
  c->img = (es_image){.h = h, .w = w, .px = c->a, .tmp = c->b, .work = c->work};
  for (int i = 0; i < 3 * h * w; i++) c->a[i] = px[i];
  return &c->img;
}

static es_image *load_reference(canvas *c) {
  return load(c, ref_image, REF_H, REF_W);
}

static void assert_near(const float *got, const uint8_t *expected, int n,
                        double tolerance) {
  for (int i = 0; i < n; i++)
    if (!(fabs((double) got[i] - expected[i]) <= tolerance))
      fail_msg("value %d: got %g, expected %d within %g", i, (double) got[i], expected[i],
               tolerance);
}

/** The parameters of a step from "key=value" texts, prepared for h x w. */
static void configure(const char *name, const char *const *given, int h, int w,
                      const es_augment_ops **ops, void *par) {
  const es_augment_ops *const *list;
  const void *found;
  es_config *cfg;
  char section[64], text[128];
  const size_t n = es_augment_list(&list);
  assert_int_equal(es_registry_find("step", name, (const void *const *) list, n, &found),
                   ES_OK);
  *ops = found;
  assert_true((*ops)->size <= PARAMS_MAX);
  assert_int_equal(es_config_create(&cfg), ES_OK);
  snprintf(section, sizeof section, "augment.%s", name);
  for (; *given != NULL; given++) {
    snprintf(text, sizeof text, "%s.%s", section, *given);
    assert_int_equal(es_config_set(cfg, text), ES_OK);
  }
  assert_int_equal(es_config_get(cfg, section, (*ops)->params, NULL, (*ops)->size, par),
                   ES_OK);
  es_config_destroy(&cfg);
  if ((*ops)->prepare != NULL)
    assert_int_equal((*ops)->prepare(par, section, &h, &w), ES_OK);
}
#define GIVEN(...) ((const char *const[]){__VA_ARGS__, NULL})

static es_rng numbers(uint64_t i) {
  return es_rng_at(7, ES_STREAM_TEST, i, 0);
}

static void change(es_image *img, es_color_kind kind, float value) {
  es_color_change(img, &(es_color){kind, value}, 1);
}

static void colors_agree_with_torchvision(void **state) {
  static canvas c;
  const int n = 3 * REF_H * REF_W; /* 0.5: rounding; the rest: luma in four digits */
  (void) state;
  change(load_reference(&c), ES_BRIGHTNESS, 0.4f);
  assert_near(c.img.px, ref_brightness_low, n, 0.55);
  change(load_reference(&c), ES_BRIGHTNESS, 1.7f);
  assert_near(c.img.px, ref_brightness_high, n, 0.55);
  change(load_reference(&c), ES_CONTRAST, 0.4f);
  assert_near(c.img.px, ref_contrast_low, n, 0.55);
  change(load_reference(&c), ES_CONTRAST, 1.7f);
  assert_near(c.img.px, ref_contrast_high, n, 0.55);
  change(load_reference(&c), ES_SATURATION, 0.4f);
  assert_near(c.img.px, ref_saturation_low, n, 0.55);
  change(load_reference(&c), ES_SATURATION, 1.7f);
  assert_near(c.img.px, ref_saturation_high, n, 0.55);
}

static void hue_agrees_with_torchvision(void **state) {
  static canvas c;
  const int n = 3 * REF_H * REF_W;
  (void) state;
  change(load_reference(&c), ES_HUE, 0.08f);
  assert_near(c.img.px, ref_hue_up, n, 0.51); /* the reference is rounded */
  change(load_reference(&c), ES_HUE, -0.3f);
  assert_near(c.img.px, ref_hue_down, n, 0.51);
}

static void unchanged_at_neutral_values(void **state) {
  static canvas c;
  const int n = 3 * REF_H * REF_W; /* 0.5: rounding; the rest: luma in four digits */
  (void) state;
  change(load_reference(&c), ES_BRIGHTNESS, 1);
  change(&c.img, ES_CONTRAST, 1);
  change(&c.img, ES_SATURATION, 1);
  change(&c.img, ES_HUE, 0);
  assert_near(c.img.px, ref_image, n, 1e-3);
  const char *const never[] = {"flip", "jitter", "gray", "blur", "solarize"};
  for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
    const es_augment_ops *ops;
    _Alignas(max_align_t) char par[PARAMS_MAX];
    es_rng r = numbers(i);
    configure(never[i], GIVEN("p=0"), REF_H, REF_W, &ops, par);
    ops->apply(par, &r, load_reference(&c));
    assert_near(c.img.px, ref_image, n, 0);
  }
}

static void run(canvas *c, const char *name, const char *const *given) {
  const es_augment_ops *ops;
  _Alignas(max_align_t) char par[PARAMS_MAX];
  es_rng r = numbers(0);
  configure(name, given, REF_H, REF_W, &ops, par);
  ops->apply(par, &r, load_reference(c));
}

static void steps_agree_with_references(void **state) {
  static canvas c;
  const int n = 3 * REF_H * REF_W;
  (void) state;
  run(&c, "gray", GIVEN("p=1"));
  assert_near(c.img.px, ref_gray, n, 0.51);
  run(&c, "solarize", GIVEN("p=1"));
  assert_near(c.img.px, ref_solarize, n, 0);
  run(&c, "blur", GIVEN("p=1", "sigma_min=0.7", "sigma_max=0.7"));
  assert_near(c.img.px, ref_blur_small, n, 0.51);
  run(&c, "blur", GIVEN("p=1", "sigma_min=2", "sigma_max=2"));
  assert_near(c.img.px, ref_blur_large, n, 0.51);
}

static void flip_and_normalize(void **state) {
  static canvas c;
  (void) state;
  run(&c, "flip", GIVEN("p=1"));
  for (int y = 0; y < 3 * REF_H; y++)
    for (int x = 0; x < REF_W; x++)
      assert_true(c.img.px[y * REF_W + x] == ref_image[(y + 1) * REF_W - 1 - x]);
  run(&c, "normalize", GIVEN("mean=0.1,0.2,0.3", "std=0.5,2,4"));
  const float mean[] = {0.1f, 0.2f, 0.3f}, std[] = {0.5f, 2, 4};
  for (int i = 0; i < 3 * REF_H * REF_W; i++) {
    const int k = i / (REF_H * REF_W);
    const float expected = (ref_image[i] / 255.0f - mean[k]) / std[k];
    assert_true(fabsf(c.img.px[i] / 255 - expected) < 1e-6f);
  }
  run(&c, "normalize", GIVEN("preset=cifar10"));
  assert_true(fabs(c.img.px[0] / 255 - (0 - 0.4914) / 0.2470) < 1e-6);
}

static void resize_agrees(es_filter f, es_window win, int h, int w,
                          const uint8_t *expected) {
  static canvas c;
  float along[SIDE_MAX * SIDE_MAX], out[SIDE_MAX * SIDE_MAX], work[2][1024];
  float strip[ES_RESAMPLE_LANES * 2 * SIDE_MAX];
  load_reference(&c);
  assert_true(es_resample_work(win.h, h) <= 1024 && es_resample_work(win.w, w) <= 1024);
  const es_resample rows = es_resample_plan(f, win.h, h, work[0]);
  const es_resample columns = es_resample_plan(f, win.w, w, work[1]);
  for (int k = 0; k < 3; k++) {
    es_resample_along(&columns, c.img.px + k * REF_H * REF_W, win, strip, along);
    es_resample_across(&rows, along, w, out);
    for (int i = 0; i < h * w; i++) out[i] = fminf(fmaxf(out[i], 0), 255);
    assert_near(out, expected + k * h * w, h * w, 0.51);
  }
}

static void resizing_agrees_with_pillow(void **state) {
  const es_window down = {.y = 2, .x = 1, .h = 7, .w = 11, .stride = REF_W};
  const es_window up = {.y = 1, .x = 3, .h = 5, .w = 5, .stride = REF_W};
  (void) state;
  resize_agrees(ES_BILINEAR, down, 4, 5, ref_bilinear_down);
  resize_agrees(ES_BICUBIC, down, 4, 5, ref_bicubic_down);
  resize_agrees(ES_BILINEAR, up, 9, 14, ref_bilinear_up);
  resize_agrees(ES_BICUBIC, up, 9, 14, ref_bicubic_up);
}

/** Coordinates as colours: after a crop the window can be read from the view. Red is the
 *  column, green the row, in pixels. */
static es_image *load_ramp(canvas *c, int side) {
  static const uint8_t black[ROOM];
  load(c, black, side, side);
  for (int i = 0; i < side * side; i++) {
    c->a[i] = (float) (i % side);
    c->a[side * side + i] = (float) (i / side);
  }
  return &c->img;
}

static void crop_has_the_right_distribution(void **state) {
  static canvas c;
  enum { SIDE = 40, OUT = 16, N = 4000 };
  const es_augment_ops *ops;
  _Alignas(max_align_t) char par[PARAMS_MAX];
  double area = 0, log_ratio = 0, square = 0, centre = 0;
  (void) state;
  configure("crop",
            GIVEN("size=16", "scale_min=0.2", "scale_max=0.5", "interpolation=bilinear"),
            SIDE, SIDE, &ops, par);
  for (uint64_t i = 0; i < N; i++) {
    es_rng r = numbers(i);
    ops->apply(par, &r, load_ramp(&c, SIDE));
    assert_int_equal(c.img.h, OUT);
    assert_int_equal(c.img.w, OUT);
    /* between outputs 4 and 11 no filter touches the border: 7/16 of the window */
    const float *red = c.img.px, *green = red + OUT * OUT;
    const double w = (double) (red[8 * OUT + 11] - red[8 * OUT + 4]) * OUT / 7;
    const double h = (double) (green[11 * OUT + 8] - green[4 * OUT + 8]) * OUT / 7;
    area += w * h / (SIDE * SIDE) / N;
    log_ratio += log(w / h) / N;
    square += log(w / h) * log(w / h) / N;
    centre += (double) (red[8 * OUT + 7] + red[8 * OUT + 8]) / 2 / N;
    assert_true(w * h > 0.17 * SIDE * SIDE && w * h < 0.54 * SIDE * SIDE);
    assert_true(w / h > 0.69 && w / h < 1.45);
  }
  const double half = log(4.0 / 3); /* log ratio is uniform in (-half, half) */
  assert_true(fabs(area - 0.35) < 0.005);
  assert_true(fabs(log_ratio) < 0.01);
  assert_true(fabs(square - half * half / 3) < 0.003);
  assert_true(fabs(centre - (SIDE - 1) / 2.0) < 0.3);
}

static void crop_of_everything_is_the_image(void **state) {
  static canvas c;
  const es_augment_ops *ops;
  _Alignas(max_align_t) char par[PARAMS_MAX];
  es_rng r = numbers(1);
  (void) state;
  configure("crop", GIVEN("scale_min=1", "ratio=1,1"), 32, 32, &ops, par);
  ops->apply(par, &r, load_ramp(&c, 32));
  assert_int_equal(c.img.h, 32);
  for (int i = 0; i < 32 * 32; i++) assert_true(c.img.px[i] == (float) (i % 32));
}

static void fixed_crop_copies_every_window(void **state) {
  static canvas c;
  const es_augment_ops *ops;
  _Alignas(max_align_t) char par[PARAMS_MAX];
  int seen[5][5] = {{0}}, missing = 25;
  (void) state;
  configure("crop", GIVEN("mode=fixed", "size=20"), 24, 24, &ops, par);
  for (uint64_t i = 0; i < 500; i++) {
    es_rng r = numbers(i);
    ops->apply(par, &r, load_ramp(&c, 24));
    assert_int_equal(c.img.w, 20);
    const int x = (int) c.img.px[0], y = (int) c.img.px[400];
    for (int k = 0; k < 400; k++) assert_true(c.img.px[k] == (float) (x + k % 20));
    missing -= seen[y][x]++ == 0;
  }
  assert_int_equal(missing, 0);
}

static void jitter_draws_all_factors(void **state) {
  static canvas c;
  const es_augment_ops *ops;
  _Alignas(max_align_t) char par[PARAMS_MAX];
  static const uint8_t gray[3] = {100, 100, 100};
  double mean = 0, low = 300, high = 0;
  int unchanged = 0;
  (void) state;
  configure("jitter", GIVEN("contrast=0", "saturation=0", "hue=0"), 1, 1, &ops, par);
  enum { N = 4000 };
  for (uint64_t i = 0; i < N; i++) {
    es_rng r = numbers(i);
    ops->apply(par, &r, load(&c, gray, 1, 1));
    const double v = (double) c.img.px[0];
    mean += v / N;
    low = fmin(low, v);
    high = fmax(high, v);
    unchanged += v == 100;
  }
  assert_true(fabs(mean - 100) < 1.5);
  assert_true(low >= 60 && low < 60.5 && high <= 140.001 && high > 139.5);
  assert_true(abs(unchanged - N / 5) < 100); /* p = 0.8: 4 sigma */
}

/** Of strength 0 nothing changes; what is drawn is what is applied. */
static void strength_and_draws(void **state) {
  static canvas c;
  static const char *const name[] = {"flip", "gray", "blur", "solarize", "jitter"};
  const uint8_t line[] = {10, 200, 20, 210, 30, 220}; /* planes of 1 x 2 pixels */
  (void) state;
  for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
    const es_augment_ops *ops;
    char par[PARAMS_MAX];
    configure(name[k], GIVEN("p=1"), REF_H, REF_W, &ops, par);
    ops->weaken(par, 0);
    for (uint64_t i = 0; i < 20; i++) {
      es_rng r = numbers(i);
      ops->apply(par, &r, load_reference(&c));
      assert_near(c.img.px, ref_image, 3 * REF_H * REF_W, 1e-3);
    }
  }
  const es_augment_ops *crop;
  char window[PARAMS_MAX];
  configure("crop", GIVEN("scale_min=0.2"), 8, 8, &crop, window);
  es_drawn part = {NAN, NAN, NAN, NAN}, all = part;
  es_rng draws = numbers(1);
  crop->draw(window, &draws, 8, 8, &part);
  assert_true(part.area < 1 && part.x > 0 && part.x < 1);
  crop->weaken(window, 0);
  crop->draw(window, &draws, 8, 8, &all);
  assert_true(all.area == 1 && all.x == 0.5 && all.y == 0.5);
  const es_augment_ops *ops;
  char par[PARAMS_MAX];
  int flipped = 0;
  configure("flip", GIVEN("p=0.5"), 1, 2, &ops, par);
  for (uint64_t i = 0; i < 100; i++) {
    es_drawn d = {NAN, NAN, NAN, NAN};
    es_rng r = numbers(i), same = r;
    ops->apply(par, &r, load(&c, line, 1, 2));
    ops->draw(par, &same, 1, 2, &d);
    assert_true(d.flipped == (c.img.px[0] > 100));
    flipped += d.flipped == 1;
  }
  assert_true(flipped > 30 && flipped < 70);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(colors_agree_with_torchvision),
      cmocka_unit_test(hue_agrees_with_torchvision),
      cmocka_unit_test(unchanged_at_neutral_values),
      cmocka_unit_test(steps_agree_with_references),
      cmocka_unit_test(flip_and_normalize),
      cmocka_unit_test(resizing_agrees_with_pillow),
      cmocka_unit_test(crop_has_the_right_distribution),
      cmocka_unit_test(crop_of_everything_is_the_image),
      cmocka_unit_test(fixed_crop_copies_every_window),
      cmocka_unit_test(jitter_draws_all_factors),
      cmocka_unit_test(strength_and_draws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
