/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe.c  Loss and spectra of the held-out pairs. */
#include "eigenstep/probe.h"

#include "eigenstep/mem.h"

/* Rows of one value of the network, for all views. */
typedef struct rows {
  int width;     /**< D, or the number of features; 0: not read */
  double *z;     /**< [views n, width]: view 1 of all rows, then view 2, ...; owned */
  double **view; /**< [views] of z; those of a second value follow those of the first */
} rows;

struct es_probe {
  es_probe_options o;
  int64_t n; /**< rows of a view here */
  rows embedding, features;
  double **view; /**< [2 views]; owned */
  int64_t *row;  /**< [n] number of each row's pair; owned */
};

static es_status make_rows(es_probe *p, int value, double **view, rows *r) {
  r->width = es_probe_data_width(p->o.data, value);
  r->view = view;
  ES_TRY(ES_NEW(p->o.views * p->n * r->width, &r->z));
  for (int v = 0; v < p->o.views; v++) view[v] = r->z + v * p->n * r->width;
  return ES_OK;
}

es_status es_probe_create(const es_probe_options *o, es_probe **out) {
  es_probe *p = NULL;
  es_status st;
  ES_TRY_GOTO(ES_NEW(1, &p), fail);
  p->o = *o;
  p->n = es_probe_data_rows(o->data);
  ES_TRY_GOTO(ES_NEW(2 * o->views, &p->view), fail);
  ES_TRY_GOTO(make_rows(p, ES_PROBE_EMBEDDING, p->view, &p->embedding), fail);
  if (o->of_features != NULL)
    ES_TRY_GOTO(make_rows(p, o->value, p->view + o->views, &p->features), fail);
  ES_TRY_GOTO(ES_NEW(p->n, &p->row), fail);
  *out = p;
  return ES_OK;
fail:
  es_probe_destroy(&p);
  return st;
}

void es_probe_destroy(es_probe **p) {
  if (*p == NULL) return;
  es_free(&(*p)->embedding.z);
  es_free(&(*p)->features.z);
  es_free(&(*p)->view);
  es_free(&(*p)->row);
  es_free(p);
}

static es_embedding embedding_of(const es_probe *p, const rows *r) {
  return (es_embedding){.views = p->o.views,
                        .d = r->width,
                        .samples = es_probe_data_records(p->o.data),
                        .n = p->n,
                        .row = p->row,
                        .z = r->z};
}

/* Collective. also: a second value, 0 for none. */
static es_status forward(es_probe *p, int also) {
  const es_probe_request request = {
      .mode = p->o.mode, .value = ES_PROBE_EMBEDDING, .views = p->o.views, .also = also};
  return es_probe_data_read(p->o.data, &request, p->view, p->row);
}

es_status es_probe_embed(es_probe *p, es_embedding *e) {
  *e = embedding_of(p, &p->embedding);
  return forward(p, 0);
}

/* Collective. Where rows are replicated each rank takes the snapshot by itself, and may
 * fail so. */
static es_status take(const es_probe *p, es_snapshot *s, const rows *r, es_probe_time at,
                      bool keep) {
  const es_comm *const c = p->o.layout.comm;
  const es_embedding e = embedding_of(p, r);
  ES_TRY(es_comm_agree(c, es_snapshot_take(s, at.step, at.time, &e)));
  return keep ? es_comm_agree(c, es_snapshot_keep(s, at.step, at.time, &e)) : ES_OK;
}

es_status es_probe_measure(es_probe *p, es_probe_time at, es_clock *clock, bool keep,
                           double *loss) {
  es_snapshot *const features = p->o.of_features;
  const es_loss_batch pairs = {.n = (int) p->n, .z = {p->view[0], p->view[1]}};
  es_clock_mark(clock);
  ES_TRY(forward(p, features != NULL ? p->o.value : 0));
  ES_TRY(es_comm_agree(p->o.layout.comm, es_loss_eval(p->o.loss, &pairs, loss)));
  es_clock_lap(clock, ES_PHASE_PROBE);
  ES_TRY(take(p, p->o.snapshot, &p->embedding, at, keep));
  if (features != NULL) ES_TRY(take(p, features, &p->features, at, keep));
  es_clock_lap(clock, ES_PHASE_SNAPSHOT);
  return ES_OK;
}

bool es_probe_owns_kept(const es_probe *p, int id) {
  return es_snapshot_owns_kept(p->o.snapshot, id) ||
         (p->o.of_features != NULL && es_snapshot_owns_kept(p->o.of_features, id));
}

es_status es_probe_replay(es_probe *p) {
  const es_comm *const c = p->o.layout.comm;
  ES_TRY(es_comm_agree(c, es_snapshot_replay(p->o.snapshot)));
  if (p->o.of_features == NULL) return ES_OK;
  return es_comm_agree(c, es_snapshot_replay(p->o.of_features));
}

es_status es_probe_write_transitions(es_probe *p) {
  ES_TRY(es_snapshot_write_transitions(p->o.snapshot));
  if (p->o.of_features == NULL) return ES_OK;
  return es_snapshot_write_transitions(p->o.of_features);
}
