/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_safetensors.c  The exchange format: what is written is read, by us and by
 * the format's definition; malformed files are rejected. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/file_kind.h"
#include "eigenstep/safetensors.h"

static char path[64];

static void write_raw(uint64_t len, const char *header, const void *data, size_t bytes) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  fwrite(&len, sizeof len, 1, f);
  fwrite(header, strlen(header), 1, f);
  if (bytes) fwrite(data, bytes, 1, f);
  fclose(f);
}

static void round_trip(void **state) {
  (void) state;
  const float a[6] = {1, -2, 0.5f, 1e-30f, 3e38f, 0}, b[1] = {7};
  const es_st_tensor t[] = {{"layer1.0.conv1.weight", 4, {3, 2, 1, 1}, a},
                            {"a \"scalar\"", 0, {0}, b},
                            {"none", 2, {0, 4}, NULL}};
  const char *const meta[][2] = {{"loss.name", "barlow"}, {"empty", ""}};
  assert_int_equal(es_safetensors_write(path, t, 3, meta, 2), ES_OK);
  es_safetensors *f = NULL;
  assert_int_equal(es_safetensors_open(path, &f), ES_OK);
  assert_int_equal(es_safetensors_count(f), 3);
  es_st_tensor info;
  float x[6] = {0};
  for (size_t i = 0; i < 3; i++) { /* the order given */
    es_safetensors_info(f, i, &info);
    assert_string_equal(info.name, t[i].name);
    assert_int_equal(info.ndim, t[i].ndim);
    assert_memory_equal(info.dim, t[i].dim, (size_t) t[i].ndim * sizeof info.dim[0]);
    assert_int_equal(es_safetensors_find(f, t[i].name), i);
  }
  assert_int_equal(es_safetensors_find(f, "layer1"), -1);
  assert_int_equal(es_safetensors_find(f, "__metadata__"), -1);
  assert_int_equal(es_safetensors_read(f, 0, x), ES_OK);
  assert_memory_equal(x, a, sizeof a);
  assert_int_equal(es_safetensors_read(f, 1, x), ES_OK);
  assert_true(x[0] == 7);
  assert_int_equal(es_safetensors_read(f, 2, x), ES_OK);
  assert_int_equal(es_safetensors_read(f, 3, x), ES_EARG);
  es_safetensors_close(&f);
  assert_null(f);

  FILE *file = fopen(path, "rb"); /* aligned header, padded with spaces, no gap behind */
  uint64_t len = 0;
  char header[1024];
  assert_int_equal(fread(&len, sizeof len, 1, file), 1);
  assert_true(len % 8 == 0 && len < sizeof header);
  assert_int_equal(fread(header, 1, len, file), len);
  header[len] = '\0';
  assert_non_null(strstr(header, "\"__metadata__\":{\"loss.name\":\"barlow\""));
  assert_non_null(strstr(header, "\"data_offsets\":[0,24]"));
  struct stat s;
  assert_int_equal(fstat(fileno(file), &s), 0);
  assert_int_equal(s.st_size, 8 + len + 28);
  fclose(file);
}

static void other_types(void **state) {
  (void) state;
  struct {
    double f64[2];
    int64_t i64;
    uint16_t f16[8], bf16[2];
  } data = {{0.1, -3},
            -9,
            {0x3c00, 0xc000, 0x0001, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x3555},
            {0x3f80, 0xc0a0}};
  const char *header =
      "{\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
      "\"bf\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[40,44]},"
      "\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[16,24]},"
      "\"h\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[24,40]}}";
  write_raw(strlen(header), header, &data, 44);
  es_safetensors *f = NULL;
  float x[8];
  assert_int_equal(es_safetensors_open(path, &f), ES_OK);
  assert_int_equal(es_safetensors_read(f, 0, x), ES_OK);
  assert_true(x[0] == 0.1f && x[1] == -3);
  assert_int_equal(es_safetensors_read(f, (size_t) es_safetensors_find(f, "i"), x),
                   ES_OK);
  assert_true(x[0] == -9);
  assert_int_equal(es_safetensors_read(f, (size_t) es_safetensors_find(f, "bf"), x),
                   ES_OK);
  assert_true(x[0] == 1 && x[1] == -5);
  assert_int_equal(es_safetensors_read(f, (size_t) es_safetensors_find(f, "h"), x),
                   ES_OK);
  assert_true(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24f && x[3] == -0x3ffp-24f);
  assert_true(isinf(x[4]) && x[4] > 0 && isinf(x[5]) && x[5] < 0 && isnan(x[6]));
  assert_true(x[7] == 0x1.554p-2f);
  es_safetensors_close(&f);
}

