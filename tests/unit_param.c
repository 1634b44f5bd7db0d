/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_param.c  Parameters: types, bounds, messages, precedence, bases, lists. */
#include "param_toy.h"

#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

static void defaults_fill_the_struct(void **state) {
  toy t;
  memset(&t, 0xFF, sizeof t);
  assert_int_equal(get_toy(config(state), "toy", NULL, &t), ES_OK);
  assert_int_equal(t.steps, 100);
  assert_true(t.lr == 0.1);
  assert_false(t.center);
  assert_string_equal(t.path, "");
  assert_int_equal(t.normalize, 1);
  assert_int_equal(t.widths.n, 2);
  assert_true(t.widths.v[0] == 2048 && t.widths.v[1] == 64);
}

static void wrong_values_get_one_sentence(void **state) {
  static const struct {
    const char *assignment, *message;
  } bad[] = {
      {"toy.lr=-1", "toy.lr: got -1, expected a number in [0, inf) (learning rate)"},
      {"toy.lr=inf", "toy.lr: got inf, expected a number in [0, inf) (learning rate)"},
      {"toy.lr=nan", "toy.lr: got nan, expected a number in [0, inf) (learning rate)"},
      {"toy.lr=1e999",
       "toy.lr: got 1e999, expected a number in [0, inf) (learning rate)"},
      {"toy.lr=", "toy.lr: got '', expected a number in [0, inf) (learning rate)"},
      {"toy.lr=1x", "toy.lr: got 1x, expected a number in [0, inf) (learning rate)"},
      {"toy.steps=1.5",
       "toy.steps: got 1.5, expected a whole number in [0, inf) (number of steps)"},
      {"toy.steps=9223372036854775808", "toy.steps: got 9223372036854775808, expected a "
                                        "whole number in [0, inf) (number of steps)"},
      {"toy.steps=1e300", "toy.steps: got 1e300, expected a whole number in [0, inf) "
                          "(number of steps)"},
      {"toy.steps=-1",
       "toy.steps: got -1, expected a whole number in [0, inf) (number of steps)"},
      {"toy.center=maybe",
       "toy.center: got 'maybe', expected true or false (subtract the mean)"},
      {"toy.normalize=bach", "toy.normalize: got 'bach', expected one of none, batch, "
                             "running (what to divide by); did you mean 'batch'?"},
      {"toy.normalize=bat", "toy.normalize: got 'bat', expected one of none, batch, "
                            "running (what to divide by)"},
      {"toy.widths=1,,2", "toy.widths: got '1,,2', expected at most 64 numbers in [1, "
                          "1000000], separated by commas (widths of the layers)"},
      {"toy.widths=1, 0", "toy.widths: got '1, 0', expected at most 64 numbers in [1, "
                          "1000000], separated by commas (widths of the layers)"},
      {"loss.tiny.width=1.01",
       "loss.tiny.width: got 1.01, expected a number in [-1, 1] (width of the blur)"},
  };
  (void) state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    es_config *cfg;
    assert_int_equal(es_config_create(&cfg), ES_OK);
    assert_int_equal(es_config_set(cfg, bad[i].assignment), ES_OK);
    assert_int_equal(es_config_check(cfg, sections, N_SECTIONS), ES_ECONFIG);
    assert_string_equal(es_log_last_error(), bad[i].message);
    es_config_destroy(&cfg);
  }
}

static void a_word_may_stand_for_a_number(void **state) {
  static const es_param table[] = {
      ES_DOUBLE_OR(tiny, width, "auto", 0, 1, "1", "auto", "width"), ES_PARAM_END};
  static const es_section section = {.name = "word", .table = table};
  es_config *cfg = config(state);
  tiny y = {0};
  assert_int_equal(es_config_get(cfg, "word", table, NULL, sizeof y, &y), ES_OK);
  assert_true(isnan(y.width));
  assert_int_equal(es_config_set(cfg, "word.width=0.5"), ES_OK);
  assert_int_equal(es_config_get(cfg, "word", table, NULL, sizeof y, &y), ES_OK);
  assert_true(y.width == 0.5);
  es_string text;
  es_config_canonical("word.width", "auto", &section, 1, text);
  assert_string_equal(text, "auto");
  es_config_canonical("word.width", "5e-1", &section, 1, text);
  assert_string_equal(text, "0.5");
  assert_int_equal(es_config_set(cfg, "word.width=automatic"), ES_OK);
  assert_int_equal(es_config_check(cfg, &section, 1), ES_ECONFIG);
  assert_string_equal(
      es_log_last_error(),
      "word.width: got automatic, expected a number in [0, 1], or auto (width)");
}

static void bounds_are_inclusive(void **state) {
  es_config *cfg = config(state);
  tiny y;
  for (int sign = -1; sign <= 1; sign += 2) {
    char text[64];
    snprintf(text, sizeof text, "loss.tiny.width = %d", sign);
    assert_int_equal(es_config_set(cfg, text), ES_OK);
    assert_int_equal(es_config_get(cfg, "loss.tiny", tiny_table, NULL, sizeof y, &y),
                     ES_OK);
    assert_true(y.width == sign);
  }
}

