/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_rng.c  Philox against its published vectors, and the distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "eigenstep/rng.h"

/** Known answers of the Random123 distribution (kat_vectors, philox4x32 10). */
static void philox_known_answers(void **state) {
  (void) state;
  static const struct {
    uint32_t ctr[4], key[2], out[4];
  } kat[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
    uint32_t out[4];
    es_philox(kat[i].ctr, kat[i].key, out);
    assert_memory_equal(out, kat[i].out, sizeof out);
  }
}

static void sequences_replay_and_differ(void **state) {
  (void) state;
  es_rng a = es_rng_at(1, ES_STREAM_TEST, 7, 3);
  es_rng_u32(&a);
  es_rng b = a;
  for (int i = 0; i < 100; i++) assert_int_equal(es_rng_u32(&a), es_rng_u32(&b));
  const es_rng other[] = {
      es_rng_at(1, ES_STREAM_TEST, 7, 3),
      es_rng_at(2, ES_STREAM_TEST, 7, 3),
      es_rng_at(1 + (UINT64_C(1) << 32), ES_STREAM_TEST, 7, 3),
      es_rng_at(1, ES_STREAM_DATA, 7, 3),
      es_rng_at(1, ES_STREAM_TEST, 8, 3),
      es_rng_at(1, ES_STREAM_TEST, 7 + (UINT64_C(1) << 40), 3),
      es_rng_at(1, ES_STREAM_TEST, 7, 4),
  };
  enum { N = sizeof other / sizeof other[0] };
  uint32_t first[N];
  for (int i = 0; i < N; i++) {
    es_rng r = other[i];
    first[i] = es_rng_u32(&r);
    for (int k = 0; k < i; k++) assert_int_not_equal(first[i], first[k]);
  }
}

/** Many normal numbers at once are those of as many calls, from any block on. */
static void normals_at_once_are_the_same(void **state) {
  (void) state;
  enum { N = 1000, FIRST = 37 };
  double x[N];
  es_rng one = es_rng_at(5, ES_STREAM_TEST, 9, 1), many = one, later = one;
  es_rng_normals(&many, N, x);
  for (int i = 0; i < N; i++) {
    const double expected = es_rng_normal(&one);
    assert_memory_equal(&x[i], &expected, sizeof expected);
  }
  assert_int_equal(es_rng_u32(&many), es_rng_u32(&one));
  es_rng_skip(&later, FIRST);
  const double expected = es_rng_normal(&later);
  assert_memory_equal(&x[FIRST], &expected, sizeof expected);
}

/** Chi-square of counts against equal ones, in standard deviations of its distribution.
 */
static double chi2_sigma(const int *count, int bins, double total) {
  const double expected = total / bins, df = bins - 1;
  double chi2 = 0;
  for (int i = 0; i < bins; i++) chi2 += pow(count[i] - expected, 2) / expected;
  return (chi2 - df) / sqrt(2 * df);
}

static void uniform_is_uniform(void **state) {
  (void) state;
  enum { N = 200000, BINS = 64 };
  int high[BINS] = {0}, low[BINS] = {0}, pair[BINS] = {0};
  double last = 0;
  es_rng r = es_rng_at(42, ES_STREAM_TEST, 0, 0);
  for (int i = 0; i < N; i++) {
    const double u = es_rng_uniform(&r);
    assert_true(u >= 0 && u < 1);
    high[(int) (u * BINS)]++;
    low[(int) fmod(u * 0x1p50, BINS)]++;
    pair[(int) (u * 8) * 8 + (int) (last * 8)]++;
    last = u;
  }
  assert_true(fabs(chi2_sigma(high, BINS, N)) < 4);
  assert_true(fabs(chi2_sigma(low, BINS, N)) < 4);
  assert_true(fabs(chi2_sigma(pair, BINS, N)) < 4);
}

static void range_stays_inside(void **state) {
  (void) state;
  es_rng r = es_rng_at(42, ES_STREAM_TEST, 1, 0);
  double sum = 0;
  for (int i = 0; i < 10000; i++) {
    const double x = es_rng_range(&r, -3, 5);
    assert_true(x >= -3 && x < 5);
    sum += x;
    const double tight = es_rng_range(&r, 1, nextafter(1, 2));
    assert_true(tight == 1);
  }
  assert_true(fabs(sum / 10000 - 1) < 0.1); /* 4 sigma = 4 * 8 / sqrt(12 * 10^4) */
  assert_true(es_rng_range(&r, 2, 2) == 2);
}

