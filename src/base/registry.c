/* SPDX-License-Identifier: BSD-3-Clause */
/** @file registry.c  Look up variants by name; suggest the nearest name for a misspelt
 *  one.
 *
 *  Distance: optimal string alignment (Damerau-Levenshtein with adjacent transpositions),
 *  case-insensitive. */
#include "eigenstep/registry.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 127 };

static int min_int(int a, int b) {
  return a < b ? a : b;
}

static bool same(char a, char b) {
  return tolower((unsigned char) a) == tolower((unsigned char) b);
}

/** Number of insertions, deletions, replacements and transpositions from a[n] to b[m]. */
static int distance(const char *a, int n, const char *b, int m) {
  int rows[3][LONGEST + 1];
  int *before = rows[0], *last = rows[1], *row = rows[2];
  for (int j = 0; j <= m; j++) row[j] = j;
  for (int i = 1; i <= n; i++) {
    int *const recycled = before;
    before = last;
    last = row;
    row = recycled;
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      const bool equal = same(a[i - 1], b[j - 1]);
      row[j] = min_int(min_int(last[j], row[j - 1]) + 1, last[j - 1] + !equal);
      const bool swapped =
          i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
      if (swapped) row[j] = min_int(row[j], before[j - 2] + 1);
    }
  }
  return row[m];
}

/** Is `brief` the initials of the words of `name`, as lr of learning_rate? Both behind
 *  the last dot; what comes before it is the same. */
static bool is_initials(const char *brief, const char *name) {
  const char *const a = strrchr(brief, '.'), *const b = strrchr(name, '.');
  const char *at = a != NULL ? a + 1 : brief, *word = b != NULL ? b + 1 : name;
  if (at - brief != word - name || strncmp(brief, name, (size_t) (at - brief)) != 0)
    return false;
  for (; *at != '\0' && word != NULL && same(*at, *word); at++) {
    const char *const gap = strchr(word, '_');
    word = gap != NULL ? gap + 1 : NULL;
  }
  return *at == '\0' && word == NULL;
}

const char *es_nearest(const char *name, const char *const *candidates, size_t n) {
  const size_t length = strlen(name);
  if (length == 0 || length > LONGEST) return NULL;
  for (size_t i = 0; i < n; i++)
    if (is_initials(candidates[i], name) || is_initials(name, candidates[i]))
      return candidates[i];
  const char *best = NULL;
  int best_distance =
      (int) length / 3 + (length < 3) + 1; /* up to a third of the letters may differ */
  for (size_t i = 0; i < n; i++) {
    const size_t other = strlen(candidates[i]);
    if (other > LONGEST) continue;
    const int d = distance(name, (int) length, candidates[i], (int) other);
    if (d >= best_distance || d >= (int) length) continue;
    best = candidates[i];
    best_distance = d;
  }
  return best;
}

/** The names as "a, b, c". */
static void join(const char *const *names, size_t n, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (size_t i = 0; i < n && used < size; i++)
    used +=
        (size_t) snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);
}

es_status es_registry_find(const char *kind, const char *name, const void *const *list,
                           size_t n, const void **found) {
  enum { MAX = 256 };
  const char *names[MAX] = {NULL};
  ES_CHECK(n <= MAX, ES_EINTERNAL, "%s: got %zu kinds, expected at most %d", kind, n,
           MAX);
  for (size_t i = 0; i < n; i++) {
    names[i] = ((const es_variant *) list[i])->name;
    if (strcmp(names[i], name) != 0) continue;
    *found = list[i];
    return ES_OK;
  }
  char known[1024];
  join(names, n, known, sizeof known);
  const char *near = es_nearest(name, names, n);
  for (size_t i = 0; i < n && near == NULL && strlen(name) >= 3; i++)
    if (strstr(names[i], name) != NULL) near = names[i];
  if (near != NULL)
    es_error("unknown %s '%s' (known: %s); did you mean '%s'?", kind, name, known, near);
  else
    es_error("unknown %s '%s' (known: %s)", kind, name, known);
  return ES_ECONFIG;
}
