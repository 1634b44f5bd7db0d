/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_param_text.c  Parameters as INI text: reading, refusing, writing, reading
 * back. */
#include "param_toy.h"

static void text_is_read(void **state) {
  static const char text[] =
      "\xEF\xBB\xBF# a comment line\r\n"
      "; another\r\n"
      "\n"
      "[toy]   # the section\r\n"
      "steps = 1e6 # with a comment\n"
      "  lr=2.5e-3 ; with another\n"
      "\tcenter : yes\n"
      "path = /data/a#b;c/x = y  # '#' inside a word is the word's\n"
      "normalize = running\n"
      "widths = 8,16 , 32\n"
      "[loss]\n"
      "tiny.width = -0.5"; /* no line end */
  es_config *cfg = config(state);
  toy t;
  tiny y;
  assert_int_equal(es_config_read_text(cfg, text, "run.ini"), ES_OK);
  assert_int_equal(es_config_check(cfg, sections, N_SECTIONS), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_OK);
  assert_int_equal(es_config_get(cfg, "loss.tiny", tiny_table, NULL, sizeof y, &y),
                   ES_OK);
  assert_int_equal(t.steps, 1000000);
  assert_true(t.lr == 2.5e-3);
  assert_true(t.center);
  assert_string_equal(t.path, "/data/a#b;c/x = y");
  assert_int_equal(t.normalize, 2);
  assert_int_equal(t.widths.n, 3);
  assert_true(t.widths.v[0] == 8 && t.widths.v[1] == 16 && t.widths.v[2] == 32);
  assert_true(y.width == -0.5);
  assert_string_equal(es_config_given(cfg, "toy", "steps"), "1e6");
  assert_null(es_config_given(cfg, "toy", "stepz"));
}

static void wrong_text_names_its_line(void **state) {
  static const struct {
    const char *text, *message;
  } bad[] = {
      {"[toy]\nsteps 5\n", "run.ini:2: expected [section] or key = value"},
      {"steps = 5\n",
       "run.ini:1: got 'steps' before any section, expected a [section] line "
       "first"},
      {"[toy]\nsteps = 1\n\n\nsteps = 2\n",
       "run.ini:5: got 'toy.steps' a second time, expected each key once"},
      {"[toy]\nsteps = 1\n[loss]\n[toy]\nsteps = 2\n",
       "run.ini:5: got 'toy.steps' a second time, expected each key once"},
      {"\n[toy\nsteps = 1\n",
       "run.ini:2: got '[toy', expected [section] alone on its line"},
      {"[toy] steps = 1\n",
       "run.ini:1: got '[toy] steps = 1', expected [section] alone on its line"},
      {"[a b]\n", "run.ini:1: got section 'a b', expected letters, digits, '_', '-' and "
                  "'.', at most 49 of them"},
      {"[a.very.long.section.name.that.the.library.would.cut.short]\n",
       "run.ini:1: got section "
       "'a.very.long.section.name.that.the.library.would.cut.short', "
       "expected letters, digits, '_', '-' and '.', at most 49 of them"},
      {"[toy]\nl r = 1\n",
       "run.ini:2: got key 'l r', expected letters, digits, '_', '-' and '.'"},
      {"[toy]\npath =#1\n",
       "run.ini:2: got 'path = #1', expected a blank before the comment, or a value that "
       "does not start with '#' or ';'"},
      {"[toy]\n= 1\n",
       "run.ini:2: got key '', expected letters, digits, '_', '-' and '.'"},
  };
  (void) state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    es_config *cfg;
    assert_int_equal(es_config_create(&cfg), ES_OK);
    assert_int_equal(es_config_read_text(cfg, bad[i].text, "run.ini"), ES_ECONFIG);
    assert_string_equal(es_log_last_error(), bad[i].message);
    es_config_destroy(&cfg);
  }
}

