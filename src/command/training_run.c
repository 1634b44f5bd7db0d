/* SPDX-License-Identifier: BSD-3-Clause */
/** @file training_run.c  A training run: assembled, run into its folder, summarised. */
#include "training_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/cost.h"
#include "eigenstep/mem.h"
#include "eigenstep/initial_prediction.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/label_data.h"

/* What was asked for or is usual, and not to be had on all ranks: the log of the run says
 * what is done instead. */
static void print_downgrades(const es_comm *c, const es_settings *s,
                             const es_assembly *p) {
  const es_precision precision = p->model.precision;
  if (s->backend.precision == 1)
    es_info("activations in %s%s", es_precision_name(precision),
            precision == ES_BF16 ? "" : ": not all ranks can compute in bf16");
  if (c->size > 1 && p->train != NULL && !es_train_shares(p->train))
    es_info("each rank holds its own copy of parameters and moments, and updates it");
}

static void print_start(const es_comm *c, const es_settings *s, const es_assembly *p) {
  es_net_cost cost;
  es_net_cost_of(p->model.net, &cost);
  es_info("%s on %s: %lld records, views %d x %d x %d, %lld parameters, "
          "embedding width %d",
          s->encoder.name, s->data.name, (long long) p->input.data->size, p->input.view.c,
          p->input.view.h, p->input.view.w, (long long) cost.parameters,
          es_net_dim(p->model.net));
  es_info("%s loss, %lld pairs over %d rank%s, backend %s; probe of %lld held-out pairs",
          s->loss.name, (long long) s->batch.pairs, c->size, c->size == 1 ? "" : "s",
          p->model.backend->ops->name, (long long) p->probe.pairs);
  print_downgrades(c, s, p);
}

/* A cell of the table: "-" for what is not known. */
static const char *cell(char text[32], double v) {
  if (isnan(v)) return "-";
  snprintf(text, 32, "%.4g", v);
  return text;
}

static const char *signed_cell(char text[32], double v) {
  if (isnan(v)) return "-";
  snprintf(text, 32, "%+.3f", v);
  return text;
}

/* "120 +- 11" */
static const char *with_error(char text[32], const es_forecast *f) {
  if (isnan(f->step) || isnan(f->step_error)) return cell(text, f->step);
  snprintf(text, 32, f->step_error < 99.5 ? "%.4g +- %.2g" : "%.4g +- %.0f", f->step,
           f->step_error);
  return text;
}

/* What of a transition may be compared with what was expected: neither prediction nor
 * forecast knows of a surgery, before step `until`. */
static es_transition compared(const es_transition *r, double until) {
  es_transition row = *r;
  if (r->step > until) row.step = NAN;
  return row;
}

static void print_row(const es_transition *r, const es_prediction *f, int64_t steps,
                      double until) {
  const es_transition counted = compared(r, until);
  const int j = r->mode - 1;
  const bool known = j < f->modes;
  char step[3][32], time[32], gamma[2][32], ratio[2][32], note[64];
  es_transition_note(r, steps, note);
  es_print("%4d %10.4g %8s %14s %9s %9s  %8s %9s  %8s %9s%s%s", r->mode, r->value,
           cell(step[0], r->step), with_error(step[1], &r->forecast),
           cell(step[2], known ? f->step[j] : NAN), cell(time, r->time),
           cell(gamma[0], r->forecast.gamma), cell(gamma[1], known ? f->gamma[j] : NAN),
           signed_cell(ratio[0], log(counted.step / r->forecast.step)),
           signed_cell(ratio[1], es_prediction_log_ratio(f, &counted)),
           note[0] != '\0' ? "  " : "", note);
}

/* The table of learned modes, from the transition detector, and the two after them. */
static es_status print_steps(es_traj *t, const es_snapshot *s, const es_prediction *f,
                             const es_train *train, double until) {
  const es_comm *const c = es_train_comm(train);
  int k = 0;
  (void) es_snapshot_values(s, &k);
  es_transition *row = NULL;
  ES_TRY(ES_COMM_NEW(c, k, &row));
  es_snapshot_transitions(s, row);
  const int learned = es_snapshot_learned(s);
  const int most = learned + 2 < 32 ? learned + 2 : 32, shown = most < k ? most : k;
  es_print("\n%15s %33s %9s  %18s  %18s", "", "-------------- step -------------", "time",
           "------ gamma -----", "ln(measured / ...)");
  es_print("%4s %10s %8s %14s %9s %9s  %8s %9s  %8s %9s", "mode", "eigenvalue",
           "measured", "forecast", "predicted", "lr*steps", "fitted", "predicted",
           "forecast", "predicted");
  for (int i = 0; i < shown; i++) print_row(&row[i], f, es_train_steps(train), until);
  if (shown < k) es_print("      (%d more)", k - shown);
  es_print("modes learned: %d of %d", learned, k);
  es_print("learned: the eigenvalue has exceeded %.4g, half of what modes of this loss "
           "settle at, and stayed above 0.8 of that",
           row[0].half);
  es_print("measured: crossing of half of the mode's own final value; forecast: "
           "extrapolated from its exponential growth in the run, +- one standard "
           "deviation (68 %%); predicted: from the features before the first step; their "
           "times are in /steps and /theory");
  if (isfinite(until))
    es_print("predicted and forecast: without the surgery; transitions after it are not "
             "compared");
  for (int i = 0; i < k; i++) row[i] = compared(&row[i], until);
  const es_status st = es_prediction_score(c, t, f, row, k);
  es_free(&row);
  return st;
}

