/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prediction_record.c  The prediction of a training run in its trajectory: written
 *  at the start; when the run is resumed, read, and its curves extended to the new end.
 *  The loss says how flow time follows from lr x step (es_loss_flow). */
#include "initial_prediction_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/flow.h"
#include "eigenstep/mem.h"
#include "eigenstep/mode_descent.h"

enum { ROWS = 200, LONGEST = 100000 }; /* rows of curves; steps looked ahead */

/* Steps times modes that are followed one by one: some seconds. */
#define MOST_UPDATES 3e8

static const char group_doc[] =
    "prediction for the last layer alone, on the initial features";

static es_loss_flow law_of(const es_settings *s, const es_assembly *p) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  es_loss_flow law;
  p->loss->ops->theory->flow(p->loss->par, &setup, &law);
  return law;
}

static es_status append_curves(const es_settings *s, const es_assembly *p, es_traj *t,
                               int id, const es_flow *flow) {
  const es_loss_flow law = law_of(s, p);
  const int64_t steps = s->run.steps;
  const int d = flow->d;
  double *row = NULL, time = 0;
  es_status st = ES_NEW(d + 1, &row);
  for (int64_t i = 0; i <= steps && st == ES_OK; i++) {
    if (i % ((steps + ROWS - 1) / ROWS + (steps == 0)) == 0) {
      es_flow_at(flow, time * law.speed, row, &row[d]);
      row[d] *= law.scale;
      st = es_traj_append(t, id, i, time, row);
    }
    time += es_sched_lr(p->sched, &s->sched, s->optim.lr, i, steps);
  }
  es_free(&row);
  return st;
}

/* Collective. /theory/{step, time, eigenvalues, loss}, without rows. */
static es_status declare_curves(const es_assembly *p, es_traj *t, int *series) {
  const es_traj_field field[] = {
      ES_TRAJ_VECTOR("eigenvalues", es_net_dim(p->model.net), "mode", "1",
                     "predicted eigenvalues of C, descending"),
      ES_TRAJ_SCALAR("loss", "1", "predicted loss; NaN: not known")};
  ES_TRY(es_traj_declare(t, "/theory", group_doc, field, 2, series));
  return es_traj_resumed(t) ? es_traj_keep(t, *series, -1) : ES_OK;
}

/* Collective. Curves at about ROWS times of the run. */
static es_status write_curves(const es_comm *c, const es_settings *s,
                              const es_assembly *p, es_traj *t, const es_flow *flow,
                              int *series) {
  ES_TRY(declare_curves(p, t, series));
  ES_TRY(es_comm_agree(c, append_curves(s, p, t, *series, flow)));
  return es_traj_flush(t);
}

/* Collective. Times and curves of a loss whose dynamics are solved. */
static es_status follow_flow(const es_comm *c, const es_settings *s, const es_assembly *p,
                             es_traj *t, es_prediction *f) {
  const es_loss_flow law = law_of(s, p);
  es_flow *flow = NULL;
  es_status st = es_flow_from_start(es_net_dim(p->model.net), f->modes, f->gamma,
                                    f->start, &law.options, &flow);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  for (int j = 0; j < f->modes; j++)
    f->tau[j] = isfinite(flow->tau[j]) ? flow->tau[j] / law.speed : NAN;
  st = write_curves(c, s, p, t, flow, &f->series);
done:
  es_flow_destroy(&flow);
  return st;
}

typedef struct rates {
  const es_settings *s;
  const es_assembly *p;
} rates;

static double rate_of(const void *ctx, int64_t step) {
  const rates *const r = ctx;
  return es_sched_lr(r->p->sched, &r->s->sched, r->s->optim.lr, step, r->s->run.steps);
}

/* Predicted loss where it is known: that of the flow for these eigenvalues. */
static double loss_of(const es_assembly *p, const es_loss_flow *law, const double *row) {
  if (!es_loss_has_flow(p->loss->ops)) return NAN;
  return law->scale * es_flow_loss(es_net_dim(p->model.net), law->options.offdiag, row);
}

