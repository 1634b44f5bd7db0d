/* SPDX-License-Identifier: BSD-3-Clause */
/** @file faults.c  The program with failures on demand (tests/fault.sh).
 *
 *  Calls that can fail are wrapped by the linker (--wrap): memory, files, shared memory,
 *  HDF5 (all functions that the library uses, a list made by nm) and the agreements of
 *  ranks. The environment says what fails:
 *    ES_FAULT=KIND:RANK:CALL:CALLER   on that rank that call of the kind (mem, file, h5,
 *                              agree) among those of a caller, which is an address: the
 *                              number of all calls depends on how long others take
 *    ES_FAULT=list:FILE        nothing; FILE.RANK lists one call for each distinct chain
 *                              of callers: "KIND CALL NAME CALLER CALLER..."
 *  What fails is printed, with its callers.
 *  HDF5 functions fail after they did their work, as a rank that left out a collective
 *  call would test MPI instead. */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "eigenstep/collective_error.h"

enum { OWN = 8, FRAMES = 6, CHAINS = 8192, MEM = 0, FILES, H5, AGREE, KINDS };
static const char *const kind_name[KINDS] = {"mem", "file", "h5", "agree"};

static struct {
  FILE *list;
  int kind;
  long call;
  unsigned long caller;
  uint64_t seen[CHAINS];
  struct {
    atomic_ulong caller; /* 0: free */
    atomic_long calls;
  } site[CHAINS];
} state = {.kind = -1};

/* An address as addr2line understands it: of the call, not of what follows it. */
static unsigned long offset(const void *address) {
  extern const char __executable_start;
  return (unsigned long) ((const char *) address - 1 - &__executable_start);
}

__attribute__((constructor)) static void setup(void) {
  const char *const what = getenv("ES_FAULT");
  const char *const rank = getenv("OMPI_COMM_WORLD_RANK");
  const int mine = rank != NULL ? atoi(rank) : 0;
  char name[8], path[4096];
  int which = -1;
  void *frame[1];
  if (what == NULL) return;
  backtrace(frame, 1); /* loads what it needs now */
  if (strncmp(what, "list:", 5) == 0) {
    snprintf(path, sizeof path, "%s.%d", what + 5, mine);
    state.list = fopen(path, "w");
  } else if (sscanf(what, "%7[^:]:%d:%ld:%lx", name, &which, &state.call,
                    &state.caller) == 4) {
    for (int k = 0; k < KINDS && which == mine; k++)
      if (strcmp(name, kind_name[k]) == 0) state.kind = k;
  }
}

/* Is this chain of callers a new one? */
static bool is_new(void *const *frame, int n) {
  uint64_t h = 14695981039346656037u;
  for (int i = 0; i < n; i++) h = (h ^ (uint64_t) (uintptr_t) frame[i]) * 1099511628211u;
  for (int i = 0; i < CHAINS; i++) {
    uint64_t *const slot = &state.seen[(h + (uint64_t) i) % CHAINS];
    if (*slot == h) return false;
    if (*slot == 0) {
      *slot = h;
      return true;
    }
  }
  return false;
}

/* The callers of a call, from ours and a sanitizer's frames on: how many. */
static __attribute__((noinline)) int callers(void *frame[OWN + FRAMES],
                                             const void *caller, int *own) {
  int n = backtrace(frame, OWN + FRAMES);
  *own = 0;
  while (*own < n && frame[*own] != caller) (*own)++;
  return n > *own + FRAMES ? *own + FRAMES : n;
}

/* A line for a call with new callers. */
static void list_call(int kind, long call, const char *name, const void *caller) {
  void *frame[OWN + FRAMES];
  int own;
  const int n = callers(frame, caller, &own);
  if (own == n || !is_new(frame + own, n - own)) return;
  fprintf(state.list, "%s %ld %s", kind_name[kind], call, name);
  for (int i = own; i < n; i++) fprintf(state.list, " %#lx", offset(frame[i]));
  fputc('\n', state.list);
  fflush(state.list);
}

