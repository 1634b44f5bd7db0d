/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_report.c  Series, progress lines and timing of the training loop. */
#include "run_loop_private.h"

#include <math.h>
#include <stdio.h>
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/phases.h"

static es_status declare(es_run_report *r) {
  es_traj *const traj = r->parts->traj;
  const es_traj_field loss = ES_TRAJ_SCALAR("value", "1", "loss of the batch");
  const es_traj_field probe = ES_TRAJ_SCALAR("value", "1", "loss on the probe set");
  const es_traj_field norm = ES_TRAJ_SCALAR(
      "norm", "1",
      "root of the sum of squares of all parameters' gradients; where it or the loss is "
      "not finite, the step made no update");
  const es_traj_field timing[] = {
      ES_TRAJ_SCALAR("seconds", "s", "wall time since the start of the loop"),
      ES_TRAJ_SCALAR("images_per_second", "1/s",
                     "views per second of training since the row before"),
      ES_TRAJ_SCALAR("resident", "byte",
                     "resident memory of the process now, the largest of the ranks"),
      ES_TRAJ_SCALAR("allocated", "byte",
                     "of it counted host memory now, the largest of the ranks")};
  ES_TRY(es_traj_declare(traj, "/loss", "training loss, before the update of its step",
                         &loss, 1, &r->series.loss));
  ES_TRY(es_traj_declare(traj, "/probe_loss", "loss on the held-out probe pairs", &probe,
                         1, &r->series.probe));
  ES_TRY(es_traj_declare(traj, "/gradient",
                         "gradient of the batch's loss, before the update of its step",
                         &norm, 1, &r->series.gradient));
  ES_TRY(es_traj_declare(traj, "/timing", "speed and memory", timing,
                         sizeof timing / sizeof timing[0], &r->series.timing));
  const es_traj_field ranks =
      ES_TRAJ_SCALAR("ranks", "1", "number of ranks from this step on");
  if (!es_traj_resumed(traj)) return ES_OK;
  return es_traj_declare(traj, "/resumes", "restart points: step and rank count", &ranks,
                         1, &r->series.restart);
}

/* The last row of a series that a resumed run keeps: it then has the rows of a run that
 * never ended at this step. At its end a run measures and reports its last state even if
 * that is not due. */
static int64_t last_row(const es_run_report *r, int id) {
  const es_run *run = r->run;
  const int64_t step = es_train_steps(r->parts->train);
  if (id == r->series.loss || id == r->series.gradient) return step - 1;
  if (id == r->series.restart) return step;
  if (id == run->prediction_series) return INT64_MAX;
  if (id == r->series.timing) return step - (step % run->par->log_every != 0);
  const bool kept = es_cadence_due(&run->keep_cadence, step); /* with a snapshot */
  bool due = kept || es_cadence_due(&run->snapshot_cadence, step);
  if (es_probe_owns_kept(r->parts->probe, id)) due = kept;
  if (es_accuracy_owns(r->parts->accuracy, id))
    due = es_cadence_due(&run->accuracy_cadence, step);
  return step - (step > 0 && !due);
}

static es_status open_table(es_run_report *r) {
  static const es_column col[] = {
      {"step", "", 9, "%.0f"},        {"time", "lr*steps", 11, "%.4g"},
      {"loss", "", 12, "%.6g"},       {"grad", "norm", 10, "%.3g"},
      {"lr", "", 10, "%.3g"},         {"modes", "learned", 8, "%.0f"},
      {"next", "at step", 9, "%.0f"}, {"speed", "img/s", 9, "%.1f"},
      {"wait", "%", 6, "%.1f"},       {"ETA", "s", 8, "%.0f"}};
  const es_comm *const c = es_train_comm(r->parts->train);
  char path[1100];
  snprintf(path, sizeof path, "%s/timesteps.txt", r->run->dir);
  es_status st = ES_OK;
  if (c->rank == 0) {
    if (es_traj_resumed(r->parts->traj))
      st = es_table_keep(path, (double) last_row(r, r->series.timing));
    if (st == ES_OK)
      st = es_table_create(path, true, col, sizeof col / sizeof col[0], &r->table);
  }
  return es_comm_agree(c, st);
}

es_status es_run_report_open(const es_run *run, const es_run_parts *parts,
                             es_run_report *r) {
  *r = (es_run_report){.run = run,
                       .parts = parts,
                       .begun = es_now(),
                       .rate = NAN,
                       .series.restart = -1,
                       .depth = es_progress_depth()};
  ES_TRY(declare(r));
  return open_table(r);
}