/* One tensor "a" of the given type, shape and offsets. */
#define A(type, shape, offsets)                                                          \
  "{\"a\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define AB(range_a, range_b)                                                             \
  "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" range_a "},"               \
  "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" range_b "}}"

#define TWICE                                                                            \
  "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"                     \
  "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}"

static void malformed_headers_are_rejected(void **state) {
  (void) state;
  static const char *const bad[] = {
      "",
      "[]",
      "{",
      "{} x",
      "{\"a\":1}",
      A("F32", "[4]", "[0,16]") "}",
      A("F32", "[4]", "[0,20]"),                       /* beyond the file */
      A("F32", "[3]", "[0,16]"),                       /* shape is smaller */
      A("F32", "[2]", "[0,8]"),                        /* bytes after the last tensor */
      A("F32", "[2]", "[8,16]"),                       /* bytes before the first tensor */
      A("F32", "[-4]", "[0,16]"),                      /* negative dimension */
      A("F32", "[-2,-2]", "[0,16]"),                   /* with the right product */
      A("F32", "[4]", "[16,0]"),                       /* backwards */
      A("F32", "[4]", "[-16,0]"),                      /* negative */
      A("F32", "[4]", "[0]"),                          /* one offset */
      A("F32", "[4]", "[0,16,16]"),                    /* three offsets */
      A("F32", "[4.5]", "[0,16]"),                     /* not an integer */
      A("F32", "[\"4\"]", "[0,16]"),                   /* not a number */
      A("F32", "4", "[0,16]"),                         /* not a list */
      A("F32", "[4611686018427387904,4,4]", "[0,16]"), /* 2^62: overflow */
      A("F32", "[4503599627370496,4503599627370496,4]", "[0,0]"),
      A("F32", "[1e300]", "[0,16]"),
      A("F32", "[1,1,1,1,4]", "[0,16]"),
      A("Q32", "[4]", "[0,16]"),
      AB("[0,8]", "[4,12]"), /* overlap, end too early */
      AB("[0,8]", "[0,8]"),
      TWICE,
      "{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}",
      "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}",
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}",
  };
  const float data[4] = {1, 2, 3, 4};
  es_safetensors *f = NULL;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    write_raw(strlen(bad[i]), bad[i], data, sizeof data);
    if (es_safetensors_open(path, &f) != ES_EFORMAT) fail_msg("accepted: %s", bad[i]);
    assert_null(f);
  }
}

static void truncated_files_are_rejected(void **state) {
  (void) state;
  const float data[4] = {1, 2, 3, 4};
  es_safetensors *f = NULL;
  const char *good = A("F32", "[4]", "[0,16]");
  write_raw(strlen(good), good, data, sizeof data);
  assert_int_equal(es_safetensors_open(path, &f), ES_OK);
  es_safetensors_close(&f);
  static const uint64_t lengths[] = {1000, UINT64_MAX, INT64_MAX, (uint64_t) 1 << 40};
  for (int i = 0; i < 4; i++) { /* headers longer than the file */
    write_raw(lengths[i], good, data, sizeof data);
    assert_int_equal(es_safetensors_open(path, &f), ES_EFORMAT);
  }
  assert_int_equal(truncate(path, 5), 0);
  assert_int_equal(es_safetensors_open(path, &f), ES_EFORMAT);
  assert_int_equal(truncate(path, 0), 0);
  assert_int_equal(es_safetensors_open(path, &f), ES_EFORMAT);
  unlink(path);
  assert_int_equal(es_safetensors_open(path, &f), ES_EIO);
  assert_null(f);
  char name[200] = "{\"";
  memset(name + 2, 'n', 150);
  strcpy(name + 152, "\":{}}"); /* longer than a name may be */
  write_raw(strlen(name), name, data, sizeof data);
  assert_int_equal(es_safetensors_open(path, &f), ES_EFORMAT);
}

