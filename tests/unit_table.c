/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_table.c  Text tables: aligned, appended to, readable by columns. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/table.h"

static char path[64];

static const es_column columns[] = {
    {"step", "1", 6, "%.0f"}, {"loss", "1", 9, "%.4g"}, {"speed", "img/s", 8, "%.1f"}};

static void read_back(char *text, size_t size) {
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  text[fread(text, 1, size - 1, f)] = '\0';
  fclose(f);
}

static void rows(void **state) {
  (void) state;
  const double a[] = {1, 0.123456, 100.04}, b[] = {20, NAN, 1e9};
  char text[1024];
  es_table *t = NULL;
  assert_int_equal(es_table_create(path, false, columns, 3, &t), ES_OK);
  assert_int_equal(es_table_row(t, a), ES_OK);
  read_back(text, sizeof text); /* a row is there at once */
  assert_string_equal(text, "#   step      loss    speed\n"
                            "#    [1]       [1]  [img/s]\n"
                            "       1    0.1235    100.0\n");
  assert_int_equal(es_table_close(&t), ES_OK);
  assert_null(t);
  assert_int_equal(es_table_create(path, false, columns, 3, &t), ES_OK); /* a resume */
  assert_int_equal(es_table_row(t, b), ES_OK);
  assert_int_equal(es_table_close(&t), ES_OK);
  read_back(text, sizeof text);
  assert_non_null(strstr(text, "    100.0\n      20         - 1000000000.0\n"));
  assert_ptr_equal(strstr(text, "step"), text + 4); /* one header only */
  assert_null(strstr(text + 8, "step"));
}

static void no_table(void **state) {
  (void) state;
  es_table *t = NULL;
  assert_int_equal(es_table_row(t, NULL), ES_OK); /* ranks other than 0 */
  assert_int_equal(es_table_close(&t), ES_OK);
  assert_int_equal(es_table_create("no/such/folder", false, columns, 3, &t), ES_EIO);
  assert_int_equal(es_table_create(NULL, false, columns, 0, &t), ES_EARG);
  assert_null(t);
  assert_int_equal(es_table_create(NULL, false, columns, 3, &t), ES_OK);
  assert_int_equal(es_table_row(t, (const double[]){1, 2, 3}), ES_OK);
  assert_int_equal(es_table_close(&t), ES_OK);
}

static void full(void **state) {
  (void) state;
  es_table *t = NULL;
  if (access("/dev/full", W_OK) != 0) skip();
  assert_int_equal(es_table_create("/dev/full", false, columns, 3, &t), ES_EIO);
  assert_null(t);
}

static int cleanup(void **state) {
  (void) state;
  unlink(path);
  return 0;
}

int main(void) {
  snprintf(path, sizeof path, "tmp_%ld.txt", (long) getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(rows, cleanup),
      cmocka_unit_test(no_table),
      cmocka_unit_test(full),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