es_status es_run_report_close(es_run_report *r) {
  es_progress_unwind(r->depth);
  return es_comm_agree(es_train_comm(r->parts->train), es_table_close(&r->table));
}

es_status es_run_report_resume(es_run_report *r) {
  es_traj *const traj = r->parts->traj;
  const es_train *const t = r->parts->train;
  const int64_t step = es_train_steps(t);
  const double ranks = es_train_comm(t)->size;
  es_traj_rows rows;
  ES_TRY(es_traj_history(traj, r->series.timing, &rows));
  for (int64_t i = 0; i < rows.n; i++)
    if (rows.step[i] <= step) r->begun = es_now() - rows.values[i];
  es_traj_rows_free(&rows);
  for (int id = 0; id < es_traj_groups(traj); id++)
    ES_TRY(es_traj_keep(traj, id, last_row(r, id)));
  ES_TRY(es_traj_append(traj, r->series.restart, step, es_train_time(t), &ranks));
  return es_traj_flush(traj);
}

void es_run_report_begin(es_run_report *r) {
  const int64_t step = es_train_steps(r->parts->train), every = r->run->par->log_every;
  const int64_t next = step - step % every + every, last = r->run->par->steps;
  r->window.start = es_now();
  r->window.paused = 0;
  r->awaited = (next < last ? next : last) - step;
  if (r->awaited > 0)
    es_progress_begin("training; the first line of progress is that of step %lld",
                      (long long) (step + r->awaited));
}

es_status es_run_report_step(es_run_report *r, int64_t step, double time,
                             const es_step_result *result) {
  es_traj *const traj = r->parts->traj;
  r->window.steps++;
  if (r->awaited > 0) es_progress_at((double) r->window.steps, (double) r->awaited);
  ES_TRY(es_traj_append(traj, r->series.loss, step, time, &result->loss));
  return es_traj_append(traj, r->series.gradient, step, time, &result->norm);
}

es_status es_run_report_probe(es_run_report *r, double loss) {
  const es_train *const t = r->parts->train;
  return es_traj_append(r->parts->traj, r->series.probe, es_train_steps(t),
                        es_train_time(t), &loss);
}

/* Collective. One line for the steps since the last. */
static es_status report_window(es_run_report *r, const es_step_result *result) {
  const es_train *const t = r->parts->train;
  const es_snapshot *const s = r->parts->snapshot;
  const int64_t step = es_train_steps(t);
  const double now = es_now(), busy = now - r->window.start - r->window.paused;
  const double images = 2.0 * (double) r->run->pairs * (double) r->window.steps;
  if (r->window.steps > 0 && busy > 0) r->rate = images / busy;
  /* the rest at the pace of the whole run so far, snapshots included */
  const double pace = (now - r->begun) / (double) (step > 0 ? step : 1);
  const double row[] = {(double) step,
                        es_train_time(t),
                        result->loss,
                        result->norm,
                        result->lr,
                        (double) es_snapshot_learned(s),
                        es_snapshot_next(s).step,
                        r->rate,
                        busy > 0 ? 100 * r->window.waited / busy : 0,
                        pace * (double) (r->run->par->steps - step)};
  double memory[] = {(double) es_mem_rss_now(), (double) es_mem_now()};
  es_comm_max_f64(es_train_comm(t), memory, 2);
  const double timing[] = {now - r->begun, r->rate, memory[0], memory[1]};
  ES_TRY(es_table_row(r->table, row));
  r->window.start = now;
  r->window.steps = 0;
  r->window.paused = r->window.waited = 0;
  return es_traj_append(r->parts->traj, r->series.timing, step, es_train_time(t), timing);
}

/* Collective. Mean over ranks of each phase since the last line, and the slowest rank. */
static void print_phases(es_train *t) {
  es_clock *const clock = es_train_clock(t);
  es_phase_stats s;
  char text[600] = "";
  size_t used = 0;
  es_phases_reduce(es_train_comm(t), clock, &s);
  for (int p = 0; p < ES_PHASES && used < sizeof text; p++) {
    clock->seconds[p] = 0;
    if (s.max[p] > 0)
      used +=
          (size_t) snprintf(text + used, sizeof text - used, " %s %.3f (%.3f on rank %d)",
                            es_phase_name(p), s.mean[p], s.max[p], s.slowest[p]);
  }
  es_phase("seconds by phase, mean (slowest):%s", text);
}

es_status es_run_report_progress(es_run_report *r, const es_step_result *result) {
  if (r->awaited > 0) es_progress_end();
  r->awaited = 0;
  ES_TRY(es_comm_agree(es_train_comm(r->parts->train), report_window(r, result)));
  print_phases(r->parts->train);
  return ES_OK;
}