static int descending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x < y) - (x > y);
}

static es_status append_modes(const rates *r, es_traj *t, int id, es_mode_descent *m,
                              int modes) {
  const int64_t steps = r->s->run.steps;
  const int d = es_net_dim(r->p->model.net);
  const es_loss_flow law = es_loss_has_flow(r->p->loss->ops)
                               ? law_of(r->s, r->p)
                               : (es_loss_flow){.scale = NAN};
  double *row = NULL, time = 0;
  es_status st = ES_NEW(d + 1, &row);
  for (int64_t i = 0; i <= steps && st == ES_OK; i++) {
    if (i % ((steps + ROWS - 1) / ROWS + (steps == 0)) == 0) {
      memset(row, 0, (size_t) d * sizeof *row);
      memcpy(row, es_mode_descent_value(m), (size_t) modes * sizeof *row);
      qsort(row, (size_t) d, sizeof *row, descending);
      row[d] = loss_of(r->p, &law, row);
      st = es_traj_append(t, id, i, time, row);
    }
    time += rate_of(r, i);
    es_mode_descent_step(m, rate_of(r, i));
  }
  es_free(&row);
  return st;
}

/* Times of each mode alone, under the update of the training. */
static es_status times_alone(const rates *r, es_mode_descent *m, int modes,
                             es_prediction *f) {
  const bool constant = es_settings_loss_setup(r->s).constant_lr;
  const int64_t steps = r->s->run.steps;
  const int64_t most = constant && steps < LONGEST ? LONGEST : steps;
  ES_TRY(es_mode_descent_steps(m, rate_of, r, most, f->step));
  for (int j = 0; j < modes; j++) {
    const int64_t whole = isnan(f->step[j]) ? 0 : (int64_t) f->step[j];
    double time = 0;
    for (int64_t i = 0; i < whole && !constant; i++) time += rate_of(r, i);
    f->tau[j] = constant ? f->step[j] * r->s->optim.lr
                         : time + (f->step[j] - (double) whole) * rate_of(r, whole);
  }
  return ES_OK;
}

/* Collective. Times and curves of a loss whose modes move alone. */
static es_status follow_modes(const es_comm *c, const rates *r, es_traj *t,
                              es_prediction *f) {
  const es_loss_setup setup = es_settings_loss_setup(r->s);
  const es_mode_update update = {.lr = setup.lr,
                                 .momentum = setup.momentum,
                                 .nesterov = setup.nesterov,
                                 .eps = setup.precondition,
                                 .decay = setup.weight_decay};
  es_loss_mode *mode = NULL;
  es_mode_descent *m = NULL;
  es_status st = ES_NEW(f->modes, &mode);
  for (int j = 0; j < f->modes && st == ES_OK; j++)
    mode[j] = (es_loss_mode){.gamma = f->gamma[j], .moment = f->moment[j]};
  const double steps = (double) (r->s->run.steps > LONGEST ? r->s->run.steps : LONGEST);
  const int followed = (int) fmax(1, fmin(f->modes, MOST_UPDATES / steps));
  const es_mode_start start = {.n = followed, .mode = mode, .amplitude = f->start};
  if (followed < f->modes)
    es_info("each of the first %d modes is predicted, of %d", followed, f->modes);
  if (st == ES_OK) st = es_mode_descent_create(r->p->loss, &setup, &update, &start, &m);
  if (st == ES_OK) st = times_alone(r, m, followed, f);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = declare_curves(r->p, t, &f->series);
  if (st == ES_OK) st = es_comm_agree(c, append_modes(r, t, f->series, m, followed));
  if (st == ES_OK) st = es_traj_flush(t);
  es_mode_descent_destroy(&m);
  es_free(&mode);
  return st;
}

/* Steps after which the learning rates sum to `time`; linear within a step. */
static double step_of(const es_settings *s, const es_assembly *p, double time) {
  const int64_t steps = s->run.steps;
  double now = 0;
  if (es_settings_loss_setup(s).constant_lr) return time / s->optim.lr;
  for (int64_t i = 0; i < steps; i++) {
    const double lr = es_sched_lr(p->sched, &s->sched, s->optim.lr, i, steps);
    if (lr > 0 && now + lr >= time) return (double) i + (time - now) / lr;
    now += lr;
  }
  return NAN;
}