static void failed_get_writes_nothing(void **state) {
  es_config *cfg = config(state);
  toy t = {.steps = 77, .lr = 5};
  assert_int_equal(es_config_set(cfg, "toy.lr=-2"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_ECONFIG);
  assert_true(t.steps == 77 && t.lr == 5);
}

static void unknown_keys_are_refused(void **state) {
  static const struct {
    const char *assignment, *message;
  } bad[] = {
      {"toy.step=1", "unknown parameter 'toy.step'; did you mean 'toy.steps'?"},
      {"los.tiny.width=1",
       "unknown parameter 'los.tiny.width'; did you mean 'loss.tiny.width'?"},
      {"toy.steps.x=1", "unknown parameter 'toy.steps.x'; did you mean 'toy.steps'?"},
      {"completely.different=1", "unknown parameter 'completely.different'; 'eigenstep "
                                 "params' lists all parameters"},
  };
  (void) state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    es_config *cfg;
    assert_int_equal(es_config_create(&cfg), ES_OK);
    assert_int_equal(es_config_set(cfg, bad[i].assignment), ES_OK);
    assert_int_equal(es_config_check(cfg, sections, N_SECTIONS), ES_ECONFIG);
    assert_string_equal(es_log_last_error(), bad[i].message);
    es_config_destroy(&cfg);
  }
}

static void later_values_win(void **state) {
  es_config *cfg = config(state);
  toy t;
  assert_int_equal(es_config_read_text(cfg, "[toy]\nlr = 1\nsteps = 1\n", "a"), ES_OK);
  assert_int_equal(es_config_read_text(cfg, "[toy]\nlr = 2\n", "b"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_OK);
  assert_true(t.lr == 2 && t.steps == 1);
  assert_int_equal(es_config_set(cfg, "toy.lr=3"), ES_OK);
  assert_int_equal(es_config_set(cfg, " toy.lr = 4 "), ES_OK);
  assert_int_equal(es_config_set(cfg, "toy.path=a=b"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &t), ES_OK);
  assert_true(t.lr == 4 && t.steps == 1);
  assert_string_equal(t.path, "a=b");
}

typedef struct knn {
  int64_t k;
} knn;

static const es_param knn_table[] = {
    ES_INT(knn, k, "5", 1, 100, "1", "neighbours"),
    ES_PARAM_END,
};

static bool file_has(const char *path, const char *text) {
  char line[400] = "";
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  while (fgets(line, sizeof line, f) != NULL && strstr(line, text) == NULL) line[0] = 0;
  fclose(f);
  return line[0] != '\0';
}

static void former_names_are_accepted(void **state) {
  const es_section now = {.name = "accuracy.knn", .table = knn_table, .doc = "renamed"};
  es_config *cfg = config(state);
  knn v;
  assert_int_equal(es_config_set(cfg, "probe.knn.k=7"), ES_OK);
  assert_string_equal(es_config_given(cfg, "accuracy.knn", "k"), "7");
  assert_null(es_config_given(cfg, "probe.knn", "k"));
  assert_true(es_log_file("unit_param.log"));
  assert_int_equal(es_config_check(cfg, &now, 1), ES_OK);
  es_log_file(NULL);
  assert_true(file_has("unit_param.log", "'probe.knn.k' is now 'accuracy.knn.k'"));
  remove("unit_param.log");
  assert_int_equal(es_config_get(cfg, "accuracy.knn", knn_table, NULL, sizeof v, &v),
                   ES_OK);
  assert_int_equal(v.k, 7);
  /* one value under both names: in two texts the later wins, in one it is given twice */
  assert_int_equal(es_config_read_text(cfg, "[accuracy.knn]\nk = 8\n", "a"), ES_OK);
  assert_string_equal(es_config_given(cfg, "accuracy.knn", "k"), "8");
  assert_int_equal(
      es_config_read_text(cfg, "[probe.knn]\nk = 1\n[accuracy.knn]\nk = 2\n", "b"),
      ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(), "'accuracy.knn.k' a second time"));
}

static void malformed_overrides_are_refused(void **state) {
  static const char *const bad[] = {
      "toy.lr",    "lr=1",          "=1",          ".lr=1",        "toy.=1", "",
      "t oy.lr=1", "toy.path=a #b", "toy.path=;b", "toy.path=a\nb"};
  es_config *cfg = config(state);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(es_config_set(cfg, bad[i]), ES_ECONFIG);
  es_config_set(cfg, "lr=1");
  assert_string_equal(es_log_last_error(), "override 'lr=1': expected section.key=value");
}

