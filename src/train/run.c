/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run.c  The training loop: cadences, series, progress, checkpoints, stop. */
#include "eigenstep/train.h"

#include <math.h>
#include <stdio.h>
#include "eigenstep/accuracy.h"
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/phases.h"
#include "eigenstep/table.h"

typedef es_run_params run_par;
const es_param es_run_table[] = {
    ES_INT(run_par, steps, "1000", 0, 99999999, "steps",
           "training steps; 0 writes the initial state"),
    ES_INT(run_par, seed, "1", 0, 9e15, "1", "seed of every random number"),
    ES_DOUBLE(run_par, walltime, "0", 0, ES_INF, "s",
              "stop with a checkpoint after this time; 0 = no limit"),
    ES_INT(run_par, log_every, "10", 1, 1e9, "steps", "steps between progress lines"),
    ES_INT(run_par, skip_max, "3", 0, 1e9, "steps",
           "steps in a row that may pass without an update, their loss or gradient not "
           "finite"),
    ES_PARAM_END};

typedef es_batch_params batch_par;
const es_param es_batch_table[] = {
    ES_INT(batch_par, pairs, "64", 1, 1e7, "pairs",
           "pairs of views in a batch, over all ranks"),
    ES_BOOL(
        batch_par, sync_bn, "true",
        "batch normalisation over all ranks, weighted by count; false: each rank alone"),
    ES_CHOICE(batch_par, bn_views, "separate", "separate|joint",
              "statistics of batch normalisation per view, or over both views together"),
    ES_INT(batch_par, micro, "0", 0, 1e7, "pairs",
           "pairs of a rank in one pass through the network, whose memory is sized for "
           "them; all the same the loss is that of the whole batch, forward runs twice; "
           "batch normalisation sees the pairs of a pass; 0: all"),
    ES_PARAM_END};

typedef es_parallel_params parallel_par;
const es_param es_parallel_table[] = {
    ES_BOOL(
        parallel_par, deterministic, "false",
        "the same bits on 1, 2, 4, ... ranks; slower, and each rank computes loss and "
        "spectrum of all pairs"),
    ES_INT(
        parallel_par, shards, "8", 1, 65536, "1",
        "deterministic: equal parts of the batch, a power of two, at least one a rank; "
        "other results for another number"),
    ES_PARAM_END};

typedef es_ckpt_params ckpt_par;
const es_param es_ckpt_table[] = {
    ES_INT(ckpt_par, every, "0", 0, 1e12, "steps",
           "steps between checkpoints; 0: only at the end or when stopped"),
    ES_INT(ckpt_par, keep, "1", 1, 1e6, "1", "complete checkpoints kept"), ES_PARAM_END};

/* What the loop owns. */
typedef struct loop {
  const es_run *run;
  es_train *train;
  es_loader *loader;
  es_probe *probe;
  es_snapshot *snapshot;
  es_traj *traj;
  es_stop *stop;
  es_table *table;
  es_batch *batch;     /**< of the coming step, the loader's */
  es_status got;       /**< how getting it went: the worst of all ranks */
  es_stop_cause cause; /**< what anybody wants before the coming step */
  int loss_series, probe_series, gradient_series, timing_series;
  int resume_series;    /**< of a resumed run; else -1 */
  double window_start;  /**< es_now() at the last progress line */
  int64_t window_steps; /**< steps since */
  double window_paused; /**< seconds since spent in snapshots and checkpoints */
  double window_wait;   /**< seconds since spent waiting for data */
  double rate;          /**< views per second, last window */
} loop;

