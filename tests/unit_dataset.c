/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_dataset.c  CIFAR-10 and STL-10 files, right and wrong; generated sets. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataset_files.h"

enum { CIFAR = 3073, STL = 27648 };

static es_comm *self;

static es_status open_set(const es_data_params *p, const char *split, es_dataset **ds) {
  return es_dataset_open(self, p, split, 1, ds);
}

static void *scratch_of(const es_dataset *ds) {
  void *scratch;
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  return scratch;
}

/** A refused opening: its status, and parts of its message. */
static void refused(const es_data_params *p, const char *split, es_status expected,
                    const char *part, const char *other) {
  es_dataset *ds = NULL;
  assert_int_equal(open_set(p, split, &ds), expected);
  assert_null(ds);
  assert_non_null(strstr(es_log_last_error(), part));
  assert_non_null(strstr(es_log_last_error(), other));
}

static uint8_t pattern(int record, int c, int y, int x) {
  return (uint8_t) (record * 91 + c * 67 + y * 5 + x * 3);
}

/** n records with labels first_label, first_label + 1, ... mod 10. */
static void write_cifar(const char *folder, const char *name, int n, int first) {
  uint8_t *bytes = malloc((size_t) n * CIFAR), *b = bytes;
  for (int i = 0; i < n; i++) {
    *b++ = (uint8_t) ((first + i) % 10);
    for (int c = 0; c < 3; c++)
      for (int k = 0; k < 1024; k++) *b++ = pattern(first + i, c, k / 32, k % 32);
  }
  files_write(folder, name, bytes, (size_t) n * CIFAR);
  free(bytes);
}

static void write_stl(const char *folder, const char *split, int n) {
  uint8_t *x = malloc((size_t) n * STL), *b = x, y[100];
  char name[64];
  for (int i = 0; i < n; i++) {
    y[i] = (uint8_t) (1 + i % 10);
    for (int c = 0; c < 3; c++)
      for (int k = 0; k < 9216; k++) *b++ = pattern(i, c, k % 96, k / 96);
  }
  snprintf(name, sizeof name, "%s_X.bin", split);
  files_write(folder, name, x, (size_t) n * STL);
  snprintf(name, sizeof name, "%s_y.bin", split);
  if (strcmp(split, "unlabeled") != 0) files_write(folder, name, y, (size_t) n);
  free(x);
}

static void assert_pattern(const es_dataset *ds, int64_t i, int record, int label) {
  void *scratch = scratch_of(ds);
  es_sample s;
  assert_int_equal(ds->ops->get(ds, i, 0, scratch, &s), ES_OK);
  assert_int_equal(s.label, label);
  assert_int_equal(s.h, ds->h);
  for (int y = 0; y < s.h; y++)
    for (int x = 0; x < s.w; x++)
      for (int c = 0; c < 3; c++)
        assert_int_equal(s.u8[3 * (y * s.w + x) + c], pattern(record, c, y, x));
  es_free(&scratch);
}

static void cifar_reads_pixels_and_labels(void **state) {
  char folder[64];
  es_dataset *ds;
  (void) state;
  files_make(folder);
  write_cifar(folder, "data_batch_1.bin", 3, 0);
  write_cifar(folder, "data_batch_2.bin", 2, 3);
  write_cifar(folder, "test_batch.bin", 1, 8);
  es_data_params p = files_params("cifar10", folder);
  assert_int_equal(open_set(&p, NULL, &ds), ES_OK);
  assert_int_equal(ds->size, 5);
  assert_int_equal(ds->labels, 10);
  for (int i = 0; i < 5; i++) assert_pattern(ds, i, i, i);
  assert_string_equal(ds->ops->class_name(ds, 6), "frog");
  const uint64_t sum = ds->checksum;
  es_dataset_close(&ds);
  p.limit = 2;
  assert_int_equal(open_set(&p, "test", &ds), ES_OK);
  assert_int_equal(ds->size, 1);
  assert_true(ds->checksum != sum);
  assert_pattern(ds, 0, 8, 8);
  es_dataset_close(&ds);
  assert_int_equal(open_set(&p, "train", &ds), ES_OK);
  assert_int_equal(ds->size, 2);
  es_dataset_close(&ds);
  files_clear(folder);
}

