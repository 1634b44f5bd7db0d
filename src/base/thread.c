/* SPDX-License-Identifier: BSD-3-Clause */
/** @file thread.c  Start a thread: no signals, any processor of this rank. */
#define _GNU_SOURCE
#include "eigenstep/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

#ifdef _OPENMP
#include <omp.h>

void es_thread_set_openmp(int threads) {
  omp_set_num_threads(threads);
}

/* Where OpenMP has places, its main thread is bound to one of them. */
static void allow_all_places(pthread_attr_t *how) {
  cpu_set_t all;
  CPU_ZERO(&all);
  for (int place = 0; place < omp_get_num_places(); place++) {
    int processor[CPU_SETSIZE];
    const int n = omp_get_place_num_procs(place);
    if (n <= 0 || n > CPU_SETSIZE) continue;
    omp_get_place_proc_ids(place, processor);
    for (int i = 0; i < n; i++)
      if (processor[i] < CPU_SETSIZE) CPU_SET(processor[i], &all);
  }
  if (CPU_COUNT(&all) > 0) (void) pthread_attr_setaffinity_np(how, sizeof all, &all);
}
#else
void es_thread_set_openmp(int threads) {
  (void) threads;
}

static void allow_all_places(pthread_attr_t *how) {
  (void) how;
}
#endif

int es_thread_start(pthread_t *thread, void *(*work)(void *), void *ctx) {
  pthread_attr_t how;
  sigset_t all, before;
  pthread_attr_init(&how);
  allow_all_places(&how);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(thread, &how, work, ctx);
  /* a place that this process may not use: stay where the maker is */
  if (error == EINVAL) error = pthread_create(thread, NULL, work, ctx);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&how);
  return error;
}
