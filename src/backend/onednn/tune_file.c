/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tune_file.c  The table of chosen algorithms, in memory and in a file. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "tune.h"

static const es_conv_algo_ops *algo_named(const char *name) {
  const es_conv_algo_ops *const *list;
  const size_t n = es_conv_algo_list(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0) return list[i];
  return NULL;
}

es_status es_onednn_choices_add(es_onednn_choices *c, const char *key, int n,
                                const char *algo) {
  const es_conv_algo_ops *ops = algo_named(algo);
  if (ops == NULL || n <= 0 || strlen(key) >= sizeof c->row->key) return ES_EFORMAT;
  if (c->n == c->cap) {
    es_onednn_choice_row *grown = NULL;
    const int cap = c->cap > 0 ? 2 * c->cap : 64;
    ES_TRY(ES_NEW(cap, &grown));
    if (c->n > 0) memcpy(grown, c->row, (size_t) c->n * sizeof *grown);
    es_free(&c->row);
    c->row = grown;
    c->cap = cap;
  }
  es_onednn_choice_row *row = &c->row[c->n++];
  snprintf(row->key, sizeof row->key, "%s", key);
  row->n = n;
  row->algo = ops;
  return ES_OK;
}

const es_onednn_choice_row *es_onednn_choices_find(const es_onednn_choices *c,
                                                   const char *key, int n) {
  const es_onednn_choice_row *best = NULL;
  for (int i = 0; i < c->n; i++) {
    const es_onednn_choice_row *row = &c->row[i];
    if (strcmp(row->key, key) != 0) continue;
    if (best == NULL || abs(row->n - n) < abs(best->n - n)) best = row;
  }
  return best;
}

void es_onednn_choices_destroy(es_onednn_choices **c) {
  if (*c == NULL) return;
  es_free(&(*c)->row);
  es_free(c);
}

/** "processor <tab> library <tab>", what lines of this machine begin with. */
static void begin_of_lines(char *text, size_t size) {
  char model[128] = "", line[256], library[96];
  struct utsname machine;
  if (uname(&machine) == 0) snprintf(model, sizeof model, "%s", machine.machine);
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    snprintf(model, sizeof model, "%.*s", (int) strcspn(colon + 2, "\n\t"), colon + 2);
    break;
  }
  if (f != NULL) fclose(f);
  es_prim_engine_name(library, sizeof library);
  snprintf(text, size, "%s\t%s\t", model, library);
}

/** The rest of a line: key, images, algorithm. */
static es_status read_row(char *rest, es_onednn_choices *c) {
  char *at = NULL;
  const char *key = strtok_r(rest, "\t\n", &at);
  const char *images = strtok_r(NULL, "\t\n", &at), *algo = strtok_r(NULL, "\t\n", &at);
  if (algo == NULL) return ES_EFORMAT;
  const long n = strtol(images, NULL, 10);
  return es_onednn_choices_add(c, key, n > 0 && n < INT_MAX ? (int) n : 0, algo);
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
  char begin[256];
  es_onednn_choices *rows; /**< of this machine */
  FILE *others;            /**< receives lines of other machines; may be NULL */
  es_status status;
} reader;

static void take_row(void *ctx, char *line) {
  reader *r = ctx;
  const size_t n = strlen(r->begin);
  const bool ours = strncmp(line, r->begin, n) == 0;
  if (!ours && r->others != NULL) fputs(line, r->others);
  if (ours && r->rows != NULL && r->status == ES_OK)
    r->status = read_row(line + n, r->rows);
}

/** The rows of a file; none of them where it cannot be used, and why. NULL: fine. */
static const char *read_rows(const char *path, es_onednn_choices *c) {
  reader r = {.rows = c, .status = ES_OK};
  const int before = c->n;
  begin_of_lines(r.begin, sizeof r.begin);
  const char *why = each_row(path, take_row, &r);
  if (why == NULL && r.status != ES_OK)
    why = "got a line that is not key, images and a known algorithm";
  if (why != NULL) c->n = before;
  return why;
}

es_status es_onednn_choices_read(const char *path, es_onednn_choices *c) {
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
static void put(FILE *text, const char *begin, const es_onednn_choice_row *r) {
  fprintf(text, "%s%s\t%d\t%s\n", begin, r->key, r->n, r->algo->name);
}

/** Rows that another run has written meanwhile stay, unless this one knows better. */
static es_status merge(const char *path, const es_onednn_choices *c,
                       es_onednn_choices *all) {
  es_onednn_choices other = {0};
  (void) read_rows(path, &other); /* rows that cannot be used are replaced */
  es_status st = ES_OK;
  for (int i = 0; i < c->n && st == ES_OK; i++)
    st = es_onednn_choices_add(all, c->row[i].key, c->row[i].n, c->row[i].algo->name);
  for (int i = 0; i < other.n && st == ES_OK; i++) {
    const es_onednn_choice_row *r = &other.row[i];
    const es_onednn_choice_row *ours = es_onednn_choices_find(c, r->key, r->n);
    if (ours == NULL || ours->n != r->n)
      st = es_onednn_choices_add(all, r->key, r->n, r->algo->name);
  }
  es_free(&other.row);
  return st;
}

static es_status write_rows(const char *path, const es_onednn_choices *c) {
  char *bytes = NULL;
  size_t size = 0;
  reader r = {.status = ES_OK};
  begin_of_lines(r.begin, sizeof r.begin);
  r.others = open_memstream(&bytes, &size);
  ES_CHECK(r.others != NULL, ES_ENOMEM, "%s: no memory", path);
  const char *why = each_row(path, take_row, &r);
  for (int i = 0; i < c->n; i++) put(r.others, r.begin, &c->row[i]);
  int failed = fclose(r.others) == 0 ? 0 : ENOMEM;
  if (failed == 0 && why == NULL) failed = make_parent(path);
  if (failed == 0 && why == NULL) failed = es_path_replace(path, bytes, size);
  free(bytes);
  if (failed != 0) why = strerror(failed);
  if (why == NULL) return ES_OK;
  es_warn("%s: choices of algorithms not saved (%s)", path, why);
  return ES_EIO;
}

es_status es_onednn_choices_write(const char *path, const es_onednn_choices *c) {
  es_onednn_choices all = {0};
  es_status st = merge(path, c, &all);
  if (st == ES_OK) st = write_rows(path, &all);
  es_free(&all.row);
  return st;
}
