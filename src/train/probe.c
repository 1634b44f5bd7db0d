/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe.c  Loss and spectrum of the held-out pairs. */
#include "eigenstep/probe.h"

#include "eigenstep/mem.h"

struct es_probe {
  es_probe_options o;
  int64_t n;     /**< rows of a view here */
  int width;     /**< D */
  double *z;     /**< [views n, D]: view 1 of all rows, then view 2, ...; owned */
  double **view; /**< [views] of z; owned */
  int64_t *row;  /**< [n] number of each row's pair; owned */
};

es_status es_probe_create(const es_probe_options *o, es_probe **out) {
  es_probe *p = NULL;
  es_status st;
  ES_TRY_GOTO(ES_NEW(1, &p), fail);
  p->o = *o;
  p->n = es_probe_data_rows(o->data);
  p->width = es_probe_data_width(o->data, ES_PROBE_EMBEDDING);
  ES_TRY_GOTO(ES_NEW(o->views * p->n * p->width, &p->z), fail);
  ES_TRY_GOTO(ES_NEW(o->views, &p->view), fail);
  ES_TRY_GOTO(ES_NEW(p->n, &p->row), fail);
  for (int v = 0; v < o->views; v++) p->view[v] = p->z + v * p->n * p->width;
  *out = p;
  return ES_OK;
fail:
  es_probe_destroy(&p);
  return st;
}

void es_probe_destroy(es_probe **p) {
  if (*p == NULL) return;
  es_free(&(*p)->z);
  es_free(&(*p)->view);
  es_free(&(*p)->row);
  es_free(p);
}

es_status es_probe_embed(es_probe *p, es_embedding *e) {
  const es_probe_request embeddings = {p->o.mode, ES_PROBE_EMBEDDING, p->o.views};
  *e = (es_embedding){.views = p->o.views,
                      .d = p->width,
                      .samples = es_probe_data_records(p->o.data),
                      .n = p->n,
                      .row = p->row,
                      .z = p->z};
  return es_probe_data_read(p->o.data, &embeddings, p->view, p->row);
}

es_status es_probe_measure(es_probe *p, es_probe_time at, es_clock *clock, es_snapshot *s,
                           double *loss) {
  const es_loss_batch pairs = {.n = (int) p->n, .z = {p->view[0], p->view[1]}};
  const es_comm *const c = p->o.layout.comm;
  es_embedding e;
  es_clock_mark(clock);
  ES_TRY(es_probe_embed(p, &e));
  ES_TRY(es_comm_agree(c, es_loss_eval(p->o.loss, &pairs, loss)));
  es_clock_lap(clock, ES_PHASE_PROBE);
  /* where rows are replicated each rank takes the snapshot by itself, and may fail so */
  ES_TRY(es_comm_agree(c, es_snapshot_take(s, at.step, at.time, &e)));
  es_clock_lap(clock, ES_PHASE_SNAPSHOT);
  return ES_OK;
}