/* "fault: NAME CALLER CALLER..." */
static void tell(const char *name, const void *caller) {
  void *frame[OWN + FRAMES];
  char text[256];
  int own, at = snprintf(text, sizeof text, "fault: %s", name);
  const int n = callers(frame, caller, &own);
  for (int i = own; i < n && at < (int) sizeof text - 24; i++)
    at += snprintf(text + at, sizeof text - (size_t) at, " %#lx", offset(frame[i]));
  dprintf(2, "%s\n", text);
}

/* The number of this call among those of its caller. */
static long count_call(const void *caller) {
  const unsigned long key = offset(caller);
  for (unsigned long i = 0; i < CHAINS; i++) {
    const unsigned long k = (key + i) % CHAINS;
    unsigned long was = 0;
    if (atomic_compare_exchange_strong(&state.site[k].caller, &was, key) || was == key)
      return atomic_fetch_add(&state.site[k].calls, 1) + 1;
  }
  return 0;
}

/* In a wrapper: who called it. */
#define CALLER __builtin_return_address(0)

/* Counts a call; is it the one that is to fail? */
static __attribute__((noinline)) bool fails(int kind, const char *name,
                                            const void *caller) {
  const long call = count_call(caller);
  if (state.list != NULL) list_call(kind, call, name, caller);
  if (state.kind != kind || state.call != call || state.caller != offset(caller))
    return false;
  tell(name, caller);
  return true;
}

/* Any function of whole numbers and pointers: at most six come in registers, and what is
 * beyond is on the stack, which is passed on. */
#define ARGUMENTS long a, long b, long c, long d, long e, long f, long g, long h
#define WRAP_BEFORE(kind, name, result, error)                                           \
  long __real_##name(ARGUMENTS);                                                         \
  long __wrap_##name(ARGUMENTS);                                                         \
  long __wrap_##name(ARGUMENTS) {                                                        \
    if (fails(kind, #name, CALLER)) {                                                    \
      errno = error;                                                                     \
      return (long) (result);                                                            \
    }                                                                                    \
    return __real_##name(a, b, c, d, e, f, g, h);                                        \
  }
#define WRAP_AFTER(kind, name, result, error)                                            \
  long __real_##name(ARGUMENTS);                                                         \
  long __wrap_##name(ARGUMENTS);                                                         \
  long __wrap_##name(ARGUMENTS) {                                                        \
    const long done = __real_##name(a, b, c, d, e, f, g, h);                             \
    if (!fails(kind, #name, CALLER)) return done;                                        \
    errno = error;                                                                       \
    return (long) (result);                                                              \
  }

#include "faults_list.h"

es_status __real_es_comm_agree(const es_comm *c, es_status s);
es_status __wrap_es_comm_agree(const es_comm *c, es_status s);
es_status __wrap_es_comm_agree(const es_comm *c, es_status s) {
  if (s == ES_OK && fails(AGREE, "es_comm_agree", CALLER)) {
    es_error("a failure before an agreement");
    s = ES_EINTERNAL;
  }
  return __real_es_comm_agree(c, s);
}

es_status __real_es_collective_error_agree_max(const es_comm *c,
                                               const es_collective_error *n,
                                               int64_t *wants, int k);
es_status __wrap_es_collective_error_agree_max(const es_comm *c,
                                               const es_collective_error *n,
                                               int64_t *wants, int k);
es_status __wrap_es_collective_error_agree_max(const es_comm *c,
                                               const es_collective_error *n,
                                               int64_t *wants, int k) {
  es_collective_error failed = *n;
  if (n->status == ES_OK && fails(AGREE, "es_collective_error_agree_max", CALLER))
    es_collective_error_set(&failed, ES_EINTERNAL, "a failure before an agreement");
  return __real_es_collective_error_agree_max(c, &failed, wants, k);
}

es_status __real_es_collective_error_agree(const es_comm *c,
                                           const es_collective_error *n);
es_status __wrap_es_collective_error_agree(const es_comm *c,
                                           const es_collective_error *n);
es_status __wrap_es_collective_error_agree(const es_comm *c,
                                           const es_collective_error *n) {
  es_collective_error failed = *n;
  if (n->status == ES_OK && fails(AGREE, "es_collective_error_agree", CALLER))
    es_collective_error_set(&failed, ES_EINTERNAL, "a failure before an agreement");
  return __real_es_collective_error_agree(c, &failed);
}