static void refused_writes(void **state) {
  (void) state;
  const float a[1] = {1};
  const es_st_tensor twice[] = {{"a", 1, {1}, a}, {"a", 1, {1}, a}};
  const es_st_tensor bad[] = {{"", 0, {0}, a}, {"a", 5, {1}, a}, {"a", 1, {-1}, a}};
  assert_int_equal(es_safetensors_write(path, twice, 2, NULL, 0), ES_EARG);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(es_safetensors_write(path, &bad[i], 1, NULL, 0), ES_EARG);
  }
  assert_int_equal(es_safetensors_write("no/folder", twice, 1, NULL, 0), ES_EIO);
  assert_int_equal(access(path, F_OK), -1);
}

/* An independent reader of ten lines of Python. */
static void python(void **state) {
  (void) state;
  if (system("python3 -c 'import numpy' 2> /dev/null") != 0) skip();
  static float w[12];
  for (int i = 0; i < 12; i++) w[i] = 0.25f * (float) i;
  const es_st_tensor t[] = {{"conv1.weight", 2, {3, 4}, w}, {"fc.bias", 1, {2}, w + 4}};
  const char *const meta[][2] = {{"data.name", "deadleaves"}};
  assert_int_equal(es_safetensors_write(path, t, 2, meta, 1), ES_OK);
  char command[1024];
  snprintf(command, sizeof command,
           "python3 -c '\n"
           "import json, struct, numpy as np\n"
           "raw = open(\"%s\", \"rb\").read()\n"
           "n = struct.unpack(\"<Q\", raw[:8])[0]\n"
           "head, data = json.loads(raw[8:8 + n]), raw[8 + n:]\n"
           "assert head.pop(\"__metadata__\") == {\"data.name\": \"deadleaves\"}\n"
           "t = {k: np.frombuffer(data[slice(*v[\"data_offsets\"])], \"<f4\")"
           ".reshape(v[\"shape\"]) for k, v in head.items()}\n"
           "assert list(t) == [\"conv1.weight\", \"fc.bias\"]\n"
           "assert (t[\"conv1.weight\"] == 0.25 * np.arange(12).reshape(3, 4)).all()\n"
           "assert (t[\"fc.bias\"] == [1, 1.25]).all()\n'",
           path);
  assert_int_equal(system(command), 0);
}

/* The length of a header may begin with the bytes of a pickle, a gzip or a JPEG. */
static void any_length_of_header_is_known(void **state) {
  static const uint64_t length[] = {0x0208, 0x0280,  0x0380, 0x0480,
                                    0x0580, 0x10280, 0x8b1f, 0xffd8ff};
  char *const header = malloc(0x1000000);
  assert_non_null(header);
  (void) state;
  for (size_t i = 0; i < sizeof length / sizeof *length; i++) {
    es_safetensors *f = NULL;
    const int used = snprintf(
        header, 100, "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    memset(header + used, ' ', length[i] - (size_t) used);
    header[length[i]] = '\0';
    write_raw(length[i], header, &(float){1}, sizeof(float));
    assert_int_equal(es_file_kind_of(path), ES_FILE_SAFETENSORS);
    assert_int_equal(es_safetensors_open(path, &f), ES_OK);
    es_safetensors_close(&f);
  }
  free(header);
  FILE *const f = fopen(path, "wb"); /* pickle.dumps({'a': 1, 'b': 2}, 2) */
  assert_non_null(f);
  fputs("\x80\x02}q", f);
  fwrite("\0(X\1\0\0\0aq\1K\1X\1\0\0\0bq\2K\2u.", 1, 25, f);
  fclose(f);
  assert_int_equal(es_file_kind_of(path), ES_FILE_PICKLE);
}

static int cleanup(void **state) {
  (void) state;
  unlink(path);
  return 0;
}

int main(void) {
  snprintf(path, sizeof path, "tmp_%ld.safetensors", (long) getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(round_trip, cleanup),
      cmocka_unit_test_teardown(other_types, cleanup),
      cmocka_unit_test_teardown(malformed_headers_are_rejected, cleanup),
      cmocka_unit_test_teardown(truncated_files_are_rejected, cleanup),
      cmocka_unit_test_teardown(refused_writes, cleanup),
      cmocka_unit_test_teardown(any_length_of_header_is_known, cleanup),
      cmocka_unit_test_teardown(python, cleanup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
