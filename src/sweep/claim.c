/* SPDX-License-Identifier: BSD-3-Clause */
/** @file claim.c  Claims on the runs of a sweep. */
#define _POSIX_C_SOURCE 200809L
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "once.h"

enum { PATH = 1024, BOOT = 64 };
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

static double seconds_of(const struct stat *s) {
  return (double) s->st_mtim.tv_sec + 1e-9 * (double) s->st_mtim.tv_nsec;
}

double es_claim_clock(const char *queue) {
  char base[PATH], path[PATH + 256];
  struct stat s;
  snprintf(base, sizeof base, "%s/clock", queue);
  es_once_own_name(base, path, sizeof path);
  unlink(path); /* left by a killed process that had this number */
  const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
  if (fd < 0) return NAN;
  const bool known = fstat(fd, &s) == 0;
  close(fd);
  unlink(path);
  return known ? seconds_of(&s) : NAN;
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

typedef enum lock_state { LOCK_HELD, LOCK_FREE, LOCK_UNKNOWN } lock_state;

/* Does a process of this kernel hold the lock? Unknown: made under another kernel, or the
 * file system has no locks. */
static lock_state look_at_lock(int fd) {
  if (!is_local(fd)) return LOCK_UNKNOWN;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? LOCK_HELD : LOCK_UNKNOWN;
  flock(fd, LOCK_UN);
  return LOCK_FREE;
}

/* Keep what is new. A touch, or another generation, begins the watch anew. */
static void note(es_claim_watch *w, int64_t generation, double touched, bool unlocked) {
  const bool same = w->generation == generation;
  w->beats = same && (w->beats || touched != w->touched);
  if (!same || touched != w->touched || !unlocked) w->unlocked = 0;
  if (unlocked && w->unlocked == 0) w->unlocked = es_now();
  w->generation = generation;
  w->touched = touched;
}

static es_claim_life judge(int fd, const char *queue, int64_t generation, double stale,
                           es_claim_watch *w) {
  struct stat s;
  if (fstat(fd, &s) != 0) return ES_CLAIM_UNSURE;
  const lock_state lock = look_at_lock(fd);
  note(w, generation, seconds_of(&s), lock == LOCK_FREE);
  if (lock == LOCK_HELD) return ES_CLAIM_ALIVE;
  if (lock == LOCK_FREE)
    return es_now() - w->unlocked >= ES_CLAIM_GRACE ? ES_CLAIM_DEAD : ES_CLAIM_UNSURE;
  const double age = es_claim_clock(queue) - w->touched;
  if (age > stale) return ES_CLAIM_DEAD;
  return w->beats && age <= QUIET * stale ? ES_CLAIM_ALIVE : ES_CLAIM_UNSURE;
}

es_status es_claim_find(const char *queue, const char *id, int64_t from, double stale,
                        es_claim_watch *watch, es_claim_look *look) {
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
  look->life = judge(fd, queue, look->generation, stale, watch);
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

bool es_claim_is_held(const es_claim *c, const char *queue, const char *id) {
  char next[PATH];
  name_claim(queue, id, c->generation + 1, next);
  return access(next, F_OK) != 0;
}

bool es_claim_touch(const es_claim *c, const char *queue, const char *id) {
  if (!es_claim_is_held(c, queue, id)) return false;
  futimens(c->fd, NULL); /* the file system's own time */
  return true;
}

void es_claim_release(es_claim *c, bool withdraw) {
  if (c->fd < 0) return;
  if (withdraw) unlink(c->path);
  close(c->fd);
  c->fd = -1;
}
