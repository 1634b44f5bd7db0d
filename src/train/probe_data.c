/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe_data.c  The one loop over chunks of a loader and an evaluation network. */
#include "eigenstep/probe_data.h"

#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "passes.h"

struct es_probe_data {
  es_probe_data_options o;
  es_passes passes;
};

es_status es_probe_data_create(const es_probe_data_options *o, es_probe_data **out) {
  const es_passes_options passes = {.layout = o->layout,
                                    .net = o->net,
                                    .n_max = es_loader_max(o->loader),
                                    .views = o->views,
                                    .groups = o->groups,
                                    .micro = o->micro};
  es_probe_data *p = NULL;
  ES_TRY(ES_NEW(1, &p));
  p->o = *o;
  const es_status st = es_passes_create(&passes, &p->passes);
  if (st == ES_OK)
    *out = p;
  else
    es_probe_data_destroy(&p);
  return st;
}

void es_probe_data_destroy(es_probe_data **p) {
  if (*p == NULL) return;
  es_passes_free(&(*p)->passes);
  es_free(p);
}

static int64_t chunks_of(const es_probe_data *p) {
  return (p->o.records + p->o.chunk - 1) / p->o.chunk;
}

/* This rank's rows of chunk c: those of records `first` and on. The last chunk may reach
 * beyond the set. */
static int64_t rows_of(const es_probe_data *p, int64_t c, int64_t *first) {
  int64_t n;
  es_row_layout_share(&p->o.layout, p->o.chunk, first, &n);
  *first += c * p->o.chunk;
  const int64_t left = p->o.records - *first;
  return left < n ? (left > 0 ? left : 0) : n;
}

int64_t es_probe_data_records(const es_probe_data *p) {
  return p->o.records;
}

int64_t es_probe_data_rows(const es_probe_data *p) {
  int64_t n = 0, first;
  for (int64_t c = 0; c < chunks_of(p); c++) n += rows_of(p, c, &first);
  return n;
}

int es_probe_data_width(const es_probe_data *p, int value) {
  const es_shape s = es_net_shape(p->o.net, value < 0 ? 0 : value);
  return value < 0 ? es_net_dim(p->o.net) : s.c * s.h * s.w;
}

enum { VALUES = 2 };

/* What a chunk is read into. */
typedef struct chunk_room {
  int n;                        /* values */
  double *room[VALUES];         /* owned: [views rows, width] */
  double *view[VALUES][2];      /* of them */
  es_passes_value read[VALUES]; /* as passes take it */
  es_probe_rows rows[VALUES];   /* as `take` gets it */
} chunk_room;

/* Not collective. */
static es_status allocate(const es_probe_data *p, const es_probe_request *r,
                          chunk_room *c) {
  const int value[VALUES] = {r->value, r->also};
  const int most = es_row_layout_rows(&p->o.layout, es_loader_max(p->o.loader));
  *c = (chunk_room){.n = r->also > 0 ? 2 : 1};
  for (int i = 0; i < c->n; i++) {
    const int width = es_probe_data_width(p, value[i]);
    const size_t size = (size_t) most * (size_t) width;
    ES_TRY(ES_NEW((size_t) p->o.views * size, &c->room[i]));
    c->view[i][0] = c->room[i];
    c->view[i][1] = p->o.views == 2 ? c->room[i] + size : NULL;
    c->read[i] = (es_passes_value){value[i], c->view[i]};
    c->rows[i] = (es_probe_rows){
        .which = i, .width = width, .value = {c->view[i][0], c->view[i][1]}};
  }
  return ES_OK;
}

/* Collective. Chunk k of a pass, and what is done with it. */
static es_status do_chunk(es_probe_data *p, const es_probe_request *r, int pass,
                          int64_t k, chunk_room *c, es_probe_take take, void *ctx) {
  es_batch *b = NULL;
  const es_status got = es_loader_get(p->o.loader, pass * chunks_of(p) + k, &b);
  ES_TRY(es_comm_agree(p->o.layout.comm, got));
  ES_TRY(es_passes_read(&p->passes, b, r->mode, c->read, c->n));
  es_status st = ES_OK;
  for (int i = 0; i < c->n && st == ES_OK; i++) {
    es_probe_rows *const rows = &c->rows[i];
    rows->n = (int) rows_of(p, k, &rows->first);
    rows->view = pass * p->o.views;
    rows->batch = b;
    st = take(ctx, rows);
  }
  return es_comm_agree(p->o.layout.comm, st);
}

es_status es_probe_data_each(es_probe_data *p, const es_probe_request *r,
                             es_probe_take take, void *ctx) {
  chunk_room c = {0};
  const int64_t chunks = chunks_of(p), passes = r->views / p->o.views;
  es_status st = es_comm_agree(p->o.layout.comm, allocate(p, r, &c));
  for (int pass = 0; pass < passes && st == ES_OK; pass++)
    for (int64_t k = 0; k < chunks && st == ES_OK; k++) {
      st = do_chunk(p, r, pass, k, &c, take, ctx);
      es_progress_at((double) (pass * chunks + k + 1), (double) (chunks * passes));
    }
  for (int i = 0; i < VALUES; i++) es_free(&c.room[i]);
  return st;
}

/* Where es_probe_data_read puts what it gets. */
typedef struct target {
  double *const *view;
  int64_t *row;
  int64_t n; /**< rows of the present pass so far */
  int at;    /**< the first view of the present pass */
  int views; /**< of a pass */
  int all;   /**< views of a value */
} target;

static es_status store(void *ctx, const es_probe_rows *rows) {
  target *const t = ctx;
  const size_t width = (size_t) rows->width, count = (size_t) rows->n * width;
  if (rows->view != t->at) t->n = 0;
  t->at = rows->view;
  /* a second value has the same rows as the first, which were counted then */
  const int64_t before = rows->which == 0 ? t->n : t->n - rows->n;
  for (int v = 0; v < t->views; v++)
    memcpy(t->view[rows->which * t->all + t->at + v] + (size_t) before * width,
           rows->value[v], count * sizeof(double));
  for (int i = 0; i < rows->n && t->row != NULL; i++)
    t->row[before + i] = rows->first + i;
  t->n = before + rows->n;
  return ES_OK;
}

es_status es_probe_data_read(es_probe_data *p, const es_probe_request *r,
                             double *const *view, int64_t *row) {
  target t = {.view = view, .row = row, .views = p->o.views, .all = r->views};
  return es_probe_data_each(p, r, store, &t);
}
