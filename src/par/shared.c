/* SPDX-License-Identifier: BSD-3-Clause */
/** @file shared.c  Memory shared by the ranks of a node: a POSIX shared-memory segment.
 *
 *  The segment is unlinked as soon as all ranks have opened it and before its pages are
 *  reserved, so that a killed run leaves nothing behind. MPI_Win_allocate_shared is not
 *  used: when /dev/shm is full, Open MPI 4.1 fails on one rank and hangs the others. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "eigenstep/mem.h"

enum { PAGE = 4096, NAME = 64 };

/* Bytes reserved by a call: one that a signal interrupts starts again, and must end
   before the next signal of a profiler's timer. */
static const int64_t reserved_at_once = 16 << 20;

static int64_t whole_pages(size_t bytes) {
  return ((int64_t) (bytes / PAGE) + 1) * PAGE;
}

/* Create a segment of `bytes` bytes; its name, or "" on failure. */
static void make(int64_t bytes, char name[NAME]) {
  int fd = -1;
  for (int i = 0; fd < 0 && i < 1000; i++) {
    snprintf(name, NAME, "/eigenstep.%ld.%d", (long) getpid(), i);
    fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 && errno != EEXIST && errno != EINTR) break;
  }
  bool made = fd >= 0 && ftruncate(fd, (off_t) bytes) == 0;
  while (fd >= 0 && !made && errno == EINTR) made = ftruncate(fd, (off_t) bytes) == 0;
  if (fd >= 0 && !made) shm_unlink(name);
  if (fd >= 0) close(fd);
  if (!made) name[0] = '\0';
}

/* Is there room for [first, first + count)? */
static bool reserve(int fd, int64_t first, int64_t count) {
  for (int64_t at = 0; at < count; at += reserved_at_once) {
    const int64_t piece = count - at < reserved_at_once ? count - at : reserved_at_once;
    int failed = EINTR;
    while (failed == EINTR)
      failed = posix_fallocate(fd, (off_t) (first + at), (off_t) piece);
    if (failed != 0) return false;
  }
  return true;
}

static int open_segment(const char *name) {
  int fd = -1;
  if (name[0] == '\0') return fd;
  while ((fd = shm_open(name, O_RDWR, 0600)) < 0 && errno == EINTR) continue;
  return fd;
}

/* Map the segment and reserve the pages [first, first + count) that this rank
 * touches first: otherwise a full /dev/shm causes a bus error during the run. */
static bool map(int fd, int64_t first, int64_t count, es_shared *s) {
  if (fd < 0) return false;
  void *const at = reserve(fd, first, count)
                       ? mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                       : NULL;
  close(fd);
  if (at == NULL || at == MAP_FAILED) return false;
  s->map = at;
  s->charged = (size_t) count;
  es_mem_charge((ptrdiff_t) count);
  return true;
}

/* Collective over the node. Create and map all parts, rounded up to pages; false if the
 * node lacks shared memory. */
static bool map_node(const es_comm *c, bool per_rank, es_shared *s) {
  const int64_t size = whole_pages(s->bytes), pages = size / PAGE;
  const int64_t n = c->node_size, r = c->node_rank;
  const int64_t first = per_rank ? r * size : pages * r / n * PAGE;
  const int64_t end = per_rank ? first + size : pages * (r + 1) / n * PAGE;
  char name[NAME];
  s->mapped = (size_t) (s->parts * size);
  if (r == 0) make(s->parts * size, name);
  MPI_Bcast(name, NAME, MPI_CHAR, 0, c->node);
  const int fd = open_segment(name);
  MPI_Barrier(c->node);
  if (r == 0 && name[0] != '\0') shm_unlink(name);
  const bool mapped = map(fd, first, end - first, s);
  for (int i = 0; i < s->parts && mapped; i++) s->part[i] = (char *) s->map + i * size;
  return mapped;
}

/* Collective. One segment, or private memory on a node of one rank; *s is NULL if a node
 * lacks room. */
static es_status create(const es_comm *c, const es_shared_request *want,
                        es_shared **out) {
  es_shared *s = NULL;
  es_status st = ES_NEW(1, &s);
  if (st == ES_OK) {
    s->bytes = want->bytes;
    s->parts = want->per_rank ? c->node_size : 1;
    st = ES_NEW(s->parts, &s->part);
  }
  if (st == ES_OK && c->node_size == 1)
    st = es_alloc(want->bytes, "memory of a node", &s->part[0]);
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    if (s != NULL && s->part != NULL) es_free(&s->part[0]);
    if (s != NULL) es_free(&s->part);
    es_free(&s);
    return st;
  }
  int64_t failed = c->node_size > 1 && !map_node(c, want->per_rank, s);
  es_comm_max_i64(c, &failed, 1);
  if (failed != 0) es_shared_destroy(&s);
  *out = s;
  return ES_OK;
}

/* Collective. Reserving more than there is would first take all memory of the node. */
static bool fits(const es_comm *c, double need) {
  const double room = c->node_rank == 0 ? es_shared_room() : -1;
  int64_t lacks = room >= 0 && room < need;
  es_comm_max_i64(c, &lacks, 1);
  return lacks == 0;
}

es_status es_shared_create(const es_comm *c, const es_shared_request *want, int n,
                           const char *what, es_shared **s) {
  double need = es_shared_bytes(want, n, c->node_size);
  es_status st = ES_OK;
  int made = 0;
  for (int i = 0; i < n; i++) s[i] = NULL;
  const bool room = fits(c, need);
  while (room && made < n && st == ES_OK) {
    st = create(c, &want[made], &s[made]);
    if (s[made] == NULL) break;
    made++;
  }
  if (made == n) return ES_OK;
  for (int i = 0; i < made; i++) es_shared_destroy(&s[i]);
  ES_TRY(st);
  es_comm_max_f64(c, &need, 1);
  es_warn("shared memory (/dev/shm): got less than the %.1f MB that the ranks of a node "
          "need for %s; each rank holds a copy instead, which takes more memory and is "
          "slower",
          1e-6 * need, what);
  return ES_OK;
}

double es_shared_bytes(const es_shared_request *want, int n, int ranks) {
  double sum = 0;
  for (int i = 0; i < n && ranks > 1; i++)
    sum += (double) whole_pages(want[i].bytes) * (want[i].per_rank ? ranks : 1);
  return sum;
}

double es_shared_room(void) {
  struct statvfs of;
  if (statvfs("/dev/shm", &of) != 0) return -1;
  return (double) of.f_bavail * (double) of.f_frsize;
}

void es_shared_destroy(es_shared **s) {
  if (*s == NULL) return;
  if ((*s)->map != NULL) munmap((*s)->map, (*s)->mapped);
  es_mem_charge(-(ptrdiff_t) (*s)->charged);
  if ((*s)->map == NULL) es_free(&(*s)->part[0]);
  es_free(&(*s)->part);
  es_free(s);
}
