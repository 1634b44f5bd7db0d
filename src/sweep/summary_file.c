/* SPDX-License-Identifier: BSD-3-Clause */
/** @file summary_file.c  The summary of a sweep as sweep.csv and sweep.h5. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"
#include "once.h"
#include "summary.h"

enum { PATH = 1200 };

/* A field of a CSV file, in quotes where it needs them (RFC 4180). */
static void put_text(FILE *f, const char *text) {
  if (strpbrk(text, ",\"\r\n") == NULL) {
    fputs(text, f);
    return;
  }
  fputc('"', f);
  for (const char *c = text; *c != '\0'; c++) {
    if (*c == '"') fputc('"', f);
    fputc(*c, f);
  }
  fputc('"', f);
}

static void put_number(FILE *f, double v) {
  fputc(',', f);
  if (isfinite(v)) fprintf(f, "%.10g", v);
}

static void put_head(FILE *f, const es_summary *s) {
  fputs("id,name", f);
  for (int k = 0; k < s->plan->varied.n; k++) fprintf(f, ",%s", s->plan->varied.word[k]);
  fputs(",state,reason", f);
  for (int q = 0; q < ES_OF_MODE; q++)
    for (int k = 0; k < s->modes; k++)
      fprintf(f, ",%s_%d", es_summary_of_mode[q].name, k + 1);
  for (int i = 0; i < s->n; i++) fprintf(f, ",%s", s->series[i].name);
  fputs(",wall,ranks,host\n", f);
}

static void put_row(FILE *f, const es_summary *s, int row) {
  const es_sweep_run *const r = &s->plan->run[row];
  const es_run_view *const v = &s->view[row];
  fprintf(f, "%s,", r->id);
  put_text(f, r->name);
  for (int k = 0; k < r->value.n; k++) {
    fputc(',', f);
    put_text(f, r->value.word[k]);
  }
  fprintf(f, ",%s,", es_run_phase_name(v->phase));
  put_text(f, v->state.reason);
  for (int q = 0; q < ES_OF_MODE; q++)
    for (int k = 0; k < s->modes; k++) put_number(f, es_summary_mode(s, row, q, k));
  for (int i = 0; i < s->n; i++) put_number(f, s->series[i].value[row]);
  fprintf(f, ",%.3f,%lld,", v->state.seconds, (long long) v->state.ranks);
  put_text(f, v->state.host);
  fputc('\n', f);
}

static es_status write_csv(const es_summary *s) {
  char path[PATH], *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  ES_CHECK(f != NULL, ES_ENOMEM, "out of memory for sweep.csv");
  put_head(f, s);
  for (int i = 0; i < s->rows; i++) put_row(f, s, i);
  const bool whole = ferror(f) == 0;
  const bool closed = fclose(f) == 0 && whole;
  snprintf(path, sizeof path, "%s/sweep.csv", s->plan->dir);
  if (!closed) es_error("out of memory for '%s'", path);
  const es_status st = closed ? es_once_replace(path, text) : ES_ENOMEM;
  free(text);
  return st;
}

/* A column of texts, taken from each row. */
static es_status put_strings(es_h5 *f, const es_summary *s, const char *path,
                             const char *(*text)(const es_summary *s, int row, int k),
                             int k, const char *doc) {
  char **all = NULL;
  ES_TRY(ES_NEW(s->rows, &all));
  es_status st = ES_OK;
  for (int i = 0; i < s->rows && st == ES_OK; i++) st = es_strdup(text(s, i, k), &all[i]);
  if (st == ES_OK)
    st = es_h5_write_strings(f, path, s->rows, (const char *const *) all, doc);
  for (int i = 0; i < s->rows; i++) es_free(&all[i]);
  es_free(&all);
  return st;
}

static const char *id_of(const es_summary *s, int row, int k) {
  (void) k;
  return s->plan->run[row].id;
}
static const char *name_of(const es_summary *s, int row, int k) {
  (void) k;
  return s->plan->run[row].name;
}
static const char *state_of(const es_summary *s, int row, int k) {
  (void) k;
  return es_run_phase_name(s->view[row].phase);
}
static const char *reason_of(const es_summary *s, int row, int k) {
  (void) k;
  return s->view[row].state.reason;
}
static const char *host_of(const es_summary *s, int row, int k) {
  (void) k;
  return s->view[row].state.host;
}
static const char *value_of(const es_summary *s, int row, int k) {
  return s->plan->run[row].value.word[k];
}

