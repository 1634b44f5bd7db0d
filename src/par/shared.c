/* SPDX-License-Identifier: BSD-3-Clause */
/** @file shared.c  Memory shared by the ranks of a node: a POSIX shared-memory segment.
 *
 *  The segment is unlinked as soon as all ranks have mapped it, so that a killed run
 *  leaves nothing behind. MPI_Win_allocate_shared is not used: when /dev/shm is full,
 *  Open MPI 4.1 fails on one rank and hangs on the others. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "eigenstep/mem.h"

enum { PAGE = 4096, NAME = 64 };

/* Create a segment of `bytes` bytes; its name, or "" on failure. */
static void make(int64_t bytes, char name[NAME]) {
  int fd = -1;
  for (int i = 0; fd < 0 && i < 1000; i++) {
    snprintf(name, NAME, "/eigenstep.%ld.%d", (long) getpid(), i);
    fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 && errno != EEXIST) break;
  }
  const bool made = fd >= 0 && ftruncate(fd, (off_t) bytes) == 0;
  if (fd >= 0 && !made) shm_unlink(name);
  if (fd >= 0) close(fd);
  if (!made) name[0] = '\0';
}

/* Map the named segment and reserve the pages [first, first + count) that this rank
 * touches first: otherwise a full /dev/shm causes a bus error during the run. */
static bool map(const char *name, int64_t first, int64_t count, es_shared *s) {
  const int fd = name[0] != '\0' ? shm_open(name, O_RDWR, 0600) : -1;
  if (fd < 0) return false;
  const bool room = count == 0 || posix_fallocate(fd, (off_t) first, (off_t) count) == 0;
  void *const at =
      room ? mmap(NULL, s->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
  close(fd);
  if (at == NULL || at == MAP_FAILED) return false;
  s->map = at;
  return true;
}

/* Collective over the node. Create and map all parts, rounded up to pages; false if the
 * node lacks shared memory. */
static bool map_node(const es_comm *c, bool per_rank, es_shared *s) {
  const int64_t pages = (int64_t) (s->bytes / PAGE + 1), size = pages * PAGE;
  const int64_t n = c->node_size, r = c->node_rank;
  const int64_t first = per_rank ? r * size : pages * r / n * PAGE;
  const int64_t end = per_rank ? first + size : pages * (r + 1) / n * PAGE;
  char name[NAME];
  s->mapped = (size_t) (s->parts * size);
  if (r == 0) make(s->parts * size, name);
  MPI_Bcast(name, NAME, MPI_CHAR, 0, c->node);
  const bool mapped = map(name, first, end - first, s);
  for (int i = 0; i < s->parts && mapped; i++) s->part[i] = (char *) s->map + i * size;
  MPI_Barrier(c->node);
  if (r == 0 && name[0] != '\0') shm_unlink(name);
  return mapped;
}

es_status es_shared_create(const es_comm *c, size_t bytes, bool per_rank,
                           const char *what, es_shared **out) {
  es_shared *s = NULL;
  es_status st = ES_NEW(1, &s);
  if (st == ES_OK) {
    s->bytes = bytes;
    s->parts = per_rank ? c->node_size : 1;
    st = ES_NEW(s->parts, &s->part);
  }
  if (st == ES_OK && c->node_size == 1) st = es_alloc(bytes, what, &s->part[0]);
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    if (s != NULL && s->part != NULL) es_free(&s->part[0]);
    if (s != NULL) es_free(&s->part);
    es_free(&s);
    return st;
  }
  int64_t failed = c->node_size > 1 && !map_node(c, per_rank, s);
  es_comm_max_i64(c, &failed, 1);
  if (failed == 0) {
    *out = s;
    return ES_OK;
  }
  es_shared_destroy(&s);
  es_warn("shared memory (/dev/shm): cannot allocate %zu bytes per rank for %s; ranks "
          "exchange copies instead, which is slower",
          bytes, what);
  *out = NULL;
  return ES_OK;
}

void es_shared_destroy(es_shared **s) {
  if (*s == NULL) return;
  if ((*s)->map != NULL) munmap((*s)->map, (*s)->mapped);
  if ((*s)->map == NULL) es_free(&(*s)->part[0]);
  es_free(&(*s)->part);
  es_free(s);
}