static void cifar_refuses_wrong_files(void **state) {
  char folder[64];
  static uint8_t bytes[3 * CIFAR];
  (void) state;
  files_make(folder);
  es_data_params p = files_params("cifar10", folder);
  refused(&p, NULL, ES_EIO, "data_batch_1.bin", "fetch-cifar10.sh");
  refused(&p, "test", ES_EIO, "test_batch.bin", "fetch-cifar10.sh");
  refused(&p, "tset", ES_ECONFIG, "tset", "did you mean 'test'");
  files_write(folder, "data_batch_1.bin", bytes, 3 * CIFAR - 5);
  refused(&p, NULL, ES_EFORMAT, "got 9214 bytes", "multiple of 3073");
  files_write(folder, "data_batch_1.bin", bytes, 0);
  refused(&p, NULL, ES_EFORMAT, "got 0 bytes", "data_batch_1.bin");
  bytes[CIFAR] = 10;
  files_write(folder, "data_batch_1.bin", bytes, sizeof bytes);
  refused(&p, NULL, ES_EFORMAT, "data_batch_1.bin', record 1", "label 10");
  write_cifar(folder, "data_batch_1.bin", 3, 0);
  write_cifar(folder, "data_batch_3.bin", 2, 3);
  refused(&p, NULL, ES_EIO, "data_batch_2.bin", "fetch-cifar10.sh");
  p.path[0] = '\0';
  refused(&p, NULL, ES_ECONFIG, "data.path is not set", "cifar10");
  p = files_params("cifar-10", folder);
  refused(&p, NULL, ES_ECONFIG, "unknown data.name", "did you mean 'cifar10'");
  files_clear(folder);
}

static void stl_reads_column_major(void **state) {
  char folder[64];
  es_dataset *ds;
  (void) state;
  files_make(folder);
  write_stl(folder, "train", 3);
  write_stl(folder, "unlabeled", 2);
  es_data_params p = files_params("stl10", folder);
  assert_int_equal(open_set(&p, NULL, &ds), ES_OK);
  assert_int_equal(ds->size, 3);
  for (int i = 0; i < 3; i++) assert_pattern(ds, i, i, i);
  assert_string_equal(ds->ops->class_name(ds, 7), "monkey");
  es_dataset_close(&ds);
  const char names[] = "a\nb c\r\nc\nd\ne\nf\ng\nh\ni\nten"; /* others in this layout */
  files_write(folder, "class_names.txt", names, strlen(names));
  assert_int_equal(open_set(&p, NULL, &ds), ES_OK);
  assert_string_equal(ds->ops->class_name(ds, 1), "b c");
  assert_string_equal(ds->ops->class_name(ds, 9), "ten");
  es_dataset_close(&ds);
  files_write(folder, "class_names.txt", names, strlen(names) - 4);
  refused(&p, NULL, ES_EFORMAT, "class_names.txt", "got 9 names, expected 10");
  files_write(folder, "class_names.txt", "a\n\nb", 4);
  refused(&p, NULL, ES_EFORMAT, "class_names.txt", "line 2");
  assert_int_equal(open_set(&p, "unlabeled", &ds), ES_OK);
  assert_int_equal(ds->labels, 0);
  assert_pattern(ds, 1, 1, -1);
  es_dataset_close(&ds);
  refused(&p, "test", ES_EIO, "test_X.bin", "fetch-stl10.sh");
  files_write(folder, "class_names.txt", names, strlen(names));
  files_write(folder, "train_y.bin", "\1\2", 2);
  refused(&p, NULL, ES_EFORMAT, "got 2 labels", "expected 3");
  files_write(folder, "train_y.bin", "\1\0\3", 3);
  refused(&p, NULL, ES_EFORMAT, "record 1", "label 0");
  files_write(folder, "train_X.bin", folder, 64);
  refused(&p, NULL, ES_EFORMAT, "got 64 bytes", "multiple of 27648");
  files_clear(folder);
}