static void below_is_unbiased(void **state) {
  (void) state;
  enum { N = 100000, BINS = 7 };
  int count[BINS] = {0};
  es_rng r = es_rng_at(42, ES_STREAM_TEST, 2, 0);
  for (int i = 0; i < N; i++) {
    const uint64_t x = es_rng_below(&r, BINS);
    assert_true(x < BINS);
    count[x]++;
    assert_int_equal(es_rng_below(&r, 1), 0);
  }
  assert_true(fabs(chi2_sigma(count, BINS, N)) < 4);
  /* With n = 3 * 2^62, x % n without rejection falls into the first third half the time.
   */
  const uint64_t n = UINT64_C(3) << 62;
  int first = 0;
  for (int i = 0; i < 10000; i++) first += es_rng_below(&r, n) < n / 3;
  assert_true(abs(first - 3333) < 200);
}

static void normal_moments(void **state) {
  (void) state;
  enum { N = 400000 };
  double m[5] = {0};
  int beyond = 0;
  es_rng r = es_rng_at(7, ES_STREAM_INIT, 0, 0);
  for (int i = 0; i < N; i++) {
    const double x = es_rng_normal(&r);
    assert_true(isfinite(x));
    for (int k = 1; k <= 4; k++) m[k] += pow(x, k) / N;
    beyond += fabs(x) > 1.959963984540054;
  }
  /* Variances of the sample moments of a normal variable: 1, 2, 15, 96 over N. */
  assert_true(fabs(m[1]) < 4 * sqrt(1.0 / N));
  assert_true(fabs(m[2] - 1) < 4 * sqrt(2.0 / N));
  assert_true(fabs(m[3]) < 4 * sqrt(15.0 / N));
  assert_true(fabs(m[4] - 3) < 4 * sqrt(96.0 / N));
  assert_true(fabs(beyond / (double) N - 0.05) < 4 * sqrt(0.05 * 0.95 / N));
}

static void normal_keeps_no_second_value(void **state) {
  (void) state;
  es_rng a = es_rng_at(7, ES_STREAM_INIT, 0, 0), b = a;
  es_rng_normal(&a);
  es_rng_uniform(&b);
  es_rng_uniform(&b);
  assert_int_equal(es_rng_u32(&a), es_rng_u32(&b));
}

static void permutation_is_a_bijection(void **state) {
  (void) state;
  static const uint64_t sizes[] = {1, 2, 3, 4, 5, 10, 1000, 65536, 65537};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    const uint64_t n = sizes[s];
    unsigned char *seen = calloc(n, 1);
    assert_non_null(seen);
    for (uint64_t i = 0; i < n; i++) {
      const uint64_t x = es_permute(11, 3, n, i);
      assert_true(x < n && !seen[x]);
      seen[x] = 1;
    }
    free(seen);
  }
  const uint64_t huge = (UINT64_C(1) << 62) + 1;
  assert_true(es_permute(1, 1, huge, huge - 1) < huge);
  assert_true(es_permute(1, 1, huge, 0) != es_permute(1, 1, huge, 1));
}

static void permutations_of_epochs_differ(void **state) {
  (void) state;
  enum { N = 1000 };
  int same_epoch = 0, same_seed = 0, high_epoch = 0, fixed = 0;
  for (uint64_t i = 0; i < N; i++) {
    const uint64_t x = es_permute(5, 0, N, i);
    assert_true(x == es_permute(5, 0, N, i));
    same_epoch += x == es_permute(5, 1, N, i);
    same_seed += x == es_permute(6, 0, N, i);
    high_epoch += x == es_permute(5, UINT64_C(1) << 32, N, i);
    fixed += x == i;
  }
  /* Two random permutations agree at a Poisson(1) number of places. */
  assert_true(same_epoch < 8 && same_seed < 8 && high_epoch < 8 && fixed < 8);
}

static void small_permutations_are_equally_likely(void **state) {
  (void) state;
  enum { EPOCHS = 24000, KINDS = 24 };
  int count[KINDS] = {0};
  for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
    int rank = 0;
    for (int i = 0; i < 4; i++) { /* the number of the permutation in factorial base */
      int smaller = 0;
      for (int k = i + 1; k < 4; k++)
        smaller +=
            es_permute(9, epoch, 4, (uint64_t) k) < es_permute(9, epoch, 4, (uint64_t) i);
      rank = rank * (4 - i) + smaller;
    }
    count[rank]++;
  }
  assert_true(fabs(chi2_sigma(count, KINDS, EPOCHS)) < 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(sequences_replay_and_differ),
      cmocka_unit_test(normals_at_once_are_the_same),
      cmocka_unit_test(uniform_is_uniform),
      cmocka_unit_test(range_stays_inside),
      cmocka_unit_test(below_is_unbiased),
      cmocka_unit_test(normal_moments),
      cmocka_unit_test(normal_keeps_no_second_value),
      cmocka_unit_test(permutation_is_a_bijection),
      cmocka_unit_test(permutations_of_epochs_differ),
      cmocka_unit_test(small_permutations_are_equally_likely),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
