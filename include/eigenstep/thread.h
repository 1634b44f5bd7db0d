/* SPDX-License-Identifier: BSD-3-Clause */
/** @file thread.h  Threads beside a rank's own: of the loader, of progress lines, of a
 *  sweep's signs of life. */
#ifndef ES_THREAD_H
#define ES_THREAD_H

#include <pthread.h>

/** Not collective. Start work(ctx) on a thread of its own. It gets no signals: they are
 *  the main thread's, which looks at the stop flag. It may run on all processors of
 *  OpenMP's places: where OpenMP binds the main thread to one of them (OMP_PLACES,
 *  OMP_PROC_BIND), a thread would inherit that one.
 *  @return 0, or the error number of pthread_create */
int es_thread_start(pthread_t *thread, void *(*work)(void *), void *ctx);

/** Not collective. From now on OpenMP, and with it oneDNN, has so many threads;
 *  nothing in a build without OpenMP. */
void es_thread_set_openmp(int threads);

#endif
