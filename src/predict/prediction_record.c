/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_record.c  What theory says of a training run, in its trajectory:
 *  written at the start, read and drawn out to the new end where a run is resumed.
 *
 *  Momentum mu makes plain descent 1 / (1 - mu) times as fast, a factor on the loss
 *  likewise; the flow runs in that time and is told in lr x step. */
#include "prediction_record.h"

#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

enum { ROWS = 200 };

static const char group_doc[] = "the last layer alone, on the features of the start";

double es_prediction_speed(const es_settings *s, const es_assembly *p) {
  const es_barlow_params *const b = p->loss->par;
  return b->scale / (1 - s->optim.momentum);
}

es_flow_options es_prediction_descent(const es_settings *s, const es_assembly *p) {
  const es_barlow_params *const b = p->loss->par;
  const bool even = strcmp(s->sched.name, "constant") == 0 && s->sched.warmup == 0;
  return (es_flow_options){.lr = even ? s->optim.lr * es_prediction_speed(s, p) : 0,
                           .offdiag = b->offdiag,
                           .decay = s->optim.weight_decay / b->scale};
}

static es_status append_curves(const es_settings *s, const es_assembly *p, es_traj *t,
                               int id, const es_flow *flow) {
  const int64_t steps = s->run.steps;
  const int d = flow->d;
  double *row = NULL, time = 0;
  es_status st = ES_NEW(d + 1, &row);
  for (int64_t i = 0; i <= steps && st == ES_OK; i++) {
    if (i % ((steps + ROWS - 1) / ROWS + (steps == 0)) == 0) {
      es_flow_at(flow, time * es_prediction_speed(s, p), row, &row[d]);
      row[d] *= ((const es_barlow_params *) p->loss->par)->scale;
      st = es_traj_append(t, id, i, time, row);
    }
    time += es_sched_lr(p->sched, &s->sched, s->optim.lr, i, steps);
  }
  es_free(&row);
  return st;
}

es_status es_prediction_curves(const es_comm *c, const es_settings *s,
                               const es_assembly *p, es_traj *t, const es_flow *flow,
                               int *series) {
  const es_traj_field field[] = {ES_TRAJ_VECTOR("eigenvalues", flow->d, "mode", "1",
                                                "predicted eigenvalues of C, descending"),
                                 ES_TRAJ_SCALAR("loss", "1", "predicted loss")};
  ES_TRY(es_traj_declare(t, "/theory", group_doc, field, 2, series));
  if (es_traj_resumed(t)) ES_TRY(es_traj_keep(t, *series, -1));
  ES_TRY(es_comm_agree(c, append_curves(s, p, t, *series, flow)));
  return es_traj_flush(t);
}

es_status es_prediction_write(es_traj *t, const es_prediction *f) {
  ES_TRY(es_h5_group(es_traj_h5(t), "/theory", group_doc));
  ES_TRY(es_traj_write_numbers(t, "/theory/gamma", f->modes, f->gamma, "1",
                               "gamma_j of the features at the start, as /steps/gamma"));
  return es_traj_write_numbers(t, "/theory/tau", f->modes, f->tau,
                               "learning rate x steps",
                               "predicted time of half the final value; NaN: not known");
}

es_status es_prediction_write_start(es_traj *t, const es_flow *flow) {
  return es_traj_write_numbers(
      t, "/theory/start", flow->modes, flow->start, "1",
      "effective start s_j(0): eigenvalue j is gamma_j s_j^2 then");
}

/* Collective. *n numbers, on all ranks; 0 where the file has none. */
static es_status read_numbers(es_traj *t, const char *path, int64_t *n, double **value) {
  es_h5 *const f = es_traj_h5(t);
  *n = 0;
  return es_h5_exists(f, path) ? es_traj_read_numbers(f, path, n, value) : ES_OK;
}

/* Collective. The curves again, as far as the run goes now. */
static es_status draw_out(const es_comm *c, const es_settings *s, const es_assembly *p,
                          es_traj *t, const double *start, es_prediction *f) {
  const es_flow_options o = es_prediction_descent(s, p);
  es_flow *flow = NULL;
  es_status st = es_comm_agree(
      c, es_flow_from_start(es_net_dim(p->net), f->modes, f->gamma, start, &o, &flow));
  if (st == ES_OK) st = es_prediction_curves(c, s, p, t, flow, &f->series);
  es_flow_destroy(&flow);
  return st;
}

es_status es_prediction_read(const es_comm *c, const es_settings *s, const es_assembly *p,
                             es_traj *t, es_prediction *f) {
  int64_t gammas, taus, starts;
  double *start = NULL;
  ES_TRY(read_numbers(t, "/theory/gamma", &gammas, &f->gamma));
  ES_TRY(read_numbers(t, "/theory/tau", &taus, &f->tau));
  if (gammas != taus) return ES_OK;
  f->modes = (int) gammas;
  es_status st = read_numbers(t, "/theory/start", &starts, &start);
  if (st == ES_OK && gammas > 0 && starts == gammas) st = draw_out(c, s, p, t, start, f);
  es_free(&start);
  return st;
}