static void print_accuracies(const es_accuracy *a) {
  const es_accuracy_ops *const *list;
  const size_t n = es_accuracy_list(&list);
  for (size_t i = 0; i < n; i++) {
    const double v = es_accuracy_value(a, list[i]->name);
    if (isfinite(v)) es_print("%s: %.2f %%", list[i]->doc, 100 * v);
  }
}

/* What run_into needs beside the folder. */
typedef struct training {
  const es_settings *settings;
  es_assembly *parts;
  const es_label_data *labels;
  es_grid *grid;             /* of the ranks that evaluate the loss */
  es_prediction *prediction; /* made of the start; of a resumed run read here */
} training;

/* When spectrum.keep is due: never, where it names nothing. */
static es_status keep_cadence(const es_spectrum_params *p, es_cadence *c) {
  es_spectrum_kept kept;
  ES_TRY(es_spectrum_keeps(p, &kept));
  if (!kept.z && !kept.vectors) return ES_OK;
  return es_cadence_parse(p->keep_every, "spectrum.keep_every", c);
}

static es_status run_into(const es_job *job, const training *r, es_run_folder *o) {
  const es_settings *const s = r->settings;
  es_assembly *const p = r->parts;
  es_prediction *const prediction = r->prediction;
  const es_comm *c = job->comm;
  es_run run = {.par = &s->run,
                .ckpt = &s->ckpt,
                .sched = p->sched,
                .sched_par = &s->sched,
                .lr = s->optim.lr,
                .dir = o->dir,
                .config_text = o->config_text,
                .pairs = s->batch.pairs};
  es_measures m = {0};
  es_accuracy *accuracy = NULL;
  es_status st;
  if (s->run.walltime > 0) o->stop.deadline = es_now() + s->run.walltime;
  ES_TRY_GOTO(
      es_cadence_parse(s->spectrum.every, "spectrum.every", &run.snapshot_cadence), done);
  ES_TRY_GOTO(keep_cadence(&s->spectrum, &run.keep_cadence), done);
  ES_TRY_GOTO(
      es_accuracy_cadence(&s->accuracy, &run.snapshot_cadence, &run.accuracy_cadence),
      done);
  ES_TRY_GOTO(es_assembly_measure(p, s, r->grid, o->traj, &m), done);
  if (r->labels->wanted)
    ES_TRY_GOTO(es_accuracy_create(c, &s->selected.accuracy, &r->labels->source, o->traj,
                                   &accuracy),
                done);
  print_start(c, s, p);
  es_prediction_print_loss(s, p);
  if (o->resumed) ES_TRY_GOTO(es_prediction_read(o->traj, prediction), done);
  ES_TRY_GOTO(es_prediction_write(c, s, p, o->traj, prediction), done);
  es_prediction_print(s, p, prediction);
  run.prediction_series = prediction->series;
  const es_run_parts parts = {.train = p->train,
                              .loader = p->input.loader,
                              .probe = m.probe,
                              .snapshot = m.snapshot,
                              .accuracy = accuracy,
                              .traj = o->traj,
                              .stop = &o->stop};
  st = es_run_loop(&run, &parts);
  if (st == ES_OK || st == ES_STOPPED) {
    const es_status printed = print_steps(o->traj, m.snapshot, prediction, p->train,
                                          es_surgery_done(p->surgery));
    if (printed != ES_OK) st = printed;
    es_prediction_print_limits(s, p, prediction);
    print_accuracies(accuracy);
  }
done:
  es_accuracy_destroy(&accuracy);
  es_measures_close(&m);
  return st;
}

/* Collective. Before the folder is written: optim.lr = auto becomes what run.ini says. */
static es_status predict(const es_comm *c, es_config *cfg, es_settings *s,
                         const training *r) {
  ES_TRY(es_prediction_make(c, r->grid, s, r->parts, r->prediction));
  return es_comm_agree(c, es_prediction_choose_lr(r->prediction, r->parts, s, cfg));
}

es_status es_training_run(const es_job *job, es_config *cfg, es_settings *s,
                          es_assembly *p, bool resume, es_run_folder *o) {
  const es_comm *const c = job->comm;
  es_label_data set = {0};
  es_prediction prediction = {0};
  training r = {.settings = s, .parts = p, .labels = &set, .prediction = &prediction};
  es_status st = es_label_data_open(c, s, p, &set);
  es_stop_install(); /* what has a folder ends with a checkpoint and a STATUS in it */
  if (st == ES_OK) st = es_grid_create(p->layout.loss_comm, 0, &r.grid);
  if (st == ES_OK)
    st = es_run_cost_check_room(c, s, p, resume ? o->dir : s->output.dir,
                                es_train_steps(p->train));
  if (st == ES_OK && !resume) st = predict(c, cfg, s, &r);
  if (st == ES_OK)
    st = resume ? es_run_folder_resume(job, cfg, es_train_steps(p->train), o)
                : es_run_folder_open(job, cfg, s->output.dir, o);
  if (st == ES_OK) {
    st = run_into(job, &r, o);
    st = es_run_folder_close(job, o, st, es_train_steps(p->train));
  }
  es_prediction_free(&prediction);
  es_grid_destroy(&r.grid);
  es_label_data_close(&set);
  return st;
}