static void long_lines_are_whole_or_refused(void **state) {
  es_config *cfg = config(state);
  char text[6000], value[ES_STRING_MAX];
  memset(value, 'v', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  snprintf(text, sizeof text, "[toy]\n\npath = %s\nlr = 3\n", value);
  toy t;
  assert_int_equal(es_config_read_text(cfg, text, "run.ini"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_OK);
  assert_string_equal(t.path, value);
  assert_true(t.lr == 3);
  snprintf(text, sizeof text, "toy.path=%sv", value); /* one more than fits */
  assert_int_equal(es_config_set(cfg, text), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_ECONFIG);

  memset(text, 'v', 5000);
  memcpy(text, "[toy]\npath =", 12);
  text[5000] = '\0';
  assert_int_equal(es_config_read_text(cfg, text, "long.ini"), ES_ECONFIG);
  assert_string_equal(es_log_last_error(),
                      "long.ini:2: got a line of 4994 characters, expected at most 4095");
  memset(text + 1500, ' ', 3000);
  text[1500] = '\0';
  assert_int_equal(es_config_read_text(cfg, text, "long.ini"), ES_OK);
  assert_int_equal(es_config_check(cfg, sections, N_SECTIONS), ES_ECONFIG);
  assert_non_null(
      strstr(es_log_last_error(), "', expected text of at most 1023 characters"));
}

static void assert_same(const toy *a, const toy *b) {
  assert_int_equal(a->steps, b->steps);
  assert_true(a->lr == b->lr);
  assert_true(a->center == b->center);
  assert_string_equal(a->path, b->path);
  assert_int_equal(a->normalize, b->normalize);
  assert_int_equal(a->widths.n, b->widths.n);
  for (int i = 0; i < a->widths.n; i++) assert_true(a->widths.v[i] == b->widths.v[i]);
}

static void written_text_reads_back(void **state) {
  es_config *cfg = config(state), *again;
  static const char *const given[] = {
      "toy.steps=5",           "toy.lr=0.30000000000000004", "toy.path=/a b/c=d#e",
      "toy.center=on",         "toy.normalize=none",         "toy.widths=0x10, 1e3",
      "view2.toy.widths=none", "loss.tiny.width=-1"};
  for (size_t i = 0; i < sizeof given / sizeof given[0]; i++)
    assert_int_equal(es_config_set(cfg, given[i]), ES_OK);
  toy a, b;
  tiny y;
  for (int annotated = 0; annotated <= 1; annotated++) {
    char *text, *second;
    assert_int_equal(es_config_text(cfg, sections, N_SECTIONS, annotated, &text), ES_OK);
    assert_int_equal(es_config_create(&again), ES_OK);
    assert_int_equal(es_config_read_text(again, text, "written"), ES_OK);
    assert_int_equal(es_config_check(again, sections, N_SECTIONS), ES_OK);
    assert_int_equal(get_toy(cfg, "toy", NULL, &a), ES_OK);
    assert_int_equal(get_toy(again, "toy", NULL, &b), ES_OK);
    assert_same(&a, &b);
    assert_int_equal(get_toy(cfg, "view2.toy", &a, &a), ES_OK);
    assert_int_equal(get_toy(again, "view2.toy", &b, &b), ES_OK);
    assert_same(&a, &b);
    assert_int_equal(b.widths.n, 0);
    assert_int_equal(es_config_get(again, "loss.tiny", tiny_table, NULL, sizeof y, &y),
                     ES_OK);
    assert_true(y.width == -1);
    assert_int_equal(es_config_text(again, sections, N_SECTIONS, annotated, &second),
                     ES_OK);
    assert_string_equal(text, second);
    es_free(&text);
    es_free(&second);
    es_config_destroy(&again);
  }
}

/** What the second view takes from the first is still taken after writing and reading. */
static void written_text_keeps_the_base(void **state) {
  es_config *cfg = config(state), *again;
  char *text;
  toy first, second;
  assert_int_equal(es_config_set(cfg, "toy.lr=7"), ES_OK);
  assert_int_equal(es_config_text(cfg, sections, N_SECTIONS, false, &text), ES_OK);
  assert_non_null(strstr(text, "[view2.toy]\n# steps = 100\n# lr = 7\n"));
  assert_int_equal(es_config_create(&again), ES_OK);
  assert_int_equal(es_config_read_text(again, text, "written"), ES_OK);
  es_free(&text);
  assert_int_equal(es_config_set(again, "toy.lr=8"), ES_OK);
  assert_int_equal(get_toy(again, "toy", NULL, &first), ES_OK);
  assert_int_equal(get_toy(again, "view2.toy", &first, &second), ES_OK);
  assert_true(second.lr == 8);
  es_config_destroy(&again);
}

static void annotation_documents_each_row(void **state) {
  es_config *cfg = config(state);
  char *text;
  assert_int_equal(es_config_text(cfg, sections + 1, 1, true, &text), ES_OK);
  assert_string_equal(text, "# ---- a loss\n"
                            "[loss.tiny]\n"
                            "# width of the blur.; a number in [-1, 1], in px\n"
                            "width = 1\n");
  es_free(&text);
}

typedef struct collected {
  int n;
  char text[2048];
} collected;

static void collect(void *ctx, const char *key, const char *value) {
  collected *s = ctx;
  s->n++;
  strcat(strcat(strcat(strcat(s->text, key), "="), value), "\n");
}

static void unused_and_effective_values(void **state) {
  es_config *cfg = config(state);
  toy t;
  collected unused = {0}, each = {0};
  assert_int_equal(es_config_set(cfg, "toy.lr=7"), ES_OK);
  assert_int_equal(es_config_set(cfg, "loss.tiny.width=0.5"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_OK);
  es_config_unused(cfg, collect, &unused);
  assert_string_equal(unused.text, "loss.tiny.width=0.5\n");
  es_config_each(cfg, sections, N_SECTIONS, collect, &each);
  assert_int_equal(each.n, 13);
  assert_non_null(strstr(each.text, "toy.lr=7\ntoy.center=false\n"));
  assert_non_null(strstr(each.text, "view2.toy.steps=100\nview2.toy.lr=7\n"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(text_is_read),
      TEST(wrong_text_names_its_line),
      TEST(long_lines_are_whole_or_refused),
      TEST(written_text_reads_back),
      TEST(written_text_keeps_the_base),
      TEST(annotation_documents_each_row),
      TEST(unused_and_effective_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