/* A dataset of numbers [rows] or, width > 0, [rows, width]. */
static es_status put_numbers(es_h5 *f, int rows, int width, const es_summary_text *text,
                             const double *value) {
  const es_h5_dataset d = {.path = text->name,
                           .type = ES_H5_F64,
                           .ndim = width > 0 ? 2 : 1,
                           .dim = {rows, width},
                           .units = text->units,
                           .doc = text->doc};
  ES_TRY(es_h5_declare(f, &d));
  return es_h5_write_rows(f, text->name, ES_H5_F64, 0, rows, value);
}

static es_status put_modes(es_h5 *f, const es_summary *s, int q, double *work) {
  char path[64];
  const es_summary_text *const t = &es_summary_of_mode[q];
  for (int i = 0; i < s->rows; i++)
    for (int k = 0; k < s->modes; k++)
      work[i * s->modes + k] = es_summary_mode(s, i, q, k);
  snprintf(path, sizeof path, "/%s", t->name);
  const es_summary_text at = {path, t->units, t->doc};
  return put_numbers(f, s->rows, s->modes, &at, work);
}

/* An axis as numbers where all its values are, else as texts. */
static es_status put_axis(es_h5 *f, const es_summary *s, int k, double *work) {
  char path[PATH];
  bool numbers = true;
  snprintf(path, sizeof path, "/axis/%s", s->plan->varied.word[k]);
  for (int i = 0; i < s->rows; i++) {
    char *end = NULL;
    const char *const text = value_of(s, i, k);
    work[i] = strtod(text, &end);
    numbers = numbers && end != text && *end == '\0';
  }
  if (!numbers) return put_strings(f, s, path, value_of, k, "value of the parameter");
  const es_summary_text t = {path, "1", "value of the parameter"};
  return put_numbers(f, s->rows, 0, &t, work);
}

static es_status put_all(es_h5 *f, const es_summary *s, double *work) {
  const es_summary_text wall = {"/wall", "s", "wall time in all jobs"};
  const es_summary_text ranks = {"/ranks", "1", "ranks of the last job"};
  ES_TRY(put_strings(f, s, "/id", id_of, 0, "identity: hash of the parameters"));
  ES_TRY(put_strings(f, s, "/name", name_of, 0, "folder of the run"));
  ES_TRY(put_strings(f, s, "/state", state_of, 0, "how far the run is"));
  ES_TRY(put_strings(f, s, "/reason", reason_of, 0, "why it failed or stopped"));
  ES_TRY(put_strings(f, s, "/host", host_of, 0, "host of its first rank"));
  ES_TRY(es_h5_group(f, "/axis", "the parameters that vary"));
  for (int k = 0; k < s->plan->varied.n; k++) ES_TRY(put_axis(f, s, k, work));
  for (int q = 0; q < ES_OF_MODE && s->modes > 0; q++) ES_TRY(put_modes(f, s, q, work));
  ES_TRY(es_h5_group(f, "/final", "last value of each series of a run"));
  for (int i = 0; i < s->n; i++) {
    char path[160];
    snprintf(path, sizeof path, "/final/%s", s->series[i].name);
    const es_summary_text t = {path, "1", "last value of the series"};
    ES_TRY(put_numbers(f, s->rows, 0, &t, s->series[i].value));
  }
  for (int i = 0; i < s->rows; i++) work[i] = s->view[i].state.seconds;
  ES_TRY(put_numbers(f, s->rows, 0, &wall, work));
  for (int i = 0; i < s->rows; i++) work[i] = (double) s->view[i].state.ranks;
  return put_numbers(f, s->rows, 0, &ranks, work);
}

/* Into a file of this process's own, which then takes the name. */
static es_status write_h5(const es_comm *self, const es_summary *s) {
  char path[PATH], own[PATH + 160];
  es_h5 *f = NULL;
  double *work = NULL;
  es_status st;
  snprintf(path, sizeof path, "%s/sweep.h5", s->plan->dir);
  es_once_own_name(path, own, sizeof own);
  unlink(own);
  ES_TRY(ES_NEW((size_t) s->rows * ES_SUMMARY_MODES, &work));
  ES_TRY_GOTO(es_h5_create(self, own, &f), done);
  st = put_all(f, s, work);
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
  if (st == ES_OK && rename(own, path) != 0) {
    es_error("cannot write '%s': %s", path, strerror(errno));
    st = ES_EIO;
  }
  if (st != ES_OK) unlink(own);
done:
  es_free(&work);
  return st;
}

es_status es_summary_write(const es_queue *q) {
  es_summary s;
  es_comm *self = NULL;
  ES_TRY(es_summary_make(q, &s));
  es_status st = es_comm_create(MPI_COMM_SELF, &self);
  if (st == ES_OK) {
    st = write_csv(&s);
    if (st == ES_OK) st = write_h5(self, &s);
    es_comm_destroy(&self);
  }
  es_summary_free(&s);
  return st;
}
