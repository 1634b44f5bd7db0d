/* SPDX-License-Identifier: BSD-3-Clause */
/** @file claim.c  Claims on the runs of a sweep. */
#define _POSIX_C_SOURCE 200809L
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "once.h"

/* GRACE: seconds in which the other processes of a job that was killed end, too. */
enum { PATH = 1024, BOOT = 64, GRACE = 2 };
#define QUIET 0.25 /* of `stale`: a claim that was not touched for so long is unsure */

static void name_claim(const char *queue, const char *id, int64_t generation,
                       char path[PATH]) {
  snprintf(path, PATH, "%s/%s.%lld", queue, id, (long long) generation);
}

/* What tells this host's kernel from all others; "" where it does not say. */
static void read_boot(char boot[BOOT]) {
  FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
  boot[0] = '\0';
  if (f == NULL) return;
  if (fgets(boot, BOOT, f) == NULL) boot[0] = '\0';
  fclose(f);
  boot[strcspn(boot, "\n")] = '\0';
}

/* Seconds of the file system's own clock: a new file has its time. */
static double clock_of(const char *queue) {
  char path[PATH];
  struct stat s;
  snprintf(path, sizeof path, "%s/clock.%ld", queue, (long) getpid());
  const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
  const bool known = fd >= 0 && fstat(fd, &s) == 0;
  if (fd >= 0) close(fd);
  if (fd >= 0) unlink(path);
  if (!known) return (double) time(NULL); /* a folder to look at, not to work in */
  return (double) s.st_mtim.tv_sec + 1e-9 * (double) s.st_mtim.tv_nsec;
}

/* Was it created under this kernel, so that its lock says whether its process lives? */
static bool is_local(int fd) {
  char boot[BOOT], text[BOOT];
  read_boot(boot);
  const ssize_t n = pread(fd, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  text[strcspn(text, "\n")] = '\0';
  return boot[0] != '\0' && strcmp(text, boot) == 0;
}

/* Does no process hold the lock? */
static bool is_unlocked(int fd) {
  const bool free = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (free) flock(fd, LOCK_UN);
  return free;
}

static es_claim_life judge(int fd, const char *queue, double stale) {
  struct stat s;
  if (fstat(fd, &s) != 0) return ES_CLAIM_UNSURE;
  const double touched = (double) s.st_mtim.tv_sec + 1e-9 * (double) s.st_mtim.tv_nsec;
  const double age = clock_of(queue) - touched;
  if (age > stale) return ES_CLAIM_DEAD;
  if (is_local(fd) && is_unlocked(fd))
    return age > GRACE ? ES_CLAIM_DEAD : ES_CLAIM_UNSURE;
  return age > QUIET * stale ? ES_CLAIM_UNSURE : ES_CLAIM_ALIVE;
}

es_status es_claim_find(const char *queue, const char *id, int64_t from, double stale,
                        es_claim_look *look) {
  char path[PATH];
  int fd = -1;
  *look = (es_claim_look){.generation = 0};
  for (int64_t g = from > 0 ? from : 1;; g++) {
    name_claim(queue, id, g, path);
    const int next = open(path, O_RDONLY | O_CLOEXEC);
    const int err = errno;
    if (next < 0 && err == ENOENT) break;
    if (fd >= 0) close(fd);
    ES_CHECK(next >= 0, ES_EIO, "cannot open '%s': %s", path, strerror(err));
    fd = next;
    look->generation = g;
  }
  if (fd < 0) return ES_OK;
  look->life = judge(fd, queue, stale);
  close(fd);
  return ES_OK;
}

es_status es_claim_take(const char *queue, const char *id, int64_t generation,
                        es_claim *c) {
  char text[BOOT + 1];
  read_boot(text);
  strcat(text, "\n");
  *c = (es_claim){.generation = generation, .fd = -1};
  name_claim(queue, id, generation, c->path);
  return es_once_create(c->path, text, &c->fd);
}

bool es_claim_touch(const es_claim *c, const char *queue, const char *id) {
  char next[PATH];
  name_claim(queue, id, c->generation + 1, next);
  if (access(next, F_OK) == 0) return false;
  futimens(c->fd, NULL); /* the file system's own time */
  return true;
}

void es_claim_release(es_claim *c, bool withdraw) {
  if (c->fd < 0) return;
  if (withdraw) unlink(c->path);
  close(c->fd);
  c->fd = -1;
}