static void real_cifar_has_the_known_statistics(void **state) {
  static const double mean[] = {.4914, .4822, .4465}, std[] = {.2470, .2435, .2616};
  const char *path = files_real("cifar-10-batches-bin");
  double sum[3] = {0}, square[3] = {0};
  es_dataset *ds;
  es_sample s;
  (void) state;
  if (path == NULL) {
    print_message("SKIPPED: no real CIFAR-10 (set EIGENSTEP_DATA)\n");
    skip();
  }
  const es_data_params p = files_params("cifar10", path);
  assert_int_equal(open_set(&p, "train", &ds), ES_OK);
  void *scratch = scratch_of(ds);
  const double n = (double) ds->size * 1024 * 255;
  for (int64_t i = 0; i < ds->size; i++) {
    assert_int_equal(ds->ops->get(ds, i, 0, scratch, &s), ES_OK);
    for (int k = 0; k < 3072; k++) {
      sum[k % 3] += s.u8[k] / n;
      square[k % 3] += s.u8[k] * (s.u8[k] / (n * 255));
    }
  }
  for (int c = 0; c < 3; c++) { /* 2 of the 5 files may be there */
    assert_true(fabs(sum[c] - mean[c]) < 0.002);
    assert_true(fabs(sqrt(square[c] - sum[c] * sum[c]) - std[c]) < 0.002);
  }
  es_free(&scratch);
  es_dataset_close(&ds);
}

static void gaussian_has_the_chosen_covariance(void **state) {
  enum { DIM = 4, N = 20000 };
  double own[DIM][DIM] = {{0}}, cross[DIM][DIM] = {{0}};
  es_data_params p = files_params("gaussian", "");
  es_dataset *ds;
  es_sample a, b;
  (void) state;
  p.dim = DIM;
  p.noise = 0.5;
  assert_int_equal(open_set(&p, NULL, &ds), ES_OK);
  float *first = scratch_of(ds), *second = scratch_of(ds);
  for (int64_t i = 0; i < N; i++) {
    assert_int_equal(ds->ops->get(ds, i, 0, first, &a), ES_OK);
    assert_int_equal(ds->ops->get(ds, i, 1, second, &b), ES_OK);
    for (int j = 0; j < DIM; j++)
      for (int k = 0; k < DIM; k++) {
        own[j][k] += (double) a.f32[j] * (double) a.f32[k] / N;
        cross[j][k] += (double) a.f32[j] * (double) b.f32[k] / N;
      }
  }
  for (int j = 0; j < DIM; j++) /* 5 sigma of an entry: about 5 sqrt(2/N) 1.25 */
    for (int k = 0; k < DIM; k++) {
      const double shared = j == k ? 1.0 / (j + 1) : 0;
      assert_true(fabs(cross[j][k] - shared) < 0.063);
      assert_true(fabs(own[j][k] - shared - (j == k ? 0.25 : 0)) < 0.063);
    }
  assert_true(ds->endless && ds->ops->pairs);
  es_free(&first);
  es_free(&second);
  es_dataset_close(&ds);
}

/** Power of the luminance differences at lag `lag`, i.e. the structure function. */
static double structure(const es_sample *s, int lag) {
  double sum = 0;
  for (int y = 0; y < s->h; y++)
    for (int x = 0; x + lag < s->w; x++) {
      const uint8_t *a = s->u8 + 3 * (y * s->w + x), *b = a + (ptrdiff_t) 3 * lag;
      const double d = (a[0] + a[1] + a[2] - b[0] - b[1] - b[2]) / 3.0;
      sum += d * d;
    }
  return sum / (s->h * (s->w - lag));
}

/** Power at `cycles` periods across the image along its rows, with a Hann window. */
static double power(const es_sample *s, int cycles) {
  double sum = 0;
  for (int y = 0; y < s->h; y++) {
    double re = 0, im = 0;
    for (int x = 0; x < s->w; x++) {
      const uint8_t *a = s->u8 + 3 * (y * s->w + x);
      const double phase = 2 * M_PI * x / s->w, v = (a[0] + a[1] + a[2]) / 3.0;
      re += v * (1 - cos(phase)) * cos(cycles * phase);
      im += v * (1 - cos(phase)) * sin(cycles * phase);
    }
    sum += re * re + im * im;
  }
  return sum;
}

