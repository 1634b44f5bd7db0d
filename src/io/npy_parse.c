/* SPDX-License-Identifier: BSD-3-Clause */
/** @file npy_parse.c  The header of a .npy file: a Python dictionary of three entries,
 *  {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
 *  Format: https://numpy.org/neps/nep-0001-npy-format.html. */
#include <string.h>
#include "array_private.h"

/* What is left of the text. */
typedef struct text {
  const char *at, *end;
} text;

static void skip_blanks(text *t) {
  while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t')) t->at++;
}

/* Take `what` if it comes next. */
static bool take(text *t, const char *what) {
  const size_t n = strlen(what);
  skip_blanks(t);
  if ((size_t) (t->end - t->at) < n || memcmp(t->at, what, n) != 0) return false;
  t->at += n;
  return true;
}

/* A quoted word of fewer than `size` characters. */
static bool take_word(text *t, char *word, size_t size) {
  skip_blanks(t);
  if (t->at == t->end || (*t->at != '\'' && *t->at != '"')) return false;
  const char quote = *t->at++;
  size_t n = 0;
  while (t->at < t->end && *t->at != quote && n + 1 < size) word[n++] = *t->at++;
  word[n] = '\0';
  if (t->at == t->end || *t->at != quote) return false;
  t->at++;
  return true;
}

static bool take_count(text *t, int64_t *value) {
  int64_t n = 0;
  int digits = 0;
  skip_blanks(t);
  for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, digits++) {
    if (digits > 18) return false;
    n = 10 * n + (*t->at - '0');
  }
  *value = n;
  return digits > 0;
}

/* "(3, 4)", "(3,)", "()". */
static bool take_shape(text *t, es_array_info *info) {
  info->ndim = 0;
  if (!take(t, "(")) return false;
  while (!take(t, ")")) {
    if (info->ndim == ES_ARRAY_DIMS) return false;
    if (!take_count(t, &info->dim[info->ndim])) return false;
    info->ndim++;
    if (!take(t, ",")) return take(t, ")");
  }
  return true;
}

/* "<f8": byte order, class, bytes. */
static bool find_type(const char *word, es_number *t) {
  static const char class[] = "fiub";
  static const es_number_class of[] = {ES_NUMBER_FLOAT, ES_NUMBER_SIGNED,
                                       ES_NUMBER_UNSIGNED, ES_NUMBER_UNSIGNED};
  const char *k = word[0] != '\0' && word[1] != '\0' ? strchr(class, word[1]) : NULL;
  if (k == NULL || strchr("<>|=", word[0]) == NULL || word[2] == '\0' || word[3] != '\0')
    return false;
  *t = (es_number){of[k - class], word[2] - '0', word[0] == '>'};
  return es_number_exists(*t) && (*k != 'b' || t->size == 1);
}

/* One entry; found: a bit for each of the three keys. */
static bool take_entry(text *t, char type[32], es_array_file *a, int *found) {
  char key[32];
  if (!take_word(t, key, sizeof key) || !take(t, ":")) return false;
  if (strcmp(key, "descr") == 0) {
    *found |= 1;
    return take_word(t, type, 32);
  }
  if (strcmp(key, "fortran_order") == 0) {
    *found |= 2;
    a->fortran = take(t, "True");
    return a->fortran || take(t, "False");
  }
  *found |= 4;
  return strcmp(key, "shape") == 0 && take_shape(t, &a->info);
}

es_status es_npy_parse(const char *path, const char *header, size_t n, es_array_file *a) {
  text t = {header, header + n};
  char type[32] = "";
  int found = 0;
  bool good = take(&t, "{");
  while (good && !take(&t, "}")) {
    good = take_entry(&t, type, a, &found);
    if (good && !take(&t, ",")) good = take(&t, "}") && (t.at--, true);
  }
  skip_blanks(&t);
  ES_CHECK(good && found == 7 && t.at == t.end, ES_EFORMAT,
           "'%s': the header of the .npy file cannot be understood, expected descr (one "
           "type), fortran_order and shape",
           path);
  ES_CHECK(find_type(type, &a->type), ES_EFORMAT,
           "'%s': got numbers of type '%s', expected f2, f4, f8, integers or bool; "
           "convert them: numpy.save(FILE, x.astype('f8'))",
           path, type);
  return ES_OK;
}
