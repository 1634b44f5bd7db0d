/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe.c  The held-out pairs that are measured at every snapshot: the same
 * records, the same views, in the same chunks at any rank count. A chunk is as large as a
 * training batch, so batch statistics of BN mean what they mean in training. `comm` and
 * the loader's communicator differ in deterministic mode, where this rank sees the pairs
 * of all. */
#include "eigenstep/train.h"

#include <string.h>
#include "eigenstep/mem.h"

struct es_probe {
  const es_comm *comm; /* borrowed */
  es_loader *loader;   /* borrowed */
  es_loss *loss;       /* borrowed; sized for all of this rank's probe pairs */
  int64_t pairs, chunks, per_chunk;
  int64_t n_max; /**< pairs seen here over all chunks, at most */
  int dim;
  es_bn_mode mode;
  int views;     /**< of each sample: 2, or more for LiDAR */
  double *z;     /**< [views n, D]: view 1 of all this rank's pairs, then view 2, ... */
  double *chunk; /**< [2 n_chunk, D]; owned */
  int64_t *row;  /**< [n] global number of each pair; owned */
};

es_status es_probe_create(const es_comm *comm, es_loader *loader, int64_t pairs,
                          int64_t per_chunk, int views, int dim, es_loss *loss,
                          es_bn_mode mode, es_probe **out) {
  es_probe *p = NULL;
  es_status st;
  ES_CHECK(pairs % per_chunk == 0, ES_EINTERNAL, "probe of %lld pairs in chunks of %lld",
           (long long) pairs, (long long) per_chunk);
  const int64_t chunks = pairs / per_chunk;
  const size_t most = (size_t) ((per_chunk + comm->size - 1) / comm->size);
  const size_t d = (size_t) dim;
  ES_TRY_GOTO(ES_NEW(1, &p), fail);
  p->n_max = chunks * (int64_t) most;
  ES_TRY_GOTO(ES_NEW((size_t) views * (size_t) p->n_max * d, &p->z), fail);
  ES_TRY_GOTO(ES_NEW(2 * most * d, &p->chunk), fail);
  ES_TRY_GOTO(ES_NEW((size_t) p->n_max, &p->row), fail);
  p->comm = comm;
  p->loader = loader;
  p->loss = loss;
  p->pairs = pairs;
  p->per_chunk = per_chunk;
  p->chunks = chunks;
  p->views = views;
  p->dim = dim;
  p->mode = mode;
  *out = p;
  return ES_OK;
fail:
  es_probe_destroy(&p);
  return st;
}

void es_probe_destroy(es_probe **p) {
  if (*p == NULL) return;
  es_free(&(*p)->z);
  es_free(&(*p)->chunk);
  es_free(&(*p)->row);
  es_free(p);
}

/* Embed all chunks once: view 1 rows to the front half of z, view 2 rows to the back
 * half. A pass beyond the first gives each sample two views more. */
static es_status embed_all(es_probe *p, es_train *t, int pass, int64_t n_total,
                           double *z) {
  const size_t d = (size_t) p->dim;
  int64_t n = 0, lo, mine;
  es_comm_local_range(p->comm, p->per_chunk, &lo, &mine);
  for (int64_t c = 0; c < p->chunks; c++) {
    es_batch *b = NULL;
    ES_TRY(es_comm_agree(t->comm, es_loader_get(p->loader, pass * p->chunks + c, &b)));
    int got;
    ES_TRY(es_train_embed(t, b, p->mode, &got, p->chunk));
    const size_t part = (size_t) got * d;
    memcpy(z + (size_t) n * d, p->chunk, part * sizeof(double));
    memcpy(z + (size_t) (n_total + n) * d, p->chunk + part, part * sizeof(double));
    for (int i = 0; i < got; i++) p->row[n + i] = c * p->per_chunk + lo + i;
    n += got;
  }
  return ES_OK;
}

es_status es_probe_measure(es_probe *p, es_train *t, es_snapshot *s, double *loss) {
  int64_t lo, mine;
  es_comm_local_range(p->comm, p->per_chunk, &lo, &mine);
  const int64_t n = p->chunks * mine, d = p->dim;
  es_clock_mark(&t->clock);
  for (int pass = 0; 2 * pass < p->views; pass++)
    ES_TRY(embed_all(p, t, pass, n, p->z + 2 * pass * n * d));
  const es_status st = es_loss_eval(
      p->loss, &(es_loss_batch){(int) n, {p->z, p->z + n * d}, {NULL, NULL}}, loss);
  ES_TRY(es_comm_agree(t->comm, st));
  es_clock_lap(&t->clock, ES_PHASE_PROBE);
  /* deterministic: each rank takes it by itself, and may fail by itself */
  const es_embedding e = {.views = p->views,
                          .d = p->dim,
                          .samples = p->pairs,
                          .n = n,
                          .row = p->row,
                          .z = p->z};
  const es_status taken = es_snapshot_take(s, t->step, t->time, &e);
  ES_TRY(es_comm_agree(t->comm, taken));
  es_clock_lap(&t->clock, ES_PHASE_SNAPSHOT);
  return ES_OK;
}
