/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_state.c  Read and write the state of a run: lines "key = value". */
#define _POSIX_C_SOURCE 200809L
#include "run_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "once.h"

enum { PATH = 1024, TEXT = 2048 };

static const char *const phases[] = {"PENDING", "RUNNING", "DONE",
                                     "FAILED",  "STOPPED", "ORPHANED"};

const char *es_run_phase_name(es_run_phase p) {
  return p < ES_RUN_PHASES ? phases[p] : "unknown";
}

static es_run_phase find_phase(const char *text) {
  es_run_phase p = ES_RUN_PENDING;
  while (p < ES_RUN_PHASES && strcmp(phases[p], text) != 0) p++;
  return p;
}

static void take(const char *key, const char *value, es_run_state *s) {
  if (strcmp(key, "id") == 0) snprintf(s->id, sizeof s->id, "%s", value);
  if (strcmp(key, "state") == 0) s->phase = find_phase(value);
  if (strcmp(key, "generation") == 0) s->generation = atoll(value);
  if (strcmp(key, "job") == 0) snprintf(s->job, sizeof s->job, "%s", value);
  if (strcmp(key, "host") == 0) snprintf(s->host, sizeof s->host, "%s", value);
  if (strcmp(key, "ranks") == 0) s->ranks = atoll(value);
  if (strcmp(key, "steps") == 0) s->steps = atoll(value);
  if (strcmp(key, "seconds") == 0) s->seconds = strtod(value, NULL);
  if (strcmp(key, "reason") == 0) snprintf(s->reason, sizeof s->reason, "%s", value);
}

es_status es_run_state_read(const char *dir, const char *name, es_run_state *s,
                            bool *found) {
  char path[PATH], line[TEXT];
  *s = (es_run_state){.phase = ES_RUN_PHASES};
  snprintf(path, sizeof path, "%s/%s.state", dir, name);
  FILE *f = fopen(path, "r");
  *found = f != NULL;
  ES_CHECK(f != NULL || errno == ENOENT, ES_EIO, "cannot open '%s': %s", path,
           strerror(errno));
  if (f == NULL) return ES_OK;
  struct stat at;
  if (fstat(fileno(f), &at) == 0)
    s->written = (double) at.st_mtim.tv_sec + 1e-9 * (double) at.st_mtim.tv_nsec;
  while (fgets(line, sizeof line, f) != NULL) {
    char *const value = strstr(line, " = ");
    if (value == NULL) continue;
    *value = '\0';
    value[3 + strcspn(value + 3, "\n")] = '\0';
    take(line, value + 3, s);
  }
  fclose(f);
  ES_CHECK(s->id[0] != '\0' && s->phase < ES_RUN_PHASES, ES_EFORMAT,
           "'%s' is not the state of a run (no id or state); remove it to make the run "
           "again",
           path);
  return ES_OK;
}

static void write_text(const es_run_state *s, char text[TEXT]) {
  snprintf(text, TEXT,
           "state = %s\nreason = %s\nid = %s\ngeneration = %lld\njob = %s\nhost = %s\n"
           "ranks = %lld\nsteps = %lld\nseconds = %.3f\n",
           es_run_phase_name(s->phase), s->reason, s->id, (long long) s->generation,
           s->job, s->host, (long long) s->ranks, (long long) s->steps, s->seconds);
}

es_status es_run_state_write(const char *dir, const char *name, const es_run_state *s) {
  char path[PATH], text[TEXT];
  write_text(s, text);
  snprintf(path, sizeof path, "%s/%s.state", dir, name);
  return es_once_replace(path, text);
}

es_status es_run_state_create(const char *dir, const char *name, const es_run_state *s,
                              bool *made) {
  char path[PATH], text[TEXT];
  int fd = -1;
  write_text(s, text);
  snprintf(path, sizeof path, "%s/%s.state", dir, name);
  ES_TRY(es_once_create(path, text, &fd));
  *made = fd >= 0;
  if (fd >= 0) close(fd);
  return ES_OK;
}

es_status es_run_state_list(const char *dir, es_words *names) {
  static const char ending[] = ".state";
  DIR *d = opendir(dir);
  es_status st = ES_OK;
  ES_CHECK(d != NULL, ES_EIO, "cannot open the folder '%s': %s", dir, strerror(errno));
  for (const struct dirent *e = readdir(d); e != NULL && st == ES_OK; e = readdir(d)) {
    const size_t n = strlen(e->d_name), m = sizeof ending - 1;
    char name[PATH];
    if (n <= m || strcmp(e->d_name + n - m, ending) != 0) continue;
    snprintf(name, sizeof name, "%.*s", (int) (n - m), e->d_name);
    st = es_words_add(names, name);
  }
  closedir(d);
  return st;
}
