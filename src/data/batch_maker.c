/* SPDX-License-Identifier: BSD-3-Clause */
/** @file batch_maker.c  The pairs of a batch: each is a function of its record, its epoch
 *  and the seed, so threads make them in any order. */
#define _POSIX_C_SOURCE 200809L
#include "batch_maker.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/thread.h"

enum { ROOMS = 256 << 20 }; /* bytes of the threads of a loader, where one has less */

/** Every threads-th pair of a batch. */
typedef struct es_batch_share {
  const es_batch_maker *m;
  void *record, *view; /* owned scratch */
  es_batch *b;
  int next; /**< the first that is not made */
  bool started;
  pthread_t thread;
} share;

void es_batch_locate(const es_loader_options *o, uint64_t p, uint64_t *epoch,
                     int64_t *id) {
  const uint64_t count = (uint64_t) o->count, place = p % count;
  *epoch = o->fixed_epoch + p / count;
  const uint64_t at = o->shuffle ? es_permute(o->seed, *epoch, count, place) : place;
  *id = o->record != NULL ? o->record[at] : o->first + (int64_t) at;
}

static bool is_finite(const float *x, size_t n) {
  int bad = 0;
  for (size_t i = 0; i < n; i++) bad |= !(fabsf(x[i]) <= 3.402823466e38f);
  return bad == 0;
}

static es_status fill_view(const share *s, int i, int view, es_sample *from) {
  const es_batch_maker *const m = s->m;
  es_batch *const b = s->b;
  const es_view_key which = {
      .seed = m->o.seed, .epoch = b->epoch[i], .sample = b->id[i], .view = view};
  if (m->o.recipes)
    return es_augment_plan(m->a, &which, from, &b->recipe[view * b->n + i]);
  float *x = b->x + (size_t) (view * b->n + i) * m->values;
  ES_TRY(es_augment_apply(m->a, &which, from, s->view, x));
  ES_CHECK(is_finite(x, m->values), ES_EMATH,
           "record %lld of data.name = %s: got a value that is not finite, expected "
           "numbers",
           (long long) b->id[i], m->ds->ops->name);
  return ES_OK;
}

/** Append a record to those of the batch, whose first `at` bytes are used. */
static es_status keep_record(es_batch *b, int64_t at, const es_sample *s) {
  const size_t bytes = 3 * (size_t) s->h * (size_t) s->w, needed = (size_t) at + bytes;
  if (needed > b->room) {
    uint8_t *grown = NULL;
    const size_t room = needed > 2 * b->room ? needed : 2 * b->room;
    ES_TRY(ES_NEW(room, &grown));
    if (at > 0) memcpy(grown, b->records, (size_t) at);
    es_free(&b->records);
    b->records = grown;
    b->room = room;
  }
  memcpy(b->records + at, s->u8, bytes);
  return ES_OK;
}

/** The record of pair i, and where it is. */
static es_status fill_record(es_batch *b, int i, const es_sample *s) {
  const es_view_recipe *const before = i > 0 ? &b->recipe[i - 1] : NULL;
  const int64_t at = i > 0 ? before->record + es_view_record_bytes(before) : 0;
  ES_TRY(keep_record(b, at, s));
  b->recipe[i].record = b->recipe[b->n + i].record = at;
  return ES_OK;
}

static es_status fill_pair(const share *s, int i) {
  const es_dataset *const ds = s->m->ds;
  es_batch *const b = s->b;
  es_sample from;
  ES_TRY(ds->ops->get(ds, b->id[i], 0, s->record, &from));
  b->label[i] = from.label;
  ES_TRY(fill_view(s, i, 0, &from));
  if (ds->ops->pairs) ES_TRY(ds->ops->get(ds, b->id[i], 1, s->record, &from));
  ES_TRY(fill_view(s, i, 1, &from));
  return s->m->o.recipes ? fill_record(b, i, &from) : ES_OK;
}

static es_status fill_share(share *s) {
  for (; s->next < s->b->n; s->next += s->m->threads) ES_TRY(fill_pair(s, s->next));
  return ES_OK;
}

/** Silent: what is not made then, the caller makes. */
static void *fill_beside(void *ctx) {
  es_log_mute(true);
  fill_share(ctx);
  return NULL;
}

es_status es_batch_fill(const es_batch_maker *m, int64_t step, es_batch *b) {
  for (int i = 0; i < b->n; i++)
    es_batch_locate(&m->o, (uint64_t) (step * m->o.pairs + m->first + i), &b->epoch[i],
                    &b->id[i]);
  for (int k = 0; k < m->threads; k++) {
    m->share[k].b = b;
    m->share[k].next = k;
    if (k > 0)
      m->share[k].started =
          es_thread_start(&m->share[k].thread, fill_beside, &m->share[k]) == 0;
  }
  es_status st = fill_share(&m->share[0]);
  for (int k = 1; k < m->threads; k++) {
    if (m->share[k].started) pthread_join(m->share[k].thread, NULL);
    if (st == ES_OK) st = fill_share(&m->share[k]);
  }
  return st;
}

/** Of one thread: a record, and what its library and a view in the making take. */
static int64_t room_of(const es_dataset *ds, const es_augment *a) {
  return (int64_t) (ds->scratch + ds->largest.library + es_augment_scratch(a));
}

/** As many as there are pairs to make, and as the memory for large records allows. */
static int threads_of(const es_dataset *ds, const es_augment *a, int64_t pairs,
                      int threads) {
  const int64_t by_room = ROOMS / (room_of(ds, a) + 1);
  const int64_t most = pairs < by_room ? pairs : by_room;
  return threads < most ? (threads > 1 ? threads : 1) : most > 1 ? (int) most : 1;
}

int64_t es_loader_rooms(const es_dataset *ds, const es_augment *a, int64_t pairs,
                        int threads) {
  return threads_of(ds, a, pairs, threads) * room_of(ds, a);
}

es_status es_batch_maker_open(es_batch_maker *m) {
  const int64_t most = m->o.recipes ? 1 : m->n; /* records are one after the other */
  const int threads = threads_of(m->ds, m->a, most, m->o.threads);
  ES_TRY(ES_NEW(threads, &m->share));
  m->threads = threads;
  for (int k = 0; k < threads; k++) {
    share *const s = &m->share[k];
    s->m = m;
    ES_TRY(es_dataset_room(m->ds, &s->record));
    if (!m->o.recipes)
      ES_TRY(es_alloc(es_augment_scratch(m->a), "a view in the making", &s->view));
  }
  return ES_OK;
}

void es_batch_maker_close(es_batch_maker *m) {
  for (int k = 0; k < m->threads; k++) {
    es_dataset_room_free(m->ds, &m->share[k].record);
    es_free(&m->share[k].view);
  }
  es_free(&m->share);
}

es_status es_batch_room(const es_batch_maker *m, es_batch *b) {
  const size_t n = (size_t) m->n;
  b->n = (int) m->n;
  if (m->o.recipes)
    ES_TRY(ES_NEW(2 * n, &b->recipe));
  else
    ES_TRY(ES_NEW(2 * n * m->values, &b->x));
  ES_TRY(ES_NEW(n, &b->id));
  ES_TRY(ES_NEW(n, &b->label));
  return ES_NEW(n, &b->epoch);
}

void es_batch_free(es_batch *b) {
  es_free(&b->x);
  es_free(&b->id);
  es_free(&b->label);
  es_free(&b->epoch);
  es_free(&b->recipe);
  es_free(&b->records);
}
