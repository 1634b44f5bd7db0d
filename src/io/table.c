/* SPDX-License-Identifier: BSD-3-Clause */
/** @file table.c  Fixed-width tables: two header lines (names, units), then rows.
 *
 *  Each row is flushed, so that `tail -f timesteps.txt` follows a run. */
#include "eigenstep/table.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"

enum { LINE_BYTES = 1024, HEADER_EVERY = 40 };

struct es_table {
  es_column *col; /* owned copy; the strings inside are borrowed */
  int n;
  FILE *file; /* NULL: terminal only */
  char *path;
  bool echo;
  int64_t echoed;
};

/* Append one right-aligned cell; the line never overflows. */
static void put(char *line, int width, const char *cell) {
  const size_t used = strlen(line);
  snprintf(line + used, LINE_BYTES - used, "%s%*s", used ? " " : "", width, cell);
}

/* Line 0: names after "#", line 1: units. */
static void header(const es_table *t, int which, char *line) {
  line[0] = '\0';
  for (int i = 0; i < t->n; i++) {
    char cell[64];
    const es_column *c = &t->col[i];
    const char *form = which && c->unit[0] != '\0' ? "[%s]" : "%s";
    snprintf(cell, sizeof cell, form, which ? c->unit : c->name);
    put(line, c->width, cell);
  }
}

static es_status write_line(es_table *t, const char *prefix, const char *line) {
  const bool ok = fprintf(t->file, "%s%s\n", prefix, line) >= 0 && fflush(t->file) == 0;
  ES_CHECK(ok, ES_EIO, "cannot write %s: %s", t->path, strerror(errno));
  return ES_OK;
}

/* Header lines of the file begin with '#', for gnuplot and numpy.loadtxt. */
static es_status open_file(es_table *t, const char *path) {
  char line[LINE_BYTES];
  ES_TRY(es_strdup(path, &t->path));
  t->file = fopen(path, "a");
  ES_CHECK(t->file, ES_EIO, "cannot open %s: %s", path, strerror(errno));
  struct stat s;
  const bool old = fstat(fileno(t->file), &s) == 0 && s.st_size > 0;
  for (int i = 0; i < 2 && !old; i++) {
    header(t, i, line);
    ES_TRY(write_line(t, "# ", line));
  }
  return ES_OK;
}

es_status es_table_create(const char *path, bool echo, const es_column *col, int n,
                          es_table **out) {
  int width = 0;
  for (int i = 0; i < n; i++) width += col[i].width + 1;
  ES_CHECK(n > 0 && width < LINE_BYTES, ES_EARG,
           "a table of %d columns, %d characters wide, expected 1 to %d", n, width,
           LINE_BYTES - 1);
  es_table *t = NULL;
  ES_TRY(ES_NEW(1, &t));
  t->n = n;
  t->echo = echo;
  es_status st = ES_NEW(n, &t->col);
  if (st == ES_OK) memcpy(t->col, col, (size_t) n * sizeof *col);
  if (st == ES_OK && path) st = open_file(t, path);
  if (st != ES_OK) {
    es_table_close(&t);
    return st;
  }
  *out = t;
  return ES_OK;
}

/* The line at `at` is a row of a step after `last`. */
static bool is_later(const char *at, double last) {
  double step;
  return *at != '#' && sscanf(at, "%lf", &step) == 1 && step > last;
}

es_status es_table_keep(const char *path, double last) {
  char *text = NULL;
  struct stat s;
  const bool there = stat(path, &s) == 0;
  if (!there && errno == ENOENT) return ES_OK;
  FILE *f = there ? fopen(path, "r") : NULL;
  ES_CHECK(f != NULL, ES_EIO, "cannot open %s: %s", path, strerror(errno));
  es_status st = ES_NEW((size_t) s.st_size + 1, &text);
  size_t kept = 0;
  if (st == ES_OK) text[fread(text, 1, (size_t) s.st_size, f)] = '\0';
  fclose(f);
  for (const char *at = text; st == ES_OK && *at != '\0';) {
    const size_t n = strcspn(at, "\n") + 1;
    const bool whole = at[n - 1] == '\n'; /* a killed run may leave half a row */
    if (whole && !is_later(at, last)) {
      memmove(text + kept, at, n);
      kept += n;
    }
    at += whole ? n : n - 1;
  }
  const int err = st == ES_OK ? es_path_replace(path, text, kept) : 0;
  es_free(&text);
  ES_CHECK(err == 0, ES_EIO, "cannot write %s: %s", path, strerror(err));
  return st;
}

es_status es_table_row(es_table *t, const double *values) {
  if (!t) return ES_OK;
  char line[LINE_BYTES] = "", cell[64];
  for (int i = 0; i < t->n; i++) {
    snprintf(cell, sizeof cell, t->col[i].format, values[i]);
    put(line, t->col[i].width, isnan(values[i]) ? "-" : cell);
  }
  if (t->echo && t->echoed++ % HEADER_EVERY == 0) {
    char head[LINE_BYTES];
    header(t, 0, head);
    es_print("%s", head);
    header(t, 1, head);
    es_print("%s", head);
  }
  if (t->echo) es_print("%s", line);
  return t->file ? write_line(t, "  ", line) : ES_OK;
}

es_status es_table_close(es_table **pt) {
  es_table *t = *pt;
  if (!t) return ES_OK;
  es_status st = ES_OK;
  if (t->file && fclose(t->file) != 0) {
    es_error("cannot write %s: %s", t->path, strerror(errno));
    st = ES_EIO;
  }
  es_free(&t->path);
  es_free(&t->col);
  es_free(&t);
  *pt = NULL;
  return st;
}
