/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_ended.c  Did the program that writes an output folder end without saying so?
 *
 *  It holds a lock on log.txt while it runs (run_folder.c), which the system releases
 *  however the program ends. A STATUS that says RUNNING without the lock is that of a
 *  killed run, or of a file system without locks: there nothing can be said. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "eigenstep/run_files.h"

enum { PATH_BYTES = 1200 };

static bool says_running(const char *dir) {
  char path[PATH_BYTES], word[9] = "";
  snprintf(path, sizeof path, "%s/STATUS", dir);
  FILE *const f = fopen(path, "r");
  if (f == NULL) return false;
  const bool running = fscanf(f, "%8s", word) == 1 && strcmp(word, "RUNNING") == 0;
  fclose(f);
  return running;
}

/* Could this process have the lock of a writer? */
static bool is_unlocked(const char *dir) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/log.txt", dir);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = flock(fd, LOCK_SH | LOCK_NB) == 0;
  close(fd);
  return free;
}

bool es_run_files_in_use(const char *dir) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/log.txt", dir);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(fd);
  return locked;
}

void es_run_files_correct_status(const char *dir, bool locked) {
  if (!says_running(dir) || (!locked && !is_unlocked(dir))) return;
  es_warn("the run in '%s' was killed: its STATUS said RUNNING", dir);
  if (access(dir, W_OK) != 0) return;
  es_run_files_status(dir, "FAILED killed while it was running; 'eigenstep resume' "
                           "continues from the last checkpoint, if there is one");
}