static es_status declare(loop *l) {
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
  ES_TRY(es_traj_declare(l->traj, "/loss", "training loss, before the update of its step",
                         &loss, 1, &l->loss_series));
  ES_TRY(es_traj_declare(l->traj, "/probe_loss", "loss on the held-out probe pairs",
                         &probe, 1, &l->probe_series));
  ES_TRY(es_traj_declare(l->traj, "/gradient",
                         "gradient of the batch's loss, before the update of its step",
                         &norm, 1, &l->gradient_series));
  ES_TRY(es_traj_declare(l->traj, "/timing", "speed and memory", timing,
                         sizeof timing / sizeof timing[0], &l->timing_series));
  const es_traj_field ranks = ES_TRAJ_SCALAR("ranks", "1", "from this step on");
  if (!es_traj_resumed(l->traj)) return ES_OK;
  return es_traj_declare(l->traj, "/resumes", "where the run was gone on with", &ranks, 1,
                         &l->resume_series);
}

/* Of a group's rows a resumed run keeps those that one without an end at its step would
 * have. The last state is measured and told also where that is not due. */
static int64_t last_row(const loop *l, int id) {
  const es_run *r = l->run;
  const int64_t step = l->train->step;
  if (id == l->loss_series || id == l->gradient_series) return step - 1;
  if (id == l->resume_series) return step;
  if (id == r->ahead) return INT64_MAX;
  if (id == l->timing_series) return step - (step % r->par->log_every != 0);
  return step - (step > 0 && !es_cadence_due(&r->snapshot_cadence, step));
}

static es_status open_table(loop *l) {
  static const es_column col[] = {
      {"step", "", 9, "%.0f"},        {"time", "lr*steps", 11, "%.4g"},
      {"loss", "", 12, "%.6g"},       {"grad", "norm", 10, "%.3g"},
      {"lr", "", 10, "%.3g"},         {"modes", "learned", 8, "%.0f"},
      {"next", "at step", 9, "%.0f"}, {"speed", "img/s", 9, "%.1f"},
      {"wait", "%", 6, "%.1f"},       {"ETA", "s", 8, "%.0f"}};
  char path[1100];
  snprintf(path, sizeof path, "%s/timesteps.txt", l->run->dir);
  es_status st = ES_OK;
  if (l->train->comm->rank == 0) {
    if (es_traj_resumed(l->traj))
      st = es_table_keep(path, (double) last_row(l, l->timing_series));
    if (st == ES_OK)
      st = es_table_create(path, true, col, sizeof col / sizeof col[0], &l->table);
  }
  return es_comm_agree(l->train->comm, st);
}

static es_status snapshot(loop *l) {
  const double start = es_now();
  double loss = NAN;
  es_train *t = l->train;
  ES_TRY(es_train_sync_bn(t));
  ES_TRY(es_probe_measure(l->probe, t, l->snapshot, &loss));
  if (l->run->accuracy != NULL) ES_TRY(es_accuracy_measure(l->run->accuracy, t));
  ES_TRY(es_traj_append(l->traj, l->probe_series, t->step, t->time, &loss));
  ES_TRY(es_traj_flush(l->traj));
  es_clock_lap(&t->clock, ES_PHASE_SNAPSHOT); /* what followed es_probe_measure */
  l->window_paused += es_now() - start;
  return ES_OK;
}

/* The rows before it first: whoever resumes finds them all. */
static es_status checkpoint(loop *l) {
  const double start = es_now();
  es_train *t = l->train;
  char dir[1100];
  snprintf(dir, sizeof dir, "%s/ckpt", l->run->dir);
  ES_TRY(es_traj_publish(l->traj));
  ES_TRY(es_train_sync_bn(t));
  const es_ckpt_set set = {.dir = dir,
                           .step = t->step,
                           .time = t->time,
                           .keep = (int) l->run->ckpt->keep,
                           .config_text = l->run->config_text};
  ES_TRY(es_ckpt_write(t->comm, &set, es_train_visit, t));
  l->window_paused += es_now() - start;
  t->clock.seconds[ES_PHASE_CKPT] += es_now() - start;
  return ES_OK;
}

/* Collective. With -v: where the time since the last line went, mean over ranks, and the
 * slowest rank. */
