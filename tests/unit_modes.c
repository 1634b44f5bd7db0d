/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_modes.c  Numbers of images that are known, R^2 and its null on modes that
 *  are attributes or noise, modes that share an eigenvalue told apart by the order in
 *  which they were learned. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "eigenstep/rng.h"
#include "modes/association.h"
#include "modes/nested.h"

enum { SIDE = 16, PIXELS = SIDE * SIDE, PAIRS = 100, POINTS = 2 * PAIRS, D = 3 };
#define PI 3.14159265358979323846

static void measure(const float *rgb, double number[ES_PIXEL_NUMBERS]) {
  es_slope_plan plan;
  assert_int_equal(es_slope_plan_open(SIDE, SIDE, &plan), ES_OK);
  es_attribute_measure(rgb, &plan, number);
  es_slope_plan_free(&plan);
}

static void colours_of_plain_images(void **state) {
  (void) state;
  float rgb[3 * PIXELS];
  double n[ES_PIXEL_NUMBERS];
  for (int i = 0; i < 3 * PIXELS; i++) rgb[i] = i < PIXELS ? 0.8f : 0.2f;
  measure(rgb, n);
  assert_true(fabs(n[ES_HUE_COS] - 0.6) < 1e-6 && fabs(n[ES_HUE_SIN]) < 1e-6); /* red */
  assert_true(fabs(n[ES_SATURATION] - 0.75) < 1e-6);
  assert_true(fabs(n[ES_LUMINANCE] - (0.299 * 0.8 + 0.701 * 0.2)) < 1e-6);
  assert_true(n[ES_CONTRAST] < 1e-6 && n[ES_TEMPERATURE] > 1 && n[ES_EDGES] == 0);
  for (int i = 0; i < 3 * PIXELS; i++) rgb[i] = 0.5f;
  measure(rgb, n);
  assert_true(n[ES_HUE_COS] == 0 && n[ES_HUE_SIN] == 0 && n[ES_SATURATION] == 0);
  assert_true(n[ES_TEMPERATURE] == 0 && n[ES_SLOPE] == 0);
}

/* A grating along the direction of `angle`, and the same half a turn on. */
static void orientation_of_a_grating(void **state) {
  (void) state;
  float rgb[3 * PIXELS];
  double n[ES_PIXEL_NUMBERS];
  for (int k = 0; k < 4; k++) {
    const double angle = PI * k / 4;
    for (int i = 0; i < 3 * PIXELS; i++) {
      const int x = i % SIDE, y = i / SIDE % SIDE;
      rgb[i] = (float) (0.5 + 0.4 * sin(0.7 * (x * cos(angle) + y * sin(angle))));
    }
    measure(rgb, n);
    assert_true(
        n[ES_ORIENTED_COS] * cos(2 * angle) + n[ES_ORIENTED_SIN] * sin(2 * angle) > 0.95);
    assert_true(n[ES_EDGES] > 0.5);
  }
}

/* Noise has a flat spectrum; its sum over squares of 4 x 4 pixels falls. */
static void slope_of_noise(void **state) {
  (void) state;
  float rgb[3 * PIXELS];
  double white[ES_PIXEL_NUMBERS], smooth[ES_PIXEL_NUMBERS];
  es_rng r = es_rng_at(1, ES_STREAM_TEST, 1, 0);
  for (int i = 0; i < PIXELS; i++)
    rgb[i] = rgb[PIXELS + i] = rgb[2 * PIXELS + i] = (float) es_rng_uniform(&r);
  measure(rgb, white);
  assert_true(fabs(white[ES_SLOPE]) < 0.6);
  for (int i = 0; i < 3 * PIXELS; i++)
    rgb[i] = rgb[i / PIXELS * PIXELS + i / SIDE % SIDE / 4 * 4 * SIDE + i % SIDE / 4 * 4];
  measure(rgb, smooth);
  assert_true(smooth[ES_SLOPE] < white[ES_SLOPE] - 1);
}

/* Attributes: luminance at random, alike for both views; classes 0 and 1 by turns; the
 * rest does not vary. */
static void fill_numbers(es_study_numbers *s) {
  es_rng r = es_rng_at(2, ES_STREAM_TEST, 1, 0);
  for (int i = 0; i < PAIRS; i++) {
    double *const light = s->number + ES_LUMINANCE * POINTS;
    light[i] = light[PAIRS + i] = es_rng_normal(&r);
    s->label[i] = i % 2;
  }
}

static void center_unit(double *q) {
  double mean = 0, square = 0;
  for (int i = 0; i < POINTS; i++) mean += q[i] / POINTS;
  for (int i = 0; i < POINTS; i++) q[i] -= mean;
  for (int i = 0; i < POINTS; i++) square += q[i] * q[i];
  for (int i = 0; i < POINTS; i++) q[i] /= sqrt(square);
}