static void deadleaves_look_like_nature(void **state) {
  enum { N = 60 };
  es_data_params p = files_params("deadleaves", "");
  double low = 0, high = 0, near = 0, far = 0, mean = 0;
  es_dataset *ds;
  es_sample s;
  (void) state;
  p.size = 96;
  assert_int_equal(open_set(&p, NULL, &ds), ES_OK);
  void *scratch = scratch_of(ds);
  for (int64_t i = 0; i < N; i++) {
    assert_int_equal(ds->ops->get(ds, i, 0, scratch, &s), ES_OK);
    assert_int_equal(s.w, 96);
    low += power(&s, 4);
    high += power(&s, 16);
    near += structure(&s, 1);
    far += structure(&s, 24);
    for (int k = 0; k < 3 * 96 * 96; k++) mean += s.u8[k] / (3.0 * 96 * 96 * N);
  }
  /* 1/f^2 in the plane is 1/f along a line: 4 cycles to 16 is a factor 4. */
  const double slope = -log(high / low) / log(4.0);
  assert_true(slope > 0.7 && slope < 1.6);
  assert_true(near < 0.5 * far); /* neighbours are alike, distant pixels are not */
  assert_true(mean > 90 && mean < 150);
  es_free(&scratch);
  es_dataset_close(&ds);
}

static void deadleaves_depend_on_seed_and_record(void **state) {
  es_data_params p = files_params("deadleaves", "");
  es_dataset *ds, *same, *other, *held_out;
  es_sample a, b;
  (void) state;
  assert_int_equal(es_dataset_open(self, &p, NULL, 5, &ds), ES_OK);
  assert_int_equal(es_dataset_open(self, &p, NULL, 5, &same), ES_OK);
  assert_int_equal(es_dataset_open(self, &p, NULL, 6, &other), ES_OK);
  assert_int_equal(es_dataset_open(self, &p, "test", 5, &held_out), ES_OK);
  assert_int_equal(ds->size, p.count);
  assert_true(ds->endless);
  const size_t n = 3 * 32 * 32;
  void *first = scratch_of(ds), *second = scratch_of(ds);
  memset(second, 0xAB, ds->scratch); /* what scratch held must not matter */
  const int64_t beyond = ds->size + 17;
  assert_int_equal(ds->ops->get(ds, beyond, 0, first, &a), ES_OK);
  assert_int_equal(same->ops->get(same, beyond, 1, second, &b), ES_OK);
  assert_memory_equal(a.u8, b.u8, n);
  assert_int_equal(ds->ops->get(ds, beyond + 1, 0, second, &b), ES_OK);
  assert_memory_not_equal(a.u8, b.u8, n);
  assert_int_equal(other->ops->get(other, beyond, 0, second, &b), ES_OK);
  assert_memory_not_equal(a.u8, b.u8, n);
  assert_int_equal(held_out->ops->get(held_out, beyond, 0, second, &b), ES_OK);
  assert_memory_not_equal(a.u8, b.u8, n);
  es_free(&first);
  es_free(&second);
  es_dataset_close(&ds);
  es_dataset_close(&same);
  es_dataset_close(&other);
  es_dataset_close(&held_out);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cifar_reads_pixels_and_labels),
      cmocka_unit_test(cifar_refuses_wrong_files),
      cmocka_unit_test(stl_reads_column_major),
      cmocka_unit_test(real_cifar_has_the_known_statistics),
      cmocka_unit_test(gaussian_has_the_chosen_covariance),
      cmocka_unit_test(deadleaves_look_like_nature),
      cmocka_unit_test(deadleaves_depend_on_seed_and_record),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_SELF, &self) != ES_OK) return 99;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&self);
  failed += es_mem_now() != 0; /* all was freed */
  MPI_Finalize();
  return failed;
}
