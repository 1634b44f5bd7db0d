/* SPDX-License-Identifier: BSD-3-Clause */
/** @file choices.c  The table of chosen algorithms, in memory and in a file. */
#define _POSIX_C_SOURCE 200809L
#include "choices.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "eigenstep/progress.h"

/** Operations of a pass below which nothing is worth timing. */
static const double least_flops = 1e6;

es_status es_choices_create(bool (*is_known)(const char *algo), const char *machine,
                            const char *library, es_choices **c) {
  ES_TRY(ES_NEW(1, c));
  (*c)->is_known = is_known;
  snprintf((*c)->place, sizeof(*c)->place, "%s\t%s\t", machine, library);
  return ES_OK;
}

void es_choices_destroy(es_choices **c) {
  if (*c == NULL) return;
  es_free(&(*c)->row);
  es_free(c);
}

es_status es_choices_add(es_choices *c, const char *key, int n, const char *algo) {
  if (!c->is_known(algo) || n <= 0 || strlen(key) >= ES_CHOICE_KEY) return ES_EFORMAT;
  if (c->n == c->cap) {
    es_choice *grown = NULL;
    const int cap = c->cap > 0 ? 2 * c->cap : 64;
    ES_TRY(ES_NEW(cap, &grown));
    if (c->n > 0) memcpy(grown, c->row, (size_t) c->n * sizeof *grown);
    es_free(&c->row);
    c->row = grown;
    c->cap = cap;
  }
  es_choice *row = &c->row[c->n++];
  snprintf(row->key, sizeof row->key, "%s", key);
  snprintf(row->algo, sizeof row->algo, "%s", algo);
  row->n = n;
  return ES_OK;
}

const es_choice *es_choices_find(const es_choices *c, const char *key, int n) {
  const es_choice *best = NULL;
  for (int i = 0; i < c->n; i++) {
    const es_choice *row = &c->row[i];
    if (strcmp(row->key, key) != 0) continue;
    if (best == NULL || abs(row->n - n) < abs(best->n - n)) best = row;
  }
  return best;
}

bool es_choices_has(const es_choices *c, const char *key, int n) {
  const es_choice *row = es_choices_find(c, key, n);
  return row != NULL && row->n == n;
}

/** The rest of a line: key, images, algorithm. */
static es_status read_row(char *rest, es_choices *c) {
  char *at = NULL;
  const char *key = strtok_r(rest, "\t\n", &at);
  const char *images = strtok_r(NULL, "\t\n", &at), *algo = strtok_r(NULL, "\t\n", &at);
  if (algo == NULL) return ES_EFORMAT;
  const long n = strtol(images, NULL, 10);
  return es_choices_add(c, key, n > 0 && n < INT_MAX ? (int) n : 0, algo);
}

/** Processor, library, key, images, algorithm, and the end of the line. */
static bool is_row(const char *line) {
  int tabs = 0;
  const char *c = line;
  for (; *c != '\0'; c++) tabs += *c == '\t';
  return tabs == 4 && c[-1] == '\n';
}

/** Call `take` with each line of a file of rows, if it exists and is complete. A file of
 *  another kind, named by mistake, neither blocks nor is written to.
 *  @return NULL, or why it is none */
static const char *each_row(const char *path, void (*take)(void *ctx, char *line),
                            void *ctx) {
  static const char *const none = "got another kind of file, expected one of plans";
  struct stat info;
  char line[512];
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT ? NULL : strerror(errno);
  FILE *f = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? fdopen(fd, "r") : NULL;
  if (f == NULL) {
    close(fd);
    return none;
  }
  bool rows = true;
  while (rows && fgets(line, sizeof line, f) != NULL) {
    rows = is_row(line);
    if (rows) take(ctx, line);
  }
  rows = rows && !ferror(f);
  fclose(f);
  return rows ? NULL : none;
}

/** What is gathered from a file. */
typedef struct reader {
  const char *place; /**< what lines of this machine begin with */
  es_choices *rows;  /**< of this machine */
  FILE *others;      /**< receives lines of other machines; may be NULL */
  es_status status;
} reader;

static void take_row(void *ctx, char *line) {
  reader *r = ctx;
  const size_t n = strlen(r->place);
  const bool ours = strncmp(line, r->place, n) == 0;
  if (!ours && r->others != NULL) fputs(line, r->others);
  if (ours && r->rows != NULL && r->status == ES_OK)
    r->status = read_row(line + n, r->rows);
}

/** The rows of a file; none of them where it cannot be used, and why. NULL: fine. */
static const char *read_rows(const char *path, es_choices *c) {
  reader r = {.place = c->place, .rows = c, .status = ES_OK};
  const int before = c->n;
  const char *why = each_row(path, take_row, &r);
  if (why == NULL && r.status != ES_OK)
    why = "got a line that is not key, images and a known algorithm";
  if (why != NULL) c->n = before;
  return why;
}

es_status es_choices_read(const char *path, es_choices *c) {
  const char *why = read_rows(path, c);
  if (why == NULL) return ES_OK;
  es_warn("%s: not used (%s); convolutions are timed again", path, why);
  return ES_EFORMAT;
}