static void print_phases(loop *l) {
  es_train *t = l->train;
  es_phase_stats s;
  char text[600] = "";
  size_t used = 0;
  es_phases_reduce(t->comm, &t->clock, &s);
  for (int p = 0; p < ES_PHASES && used < sizeof text; p++) {
    t->clock.seconds[p] = 0;
    if (s.max[p] > 0)
      used +=
          (size_t) snprintf(text + used, sizeof text - used, " %s %.3f (%.3f on rank %d)",
                            es_phase_name(p), s.mean[p], s.max[p], s.slowest[p]);
  }
  es_phase("seconds by phase, mean (slowest):%s", text);
}

/* Collective. One progress line and one row of /timing for the steps since the last. */
static es_status report(loop *l, double loss, double lr, double begun) {
  const es_train *t = l->train;
  const double now = es_now(), paused = l->window_paused;
  const double busy = now - l->window_start - paused;
  const double images = 2.0 * (double) l->run->pairs * (double) l->window_steps;
  if (l->window_steps > 0 && busy > 0) l->rate = images / busy;
  /* the rest at the pace of the whole run so far, snapshots included */
  const double pace = (now - begun) / (double) (t->step > 0 ? t->step : 1);
  const double left = pace * (double) (l->run->par->steps - t->step);
  const double row[] = {(double) t->step,
                        t->time,
                        loss,
                        t->norm,
                        lr,
                        (double) es_snapshot_learned(l->snapshot),
                        es_snapshot_next(l->snapshot).step,
                        l->rate,
                        busy > 0 ? 100 * l->window_wait / busy : 0,
                        left};
  double memory[] = {(double) es_mem_rss_now(), (double) es_mem_now()};
  es_comm_max_f64(t->comm, memory, 2);
  const double timing[] = {now - begun, l->rate, memory[0], memory[1]};
  ES_TRY(es_table_row(l->table, row));
  l->window_start = now;
  l->window_steps = 0;
  l->window_paused = l->window_wait = 0;
  return es_traj_append(l->traj, l->timing_series, t->step, t->time, timing);
}

/* The batch of a step, and this rank's vote: has it failed to get it, does it want to
 * stop? */
static void fetch(loop *l, int64_t step, int64_t vote[ES_VOTES]) {
  es_train *t = l->train;
  const double start = es_now();
  vote[0] = -(int64_t) es_loader_get(l->loader, step, &l->batch);
  vote[1] = es_stop_poll(l->stop, t->comm);
  const double wait = es_now() - start;
  l->window_wait += wait;
  t->clock.seconds[ES_PHASE_DATA] += wait;
}

/* What the ranks voted for; a failure is told before a wish to stop. */
static void decide(loop *l, const int64_t vote[ES_VOTES]) {
  l->got = (es_status) -vote[0];
  l->cause = l->got == ES_OK ? (es_stop_cause) vote[1] : ES_STOP_NONE;
}

/* Nothing of a batch is needed after the gradient: the next one is fetched then, so that
 * the votes on it travel with the gradients. */
static es_status train(loop *l, double lr, double *loss) {
  es_train *t = l->train;
  int64_t vote[ES_VOTES] = {0, ES_STOP_NONE};
  ES_TRY(es_train_gradient(t, l->batch, lr, loss));
  if (t->step + 1 < l->run->par->steps) fetch(l, t->step + 1, vote);
  ES_TRY(es_train_update(t, vote));
  decide(l, vote);
  return ES_OK;
}

