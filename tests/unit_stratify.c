/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_stratify.c  The held-out sample: classes in proportion, in random order,
 *  the same for the same seed; the rest is the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "eigenstep/stratify.h"

enum { N = 600, CLASSES = 6 };

/** Sorted by class, as the folders of images are: 300, 150, 90, 58, 1 and 1 records. */
static int sorted_label(const es_dataset *ds, int64_t i) {
  static const int64_t end[CLASSES] = {300, 450, 540, 598, 599, 600};
  int k = 0;
  (void) ds;
  while (i >= end[k]) k++;
  return k;
}

/** As many classes as records. */
static int own_label(const es_dataset *ds, int64_t i) {
  (void) ds;
  return (int) i;
}

static const es_dataset_ops sorted = {.label = sorted_label}, own = {.label = own_label},
                            unlabelled = {.name = "vectors"};

static void count(const int64_t *record, int64_t n, int64_t of[CLASSES]) {
  for (int k = 0; k < CLASSES; k++) of[k] = 0;
  for (int64_t i = 0; i < n; i++) of[sorted_label(NULL, record[i])]++;
}

static void classes_are_in_proportion(void **state) {
  const es_dataset ds = {.ops = &sorted, .size = N, .labels = CLASSES};
  const int64_t size[CLASSES] = {300, 150, 90, 58, 1, 1};
  int64_t record[N], of[CLASSES];
  (void) state;
  for (int64_t n = 0; n < N; n += 7) {
    assert_int_equal(es_stratified_sample(&ds, n, 5, record), ES_OK);
    count(record, n, of);
    for (int k = 0; k < CLASSES; k++) {
      const int64_t share = n * size[k] / N; /* rounded down: or one more */
      assert_in_range(of[k], share, share + 1);
      if (n < N - CLASSES) assert_true(of[k] < size[k] || size[k] == 0);
    }
  }
  assert_int_equal(es_stratified_sample(&ds, N + 1, 5, record), ES_EARG);
}

static void the_rest_is_all_others(void **state) {
  const es_dataset ds = {.ops = &sorted, .size = N, .labels = CLASSES};
  int64_t record[N], rest[N];
  int seen[N] = {0};
  (void) state;
  assert_int_equal(es_stratified_sample(&ds, 100, 5, record), ES_OK);
  assert_int_equal(es_sample_rest(N, record, 100, rest), ES_OK);
  for (int i = 0; i < 100; i++) seen[record[i]]++;
  for (int i = 0; i < N - 100; i++) {
    seen[rest[i]]++;
    assert_true(i == 0 || rest[i] > rest[i - 1]);
  }
  for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
}

static void seeds_decide(void **state) {
  const es_dataset ds = {.ops = &sorted, .size = N, .labels = CLASSES};
  int64_t a[200], b[200], c[200], of[CLASSES];
  int same = 0;
  (void) state;
  assert_int_equal(es_stratified_sample(&ds, 200, 5, a), ES_OK);
  assert_int_equal(es_stratified_sample(&ds, 200, 5, b), ES_OK);
  assert_int_equal(es_stratified_sample(&ds, 200, 6, c), ES_OK);
  assert_memory_equal(a, b, sizeof a);
  for (int i = 0; i < 200; i++) same += a[i] == c[i];
  assert_true(same < 20); /* one in 600 for unrelated orders */
  /* a chunk of the sample is mixed too: it has batch statistics of its own */
  count(a, 50, of);
  assert_in_range(of[0], 12, 38); /* 25 +- 3.5 for a random order */
  assert_true(of[1] > 0 && of[2] > 0);
}

/** Which of too many classes get a place is random, not the first ones. */
static void places_are_drawn_among_too_many_classes(void **state) {
  const es_dataset ds = {.ops = &own, .size = N, .labels = N};
  int64_t record[100];
  int low = 0, seen[N] = {0};
  (void) state;
  assert_int_equal(es_stratified_sample(&ds, 100, 5, record), ES_OK);
  for (int i = 0; i < 100; i++) {
    low += record[i] < N / 2;
    assert_int_equal(seen[record[i]]++, 0);
  }
  assert_in_range(low, 30, 70); /* 50 +- 5 */
}

static void without_labels_at_random(void **state) {
  const es_dataset ds = {.ops = &unlabelled, .size = N};
  int64_t record[100];
  int low = 0, seen[N] = {0};
  (void) state;
  assert_int_equal(es_stratified_sample(&ds, 100, 5, record), ES_OK);
  for (int i = 0; i < 100; i++) {
    low += record[i] < N / 2;
    assert_int_equal(seen[record[i]]++, 0);
  }
  assert_in_range(low, 30, 70);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(classes_are_in_proportion),
      cmocka_unit_test(the_rest_is_all_others),
      cmocka_unit_test(seeds_decide),
      cmocka_unit_test(places_are_drawn_among_too_many_classes),
      cmocka_unit_test(without_labels_at_random),
  };
  es_log_setup(0, ES_LOG_ERROR, false);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