static es_status write_modes(es_traj *t, const es_prediction *f) {
  if (f->start != NULL)
    ES_TRY(es_traj_write_numbers(
        t, "/theory/start", f->modes, f->start, "1",
        "effective start s_j(0): eigenvalue j is gamma_j s_j^2 then"));
  ES_TRY(es_h5_group(es_traj_h5(t), "/theory", group_doc));
  if (f->moment != NULL)
    ES_TRY(es_traj_write_numbers(
        t, "/theory/moment", f->modes, f->moment, "1",
        "mean second moment of the views' initial features along mode j"));
  ES_TRY(es_traj_write_numbers(
      t, "/theory/gamma", f->modes, f->gamma, "1",
      "gamma_j of the initial features, comparable to /steps/gamma"));
  ES_TRY(es_traj_write_numbers(t, "/theory/tau", f->modes, f->tau,
                               "learning rate x steps",
                               "predicted time of half the final value; NaN: not known"));
  return es_traj_write_numbers(t, "/theory/tau_step", f->modes, f->step, "steps",
                               "predicted step of half the final value; NaN: not known, "
                               "or beyond a schedule's end");
}

/* Collective. /theory/limits, where there are any. */
static es_status write_limits(const es_assembly *p, const es_loss_setup *s, es_traj *t,
                              const es_prediction *f) {
  const char *text[ES_PREDICTION_LIMITS];
  const int n = es_prediction_limits(p, s, f, text);
  return n == 0
             ? ES_OK
             : es_h5_write_strings(
                   es_traj_h5(t), "/theory/limits", n, text,
                   "what the prediction leaves open or is known to miss, in sentences");
}

es_status es_prediction_write(const es_comm *c, const es_settings *s,
                              const es_assembly *p, es_traj *t, es_prediction *f) {
  f->series = -1;
  if (f->modes == 0) return ES_OK;
  es_status st = ES_NEW(f->modes, &f->tau);
  if (st == ES_OK) st = ES_NEW(f->modes, &f->step);
  ES_TRY(es_comm_agree(c, st));
  for (int j = 0; j < f->modes; j++) f->tau[j] = f->step[j] = NAN;
  const es_loss_setup setup = es_settings_loss_setup(s);
  const rates r = {s, p};
  if (f->start != NULL && f->moment != NULL && es_loss_modes_need_each(p->loss, &setup))
    ES_TRY(follow_modes(c, &r, t, f));
  else if (f->start != NULL && es_loss_has_flow(p->loss->ops))
    ES_TRY(follow_flow(c, s, p, t, f));
  for (int j = 0; j < f->modes && !es_loss_modes_need_each(p->loss, &setup); j++)
    f->step[j] = step_of(s, p, f->tau[j]);
  if (es_traj_resumed(t)) return ES_OK;
  ES_TRY(write_modes(t, f));
  return write_limits(p, &setup, t, f);
}

/* Collective. *n numbers, on all ranks; 0 where the file has none. */
static es_status read_numbers(es_traj *t, const char *path, int64_t *n, double **value) {
  es_h5 *const f = es_traj_h5(t);
  *n = 0;
  return es_h5_exists(f, path) ? es_traj_read_numbers(f, path, n, value) : ES_OK;
}

es_status es_prediction_read(es_traj *t, es_prediction *f) {
  int64_t gammas, starts, moments;
  f->noise = (es_probe_noise){-1, NAN, NAN};
  ES_TRY(read_numbers(t, "/theory/gamma", &gammas, &f->gamma));
  ES_TRY(read_numbers(t, "/theory/start", &starts, &f->start));
  f->modes = (int) gammas;
  ES_TRY(read_numbers(t, "/theory/moment", &moments, &f->moment));
  if (starts != gammas) es_free(&f->start);
  if (moments != gammas) es_free(&f->moment);
  return ES_OK;
}