static es_status one_step(loop *l, double begun) {
  const es_run *r = l->run;
  es_train *t = l->train;
  double loss = NAN;
  const double lr = es_sched_lr(r->sched, r->sched_par, r->lr, t->step, r->par->steps);
  const int64_t step = t->step;
  const double time = t->time;
  ES_TRY(train(l, lr, &loss));
  l->window_steps++;
  ES_TRY(es_traj_append(l->traj, l->loss_series, step, time, &loss));
  ES_TRY(es_traj_append(l->traj, l->gradient_series, step, time, &t->norm));
  if (es_cadence_due(&r->snapshot_cadence, t->step) || t->step == r->par->steps) {
    ES_TRY(snapshot(l));
  }
  if (es_traj_full(l->traj)) ES_TRY(es_traj_flush(l->traj));
  if (t->step % r->par->log_every == 0 || t->step == r->par->steps) {
    ES_TRY(es_comm_agree(t->comm, report(l, loss, lr, begun)));
    print_phases(l);
  }
  if (r->ckpt->every > 0 && t->step % r->ckpt->every == 0 && t->step < r->par->steps) {
    ES_TRY(checkpoint(l));
  }
  return ES_OK;
}

/* Collective. Of a resumed run: its state was measured already; what is of steps to come
 * goes, the clock runs on. */
static es_status recall(loop *l, double *begun) {
  es_train *t = l->train;
  es_traj_rows r;
  const double ranks = t->comm->size;
  ES_TRY(es_traj_history(l->traj, l->timing_series, &r));
  for (int64_t i = 0; i < r.n; i++)
    if (r.step[i] <= t->step) *begun = es_now() - r.values[i];
  es_traj_rows_free(&r);
  for (int id = 0; id < es_traj_groups(l->traj); id++)
    ES_TRY(es_traj_keep(l->traj, id, last_row(l, id)));
  ES_TRY(es_comm_agree(t->comm, es_snapshot_recall(l->snapshot)));
  ES_TRY(es_traj_append(l->traj, l->resume_series, t->step, t->time, &ranks));
  return es_traj_flush(l->traj);
}

static es_status loop_body(loop *l) {
  es_train *t = l->train;
  const es_run *r = l->run;
  int64_t vote[ES_VOTES] = {0, ES_STOP_NONE};
  double begun = es_now();
  if (es_traj_resumed(l->traj))
    ES_TRY(recall(l, &begun));
  else
    ES_TRY(snapshot(l));
  l->window_start = es_now();
  l->window_paused = 0;
  if (t->step < r->par->steps) fetch(l, t->step, vote);
  es_comm_max_i64(t->comm, vote, ES_VOTES);
  decide(l, vote);
  while (t->step < r->par->steps && l->cause <= ES_STOP_CHECKPOINT) {
    ES_TRY(l->got);
    if (l->cause == ES_STOP_CHECKPOINT) ES_TRY(checkpoint(l));
    ES_TRY(one_step(l, begun));
  }
  if (t->skipped > 0)
    es_warn("%lld of %lld steps made no update, as their loss or gradient was not finite",
            (long long) t->skipped, (long long) t->step);
  ES_TRY(es_snapshot_write_transitions(l->snapshot));
  ES_TRY(checkpoint(l));
  if (l->cause <= ES_STOP_CHECKPOINT) return ES_OK;
  l->stop->cause = l->cause;
  es_info("stopped at step %lld of %lld (%s), checkpoint written; 'eigenstep resume %s' "
          "goes on",
          (long long) t->step, (long long) r->par->steps, es_stop_name(l->cause), r->dir);
  return ES_STOPPED;
}

es_status es_run_loop(const es_run *r, es_train *train, es_loader *loader,
                      es_probe *probe, es_snapshot *snap, es_traj *traj, es_stop *stop) {
  loop l = {.run = r,
            .train = train,
            .loader = loader,
            .probe = probe,
            .snapshot = snap,
            .traj = traj,
            .stop = stop,
            .resume_series = -1,
            .rate = NAN};
  ES_TRY(declare(&l));
  ES_TRY(open_table(&l));
  const es_status st = loop_body(&l);
  const es_status closed = es_comm_agree(train->comm, es_table_close(&l.table));
  return st != ES_OK ? st : closed;
}