static void base_struct_gives_what_is_not_given(void **state) {
  es_config *cfg = config(state);
  toy first, second;
  assert_int_equal(es_config_set(cfg, "toy.lr=7"), ES_OK);
  assert_int_equal(es_config_set(cfg, "toy.path=/x"), ES_OK);
  assert_int_equal(es_config_set(cfg, "view2.toy.steps=3"), ES_OK);
  assert_int_equal(get_toy(cfg, "toy", NULL, &first), ES_OK);
  assert_int_equal(get_toy(cfg, "view2.toy", &first, &second), ES_OK);
  assert_true(second.lr == 7 && second.steps == 3 && first.steps == 100);
  assert_string_equal(second.path, "/x");
  assert_int_equal(second.widths.n, 2);
  assert_int_equal(get_toy(cfg, "view2.toy", &first, &first), ES_OK); /* in place */
  assert_true(first.lr == 7 && first.steps == 3);
}

static void home_folders_are_found(void **state) {
  const struct passwd *const me = getpwuid(getuid());
  char want[1024], text[600];
  toy t;
  if (me == NULL || me->pw_dir[0] != '/') skip();
  snprintf(want, sizeof want, "%s/a b", me->pw_dir);
  assert_int_equal(es_config_set(config(state), "toy.path=~/a b"), ES_OK);
  assert_int_equal(get_toy(config(state), "toy", NULL, &t), ES_OK);
  assert_string_equal(t.path, want);
  snprintf(text, sizeof text, "toy.path=~%s/a b", me->pw_name);
  assert_int_equal(es_config_set(config(state), text), ES_OK);
  assert_int_equal(get_toy(config(state), "toy", NULL, &t), ES_OK);
  assert_string_equal(t.path, want);
  assert_int_equal(es_config_set(config(state), "toy.path=~no-such-user/x"), ES_OK);
  assert_int_equal(get_toy(config(state), "toy", NULL, &t), ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(),
                         "toy.path: got '~no-such-user/x', of a user "
                         "without a home folder"));
  assert_string_equal(t.path, want);
}

/** In a child process, as a user whom the system knows by number only. */
static void users_without_an_entry_are_told(void **state) {
  enum { NOBODY = 3999999, ALRIGHT = 42 };
  toy t;
  int how = 0;
  if (getuid() != 0 || getpwuid(NOBODY) != NULL) skip();
  assert_int_equal(es_config_set(config(state), "toy.path=~/x"), ES_OK);
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    const bool said = setuid(NOBODY) == 0 &&
                      get_toy(config(state), "toy", NULL, &t) == ES_ECONFIG &&
                      strstr(es_log_last_error(), "no home folder for the user") != NULL;
    _exit(said ? ALRIGHT : 1);
  }
  assert_int_equal(waitpid(child, &how, 0), child);
  assert_true(WIFEXITED(how) && WEXITSTATUS(how) == ALRIGHT);
}

static void many_values_fit(void **state) {
  es_config *cfg = config(state);
  for (int i = 0; i < 500; i++) {
    char text[64];
    snprintf(text, sizeof text, "many.k%d=%d", i, i * i);
    assert_int_equal(es_config_set(cfg, text), ES_OK);
  }
  assert_string_equal(es_config_given(cfg, "many", "k499"), "249001");
  assert_string_equal(es_config_given(cfg, "many", "k0"), "0");
}

static void lists_are_split(void **state) {
  (void) state;
  char items[3][64], big[80];
  size_t n = 9;
  assert_int_equal(es_split("a.list", " crop,flip , blur ", 3, items, &n), ES_OK);
  assert_int_equal(n, 3);
  assert_string_equal(items[0], "crop");
  assert_string_equal(items[1], "flip");
  assert_string_equal(items[2], "blur");
  assert_int_equal(es_split("a.list", "a,b,c,d", 3, items, &n), ES_ECONFIG);
  assert_non_null(strstr(es_log_last_error(), "a.list: got"));
  assert_int_equal(es_split("a.list", "a,", 3, items, &n), ES_ECONFIG);
  memset(big, 'x', 64);
  big[64] = '\0';
  assert_int_equal(es_split("a.list", big, 3, items, &n), ES_ECONFIG);
  assert_int_equal(n, 3);
  assert_int_equal(es_split("a.list", big + 1, 3, items, &n), ES_OK);
  assert_int_equal(n, 1);
  assert_int_equal(es_split("a.list", "", 3, items, &n), ES_OK);
  assert_int_equal(n, 0);
  n = 9;
  assert_int_equal(es_split("a.list", " none ", 3, items, &n), ES_OK);
  assert_int_equal(n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(defaults_fill_the_struct),
      TEST(wrong_values_get_one_sentence),
      TEST(a_word_may_stand_for_a_number),
      TEST(bounds_are_inclusive),
      TEST(failed_get_writes_nothing),
      TEST(unknown_keys_are_refused),
      TEST(later_values_win),
      TEST(malformed_overrides_are_refused),
      TEST(former_names_are_accepted),
      TEST(base_struct_gives_what_is_not_given),
      TEST(home_folders_are_found),
      TEST(users_without_an_entry_are_told),
      TEST(many_values_fit),
      TEST(lists_are_split),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