/** The folder of a file, with those above it. */
static int make_parent(const char *path) {
  char dir[1100];
  const char *slash = strrchr(path, '/');
  if (slash == NULL || slash == path) return 0;
  snprintf(dir, sizeof dir, "%.*s", (int) (slash - path), path);
  return es_path_make_dirs(dir);
}

/** Append to a growing text. */
static void put(FILE *text, const char *place, const es_choice *r) {
  fprintf(text, "%s%s\t%d\t%s\n", place, r->key, r->n, r->algo);
}

/** Rows that another run has written meanwhile stay, unless this one knows better. */
static es_status merge(const char *path, const es_choices *c, es_choices *all) {
  es_choices other = *all;
  (void) read_rows(path, &other); /* rows that cannot be used are replaced */
  es_status st = ES_OK;
  for (int i = 0; i < c->n && st == ES_OK; i++)
    st = es_choices_add(all, c->row[i].key, c->row[i].n, c->row[i].algo);
  for (int i = 0; i < other.n && st == ES_OK; i++) {
    const es_choice *r = &other.row[i];
    const es_choice *ours = es_choices_find(c, r->key, r->n);
    if (ours == NULL || ours->n != r->n) st = es_choices_add(all, r->key, r->n, r->algo);
  }
  es_free(&other.row);
  return st;
}

static es_status write_rows(const char *path, const es_choices *c) {
  char *bytes = NULL;
  size_t size = 0;
  reader r = {.place = c->place, .status = ES_OK};
  r.others = open_memstream(&bytes, &size);
  ES_CHECK(r.others != NULL, ES_ENOMEM, "%s: no memory", path);
  const char *why = each_row(path, take_row, &r);
  for (int i = 0; i < c->n; i++) put(r.others, c->place, &c->row[i]);
  int failed = fclose(r.others) == 0 ? 0 : ENOMEM;
  if (failed == 0 && why == NULL) failed = make_parent(path);
  if (failed == 0 && why == NULL) failed = es_path_replace(path, bytes, size);
  free(bytes);
  if (failed != 0) why = strerror(failed);
  if (why == NULL) return ES_OK;
  es_warn("%s: choices of algorithms not saved (%s)", path, why);
  return ES_EIO;
}

es_status es_choices_write(const char *path, const es_choices *c) {
  es_choices all = *c;
  all.row = NULL;
  all.n = all.cap = 0;
  es_status st = merge(path, c, &all);
  if (st == ES_OK) st = write_rows(path, &all);
  es_free(&all.row);
  return st;
}

es_status es_choices_share(const es_comm *comm, const char *path, es_choices *c) {
  const bool first = comm == NULL || comm->rank == 0;
  /* a file that cannot be read has been a warning and costs time, no more */
  if (first && path[0] != '\0') (void) es_choices_read(path, c);
  if (comm == NULL || comm->size == 1) return ES_OK;
  int n = c->n;
  es_comm_bcast(comm, &n, sizeof n, 0);
  es_status st = ES_OK;
  for (int i = 0; i < n; i++) {
    es_choice row = {.n = 0};
    if (comm->rank == 0) row = c->row[i];
    es_comm_bcast(comm, &row, sizeof row, 0);
    if (comm->rank != 0 && st == ES_OK) st = es_choices_add(c, row.key, row.n, row.algo);
  }
  return es_comm_agree(comm, st);
}

/* --- timing ------------------------------------------------------------------------ */

es_op_desc es_choices_as_conv(const es_op_desc *d) {
  es_op_desc c = *d;
  if (d->kind == ES_OP_LINEAR) c.window = (es_window){.k = 1, .stride = 1};
  return c;
}

static bool worth_timing(const es_op_desc *d) {
  const bool product = d->kind == ES_OP_CONV || d->kind == ES_OP_LINEAR;
  const double positions = (double) d->out.h * d->out.w * d->max_n;
  const double weights = (double) d->out.c * d->in.c * d->window.k * d->window.k;
  return product && 2.0 * positions * weights > least_flops;
}

es_status es_choices_tune(es_backend *b, const es_op_desc *const *desc, int n,
                          es_choices_timer time, es_choices *c) {
  const bool first = b->comm == NULL || b->comm->rank == 0;
  const double start = es_now();
  const int before = c->n;
  for (int i = 0; i < n; i++) {
    es_op_desc d = es_choices_as_conv(desc[i]);
    int64_t most = d.max_n; /* ranks may have one image more or less */
    if (b->comm != NULL) es_comm_max_i64(b->comm, &most, 1);
    d.max_n = (int) most;
    if (worth_timing(&d)) ES_TRY(time(b, &d, c));
    es_progress_at(i + 1, n); /* of the caller's activity */
  }
  if (c->n == before) return ES_OK;
  es_info("timed %d passes of convolutions and linear layers in %.3g s", c->n - before,
          es_now() - start);
  if (first && b->plans[0] != '\0') (void) es_choices_write(b->plans, c);
  return ES_OK;
}
