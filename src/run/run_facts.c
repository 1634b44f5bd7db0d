/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_facts.c  What an output folder says of its run (run_facts.h).
 *
 *  The program that writes a folder holds a lock on log.txt while it runs (run_folder.c),
 *  which the system releases however the program ends. */
#define _DEFAULT_SOURCE /* flock, gethostname */
#include "eigenstep/run_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/run_files.h"

enum { PATH_BYTES = 1200, LINE_BYTES = 512 };

void es_run_facts_line(const char *dir, const char *name, const char *start, char *line,
                       size_t size) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *const f = fopen(path, "r");
  line[0] = '\0';
  while (f != NULL && fgets(line, (int) size, f) != NULL &&
         strncmp(line, start, strlen(start)) != 0)
    line[0] = '\0';
  if (f != NULL) fclose(f);
  line[strcspn(line, "\n")] = '\0';
}

double es_run_facts_steps(const char *dir) {
  char path[PATH_BYTES], line[LINE_BYTES];
  bool inside = false;
  double steps = NAN;
  snprintf(path, sizeof path, "%s/run.ini", dir);
  FILE *const f = fopen(path, "r");
  while (f != NULL && isnan(steps) && fgets(line, sizeof line, f) != NULL) {
    if (line[0] == '[') inside = strncmp(line, "[run]", 5) == 0;
    if (inside && strncmp(line, "steps = ", 8) == 0) steps = strtod(line + 8, NULL);
  }
  if (f != NULL) fclose(f);
  return steps;
}

typedef enum lock_state { LOCK_HELD, LOCK_FREE, LOCK_UNKNOWN } lock_state;

static lock_state look_at_lock(const char *dir) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/log.txt", dir);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return LOCK_UNKNOWN;
  const bool free = flock(fd, LOCK_SH | LOCK_NB) == 0;
  const lock_state held = errno == EWOULDBLOCK ? LOCK_HELD : LOCK_UNKNOWN;
  close(fd);
  return free ? LOCK_FREE : held;
}

bool es_run_facts_in_use(const char *dir) {
  return look_at_lock(dir) == LOCK_HELD;
}

bool es_run_facts_is_here(const char *dir) {
  char line[LINE_BYTES], host[256] = "";
  es_run_facts_line(dir, "job.txt", "hosts", line, sizeof line);
  if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') return false;
  const char *const at = strstr(line, host);
  const char after = at != NULL ? at[strlen(host)] : '\0';
  return at != NULL && at > line && at[-1] == ' ' && strchr("* ,", after) != NULL;
}

double es_run_facts_age(const char *dir) {
  static const char *const name[] = {"STATUS", "log.txt", "timesteps.txt",
                                     "trajectory.h5.part", "trajectory.h5"};
  time_t last = 0;
  for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
    char path[PATH_BYTES];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", dir, name[i]);
    if (stat(path, &s) == 0 && s.st_mtime > last) last = s.st_mtime;
  }
  return fmax(difftime(time(NULL), last), 0);
}

es_status es_run_facts_refuse(const char *dir, const char *file, int why) {
  char path[PATH_BYTES];
  struct stat s;
  const bool there = stat(dir, &s) == 0;
  ES_CHECK(!there || S_ISDIR(s.st_mode), ES_EIO,
           "'%s' is a file, expected the output folder of a run", dir);
  snprintf(path, sizeof path, "%s/queue", dir);
  ES_CHECK(!there || why != ENOENT || access(path, F_OK) != 0, ES_EIO,
           "'%s' is the folder of a sweep, expected that of a run, one of those in it; "
           "'eigenstep sweep SWEEP.ini --status' shows how far they are",
           dir);
  ES_CHECK(
      why != ENOENT, ES_EIO,
      "'%s' is not an Eigenstep run (%s%s); expected the output folder of 'eigenstep "
      "train'",
      dir, there ? "no " : "no such folder", there ? file : "");
  return ES_OK;
}

static bool has_ended(const char *dir) {
  if (look_at_lock(dir) != LOCK_FREE) return false;
  return es_run_facts_is_here(dir) || es_run_facts_age(dir) > ES_RUN_FACTS_LOST;
}

void es_run_facts_correct_status(const char *dir, bool locked) {
  char status[16], path[PATH_BYTES + 8];
  int64_t newest;
  es_run_facts_line(dir, "STATUS", "", status, sizeof status);
  if (strcmp(status, "RUNNING") != 0 || !(locked || has_ended(dir))) return;
  es_warn("the run in '%s' was killed: its STATUS said RUNNING", dir);
  if (access(dir, W_OK) != 0) return;
  snprintf(path, sizeof path, "%s/ckpt", dir);
  es_run_files_status(dir, es_ckpt_list(path, 1, &newest) != 0
                               ? "FAILED killed while it was running; 'eigenstep resume' "
                                 "continues from the last checkpoint"
                               : "FAILED killed before its first checkpoint; start it "
                                 "again with another output.dir");
}