static void attributes_above_chance(void **state) {
  (void) state;
  static double number[ES_VIEW_NUMBERS * POINTS], q[2 * POINTS];
  static int64_t label[PAIRS], record[PAIRS];
  es_study_numbers s = {PAIRS, number, record, label};
  es_study_regressors r;
  es_study_null null;
  es_comm *self = NULL;
  double r2[2 * ES_ATTRIBUTES], level[ES_ATTRIBUTES];
  const int light = 2; /* of the table */
  fill_numbers(&s);
  es_rng rng = es_rng_at(3, ES_STREAM_TEST, 1, 0);
  for (int i = 0; i < POINTS; i++) {
    q[i] = number[ES_LUMINANCE * POINTS + i];
    q[POINTS + i] = es_rng_normal(&rng);
  }
  center_unit(q);
  center_unit(q + POINTS);
  assert_int_equal(es_comm_create(MPI_COMM_SELF, &self), ES_OK);
  assert_int_equal(es_study_regressors_make(&s, &r), ES_OK);
  for (int a = 0; a < ES_ATTRIBUTES; a++)
    assert_int_equal(es_study_has(&r, a), a == light || a == ES_CLASS);
  assert_int_equal(es_study_explain(&r, 2, q, r2), ES_OK);
  assert_true(fabs(r2[light] - 1) < 1e-9 && isnan(r2[0]));
  double own = 0, odd = 0; /* eta^2 of the noise by hand */
  for (int i = 0; i < POINTS; i++)
    *(label[i % PAIRS] == 0 ? &own : &odd) += q[POINTS + i] / PAIRS;
  assert_true(fabs(r2[ES_ATTRIBUTES + ES_CLASS] - PAIRS * (own * own + odd * odd)) <
              1e-9);
  assert_int_equal(es_study_null_open(500, 1, &null), ES_OK);
  assert_int_equal(es_study_null_add(self, &r, 2, q, &null), ES_OK);
  assert_int_equal(es_study_null_level(&null, level), ES_OK);
  /* of two modes on 100 pairs: the 99.5th percentile of a beta of 1/2 and 98/2 is 0.077,
   * of views that are alike, so of 100 points */
  assert_true(level[light] > 0.04 && level[light] < 0.12);
  assert_true(r2[light] > level[light] && r2[ES_ATTRIBUTES + light] < level[light]);
  assert_true(es_study_null_p(&null, light, r2[light]) == 1.0 / 501);
  assert_true(es_study_null_p(&null, light, 0) == 1 &&
              isnan(es_study_null_p(&null, 0, NAN)));
  es_study_null_free(&null);
  es_study_regressors_free(&r);
  es_comm_destroy(&self);
}

/* Functions a, b, c at random; outputs a, b, c of sizes sa, sb, sc, turned. */
static void embed(const double size[D], double turn, double z[POINTS * D]) {
  es_rng r = es_rng_at(4, ES_STREAM_TEST, 1, 0);
  for (int i = 0; i < POINTS; i++) {
    double f[D];
    for (int j = 0; j < D; j++) f[j] = size[j] * es_rng_normal(&r);
    z[i * D] = cos(turn) * f[0] - sin(turn) * f[1] + 5;
    z[i * D + 1] = sin(turn) * f[0] + cos(turn) * f[1];
    z[i * D + 2] = f[2];
  }
}

static double correlation(const double *q, const double *z, int j) {
  double zz = 0, qz = 0, mean = 0;
  for (int i = 0; i < POINTS; i++) mean += z[i * D + j] / POINTS;
  for (int i = 0; i < POINTS; i++) {
    zz += (z[i * D + j] - mean) * (z[i * D + j] - mean);
    qz += q[i] * (z[i * D + j] - mean);
  }
  return fabs(qz) / sqrt(zz);
}

static void modes_by_the_order_of_learning(void **state) {
  (void) state;
  static double early[POINTS * D], late[POINTS * D], plain[POINTS * D], q[2 * POINTS];
  double w[D], kept[2], directions[2 * D], agree;
  es_study_modes first, last;
  es_study_halves halves;
  embed((double[D]){1, 0.01, 0.001}, 0.3, early);
  embed((double[D]){1, 1, 0.001}, 0.3, late);
  embed((double[D]){1, 1, 1}, 0, plain);
  assert_int_equal(es_study_modes_find(POINTS, D, early, D, &first), ES_OK);
  assert_int_equal(es_study_modes_find(POINTS, D, late, D, &last), ES_OK);
  assert_int_equal(es_study_nested(&first, 0, q, q, w), ES_OK);
  assert_int_equal(es_study_nested(&last, 1, q, q + POINTS, w), ES_OK);
  assert_true(correlation(q, plain, 0) > 0.99);
  assert_true(correlation(q + POINTS, plain, 1) > 0.99);
  double span = 0; /* the coordinates are those on w */
  for (int i = 0; i < POINTS; i++) {
    double on = 0;
    for (int j = 0; j < D; j++) on += (late[i * D + j] - last.mean[j]) * w[j];
    span = fmax(span, fabs(on - q[POINTS + i]));
  }
  assert_true(span < 1e-9);
  assert_int_equal(es_study_directions(&last, 2, q, directions, kept), ES_OK);
  assert_true(kept[0] > 0.99 && kept[1] > 0.99 && kept[1] <= 1 + 1e-9);
  assert_int_equal(es_study_halves_find(&last, late, 1, &halves), ES_OK);
  assert_int_equal(es_study_halves_nested(&halves, POINTS, late, 1, q, &agree), ES_OK);
  assert_true(agree > 0.97);
  es_study_halves_free(&halves);
  es_study_modes_free(&first);
  es_study_modes_free(&last);
}

static void what_is_not_finite(void **state) {
  (void) state;
  static double z[POINTS * D];
  es_study_modes m;
  embed((double[D]){1, 1, 1}, 0, z);
  z[7] = NAN;
  assert_int_equal(es_study_modes_find(POINTS, D, z, D, &m), ES_EMATH);
  es_study_modes_free(&m);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(colours_of_plain_images),
                                     cmocka_unit_test(orientation_of_a_grating),
                                     cmocka_unit_test(slope_of_noise),
                                     cmocka_unit_test(attributes_above_chance),
                                     cmocka_unit_test(modes_by_the_order_of_learning),
                                     cmocka_unit_test(what_is_not_finite)};
  MPI_Init(&argc, &argv);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  MPI_Finalize();
  return failed;
}
