/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loader.c  Batches of pairs of views, the next one prepared on a thread.
 *
 *  What a batch holds is a function of (options, step) alone; the thread only computes it
 *  early. Two batches: the caller's, and the one in preparation. The thread touches its
 *  batch, the data set and the pipeline (both read-only), and never MPI. It is silent
 *  about errors: its batch may never be requested. If it is, the caller makes it again,
 *  and then reports the error itself. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "batch_maker.h"
#include "eigenstep/mem.h"
#include "eigenstep/thread.h"

/** What the thread is to do, and what it has. */
typedef enum task { IDLE, PREPARE, READY, QUIT } task;

struct es_loader {
  es_batch_maker make;
  int max; /**< most pairs of any rank */
  es_batch batch[2];
  int mine; /**< the caller's batch; the other is the thread's */
  bool threaded;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  task task;        /* guarded by lock: this and the next two */
  int64_t step;     /**< of the thread's batch */
  es_status status; /**< of the thread's batch */
};

static void set_task(es_loader *l, task t) {
  pthread_mutex_lock(&l->lock);
  l->task = t;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
}

/** Wait until the task is not `t`. @return what it is */
static task wait_while(es_loader *l, task t, task or_t) {
  pthread_mutex_lock(&l->lock);
  while (l->task == t || l->task == or_t) pthread_cond_wait(&l->changed, &l->lock);
  const task now = l->task;
  pthread_mutex_unlock(&l->lock);
  return now;
}

static void *prepare_batches(void *loader) {
  es_loader *l = loader;
  es_log_mute(true);
  while (wait_while(l, IDLE, READY) != QUIT) {
    l->status = es_batch_fill(&l->make, l->step, &l->batch[1 - l->mine]);
    set_task(l, READY);
  }
  return NULL;
}

static es_status start_thread(es_loader *l) {
  pthread_mutex_init(&l->lock, NULL);
  pthread_condattr_t steady; /* a clock that is not set back */
  pthread_condattr_init(&steady);
  pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
  pthread_cond_init(&l->changed, &steady);
  pthread_condattr_destroy(&steady);
  const int rc = es_thread_start(&l->thread, prepare_batches, l);
  ES_CHECK(rc == 0, ES_ENOMEM, "cannot start the loader's thread: %s", strerror(rc));
  l->threaded = true;
  return ES_OK;
}

static es_status make(es_loader *l) {
  const bool prefetch = l->make.o.prefetch;
  ES_TRY(es_batch_maker_open(&l->make));
  for (int k = 0; k < (prefetch ? 2 : 1); k++)
    ES_TRY(es_batch_room(&l->make, &l->batch[k]));
  return prefetch ? start_thread(l) : ES_OK;
}

/** The options are the same on all ranks, so one of them logs. */
static es_status check(const es_comm *c, const es_dataset *ds,
                       const es_loader_options *o) {
  const bool speak = c->rank == 0;
  if (o->pairs < c->size) {
    if (speak)
      es_error("batch.pairs: got %lld, expected at least %d, one for each rank",
               (long long) o->pairs, c->size);
    return ES_ECONFIG;
  }
  const bool inside =
      o->first >= 0 && o->count >= 1 && (ds->endless || o->first <= ds->size - o->count);
  if (!inside) {
    if (speak)
      es_error("data set %s: got %lld records from record %lld on to use, expected at "
               "least one, all within its %lld",
               ds->ops->name, (long long) o->count, (long long) o->first,
               (long long) ds->size);
    return ES_ECONFIG;
  }
  return ES_OK;
}

es_status es_loader_create(const es_comm *c, const es_dataset *ds, const es_augment *a,
                           es_shape view, const es_loader_options *o, es_loader **l) {
  es_loader *made = NULL;
  ES_TRY(check(c, ds, o));
  es_status st = ES_NEW(1, &made);
  if (st == ES_OK) {
    made->make = (es_batch_maker){.o = *o, .ds = ds, .a = a};
    made->make.values = (size_t) view.c * (size_t) view.h * (size_t) view.w;
    made->max = (int) ((o->pairs + c->size - 1) / c->size);
    es_comm_local_range(c, o->pairs, &made->make.first, &made->make.n);
    st = make(made);
  }
  st = es_comm_agree(c, st);
  if (st != ES_OK) {
    es_loader_destroy(&made);
    return st;
  }
  *l = made;
  return ES_OK;
}

void es_loader_destroy(es_loader **l) {
  if (*l == NULL) return;
  es_loader *old = *l;
  if (old->threaded) {
    wait_while(old, PREPARE, PREPARE);
    set_task(old, QUIT);
    pthread_join(old->thread, NULL);
    pthread_cond_destroy(&old->changed);
    pthread_mutex_destroy(&old->lock);
  }
  for (int k = 0; k < 2; k++) es_batch_free(&old->batch[k]);
  es_batch_maker_close(&old->make);
  es_free(l);
}

bool es_loader_wait(es_loader *l, double seconds) {
  struct timespec until;
  int rc = 0;
  if (!l->threaded) return true;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t) seconds;
  until.tv_nsec += (long) (1e9 * (seconds - floor(seconds)));
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock(&l->lock);
  while (l->task == PREPARE && rc == 0)
    rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
  const bool ready = l->task != PREPARE;
  pthread_mutex_unlock(&l->lock);
  return ready;
}

/** Take the thread's batch if it is that of `step` and whole, else make it here. */
static es_status take(es_loader *l, int64_t step) {
  const task found = wait_while(l, PREPARE, PREPARE);
  if (found != READY || l->step != step || l->status != ES_OK)
    return es_batch_fill(&l->make, step, &l->batch[l->mine]);
  l->mine = 1 - l->mine;
  return ES_OK;
}

es_status es_loader_get(es_loader *l, int64_t step, es_batch **batch) {
  ES_CHECK(step >= 0, ES_EARG, "loader: got step %lld, expected 0 or more",
           (long long) step);
  if (!l->threaded) {
    ES_TRY(es_batch_fill(&l->make, step, &l->batch[0]));
  } else {
    const es_status st = take(l, step);
    l->step = step + 1;
    set_task(l, st == ES_OK ? PREPARE : IDLE);
    ES_TRY(st);
  }
  *batch = &l->batch[l->mine];
  return ES_OK;
}

int es_loader_max(const es_loader *l) {
  return l->max;
}

int64_t es_loader_record(const es_loader *l, int64_t position) {
  uint64_t epoch;
  int64_t id;
  es_batch_locate(&l->make.o, (uint64_t) position, &epoch, &id);
  return id;
}
