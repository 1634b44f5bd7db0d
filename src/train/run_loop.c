/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_loop.c  The training loop: when a step, a snapshot, a progress line, a
 *  checkpoint is due, and when to stop. */
#include "eigenstep/run_loop.h"

#include <math.h>
#include <stdio.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/progress.h"
#include "run_loop_private.h"

typedef struct loop {
  const es_run *run;
  es_run_parts on;
  es_run_report report;
  int64_t first;       /**< step at which this part of the run began */
  es_batch *batch;     /**< of the coming step, the loader's */
  es_status mine, got; /**< status of loading it: this rank's, the worst of all ranks */
  es_stop_cause cause; /**< the strongest request of any rank before the coming step */
  struct {
    int64_t step;   /**< of the last one of this part of the run; -1: none yet */
    double at;      /**< es_now() at its end; at the start of the run */
    double seconds; /**< that it took */
  } saved;
} loop;

/* Collective: the eigenvalues are the same on all ranks. */
static es_status check_growth(const loop *l) {
  int k = 0;
  double expected;
  const double *const value = es_snapshot_values(l->on.snapshot, &k);
  if (!es_snapshot_has_exploded(l->on.snapshot, &expected)) return ES_OK;
  if (es_train_comm(l->on.train)->rank == 0)
    es_error("training diverged: eigenvalue 1 of the embeddings is %.3g at step %lld, "
             "expected about %.3g; lower optim.lr, or take optim.lr=auto",
             value[0], (long long) es_train_steps(l->on.train), expected);
  return ES_EMATH;
}

/* Collective. keep: what spectrum.keep names is stored, too. */
static es_status snapshot(loop *l, bool keep) {
  const double start = es_now();
  double loss = NAN;
  es_train *const t = l->on.train;
  const es_probe_time at = {es_train_steps(t), es_train_time(t)};
  es_clock *const clock = es_train_clock(t);
  es_progress_begin("snapshot at step %lld", (long long) at.step);
  ES_TRY(es_train_sync_bn(t));
  ES_TRY(es_probe_measure(l->on.probe, at, clock, keep, &loss));
  ES_TRY(es_run_report_probe(&l->report, loss));
  ES_TRY(es_traj_flush(l->on.traj));
  es_progress_end();
  es_clock_lap(clock, ES_PHASE_SNAPSHOT); /* what followed es_probe_measure */
  l->report.window.paused += es_now() - start;
  return check_growth(l);
}

/* Collective. The accuracies of this state. */
static es_status accuracies(loop *l) {
  const double start = es_now();
  es_train *const t = l->on.train;
  es_clock *const clock = es_train_clock(t);
  if (l->on.accuracy == NULL) return ES_OK;
  es_clock_mark(clock);
  ES_TRY(es_train_sync_bn(t));
  ES_TRY(es_accuracy_measure(l->on.accuracy, es_train_steps(t), es_train_time(t)));
  ES_TRY(es_traj_flush(l->on.traj));
  es_clock_lap(clock, ES_PHASE_SNAPSHOT);
  l->report.window.paused += es_now() - start;
  return ES_OK;
}

/* Collective. Like a snapshot no time of training. */
static es_status operation(loop *l) {
  const double start = es_now();
  ES_TRY(es_run_operation(&l->on));
  l->report.window.paused += es_now() - start;
  return ES_OK;
}

/* Seconds between checkpoints: ckpt.minutes, or 100 times what writing one takes. */
static double interval(const loop *l) {
  return fmax(60 * l->run->ckpt->minutes, 100 * l->saved.seconds);
}

/* Rank 0's clock decides. */
static bool is_late(const loop *l) {
  return es_train_comm(l->on.train)->rank == 0 && l->run->ckpt->minutes > 0 &&
         es_now() - l->saved.at >= interval(l);
}

/* Collective. Write the state, unless that of this step is written already. */
static es_status save(loop *l) {
  es_train *const t = l->on.train;
  char dir[1100];
  if (l->saved.step == es_train_steps(t)) return ES_OK;
  snprintf(dir, sizeof dir, "%s/ckpt", l->run->dir);
  ES_TRY(es_train_sync_bn(t));
  const es_ckpt_set set = {.dir = dir,
                           .step = es_train_steps(t),
                           .time = es_train_time(t),
                           .keep = (int) l->run->ckpt->keep,
                           .config_text = l->run->config_text};
  ES_TRY(es_ckpt_write(es_train_comm(t), &set, es_train_visit, t));
  l->saved.step = set.step;
  return ES_OK;
}

/* Collective. The trajectory's rows first: a run that resumes here finds them all. */
static es_status checkpoint(loop *l) {
  const double start = es_now(), before = interval(l);
  char next[32];
  ES_TRY(es_traj_publish(l->on.traj));
  ES_TRY(save(l));
  l->saved.at = es_now();
  l->saved.seconds = l->saved.at - start;
  l->report.window.paused += l->saved.seconds;
  es_train_clock(l->on.train)->seconds[ES_PHASE_CKPT] += l->saved.seconds;
  es_phase("checkpoint of step %lld: %.3f s", (long long) l->saved.step,
           l->saved.seconds);
  if (l->run->ckpt->minutes > 0 && interval(l) > 1.5 * before)
    es_info("a checkpoint takes %.1f s: the next is written after %s, so that they take "
            "below 1 %% of the time",
            l->saved.seconds, es_duration(interval(l), next));
  return ES_OK;
}

/* Flags of a rank about the coming step; the largest over ranks counts. */
enum { FLAG_FAILED, FLAG_STOP, FLAGS };
_Static_assert((int) FLAGS == (int) ES_STEP_FLAGS, "flags travel with the gradients");

/* Seconds of waiting for a batch between two calls of MPI: other ranks wait for the sums
 * in flight, which advance in those calls. */
#define PATIENCE 1e-3

/* Not collective. Load the batch of a step and look for a request to stop. */
static void fetch(loop *l, int64_t step, int64_t flags[FLAGS]) {
  es_train *const t = l->on.train;
  const double start = es_now();
  while (!es_loader_wait(l->on.loader, PATIENCE)) es_train_progress(t);
  l->mine = es_loader_get(l->on.loader, step, &l->batch);
  flags[FLAG_FAILED] = -(int64_t) l->mine;
  flags[FLAG_STOP] = es_stop_poll(l->on.stop, es_train_comm(t));
  if (flags[FLAG_STOP] == ES_STOP_NONE && is_late(l))
    flags[FLAG_STOP] = ES_STOP_CHECKPOINT;
  const double wait = es_now() - start;
  l->report.window.waited += wait;
  es_train_clock(t)->seconds[ES_PHASE_DATA] += wait;
}

/* Collective where a rank failed: its sentence reaches log and STATUS. flags: the maxima
 * over all ranks; a failure to load comes before a request to stop. */
static void decide(loop *l, const int64_t flags[FLAGS]) {
  l->got = ES_OK;
  if (flags[FLAG_FAILED] != 0)
    l->got = es_comm_agree(es_train_comm(l->on.train), l->mine);
  l->cause = l->got == ES_OK ? (es_stop_cause) flags[FLAG_STOP] : ES_STOP_NONE;
}

/* Collective. The batch is not needed after the gradient: the next one is fetched then,
 * so that the flags about it travel with the gradients. */
static es_status train(loop *l, double lr, es_step_result *result) {
  es_train *const t = l->on.train;
  const int64_t next = es_train_steps(t) + 1;
  int64_t flags[FLAGS] = {0, ES_STOP_NONE};
  l->mine = ES_OK;
  ES_TRY(es_train_gradient(t, l->batch, lr, result));
  if (next < l->run->par->steps) fetch(l, next, flags);
  ES_TRY(es_train_update(t, result, flags));
  decide(l, flags);
  return ES_OK;
}

/* Collective. One step and what is due after it. */
static es_status one_step(loop *l) {
  const es_run *const r = l->run;
  es_train *const t = l->on.train;
  const int64_t last = r->par->steps, before = es_train_steps(t);
  const double time = es_train_time(t);
  const double lr = es_sched_lr(r->sched, r->sched_par, r->lr, before, last);
  es_step_result result;
  ES_TRY(train(l, lr, &result));
  if (before == l->first) ES_TRY(es_train_compare(t));
  ES_TRY(es_run_report_step(&l->report, before, time, &result));
  const int64_t step = es_train_steps(t);
  const bool keep = es_cadence_due(&r->keep_cadence, step) || step == last;
  if (es_cadence_due(&r->snapshot_cadence, step) || keep) ES_TRY(snapshot(l, keep));
  if (es_cadence_due(&r->accuracy_cadence, step) || step == last) ES_TRY(accuracies(l));
  if (es_traj_full(l->on.traj)) ES_TRY(es_traj_flush(l->on.traj));
  if (step % r->par->log_every == 0 || step == last)
    ES_TRY(es_run_report_progress(&l->report, &result));
  if (r->ckpt->every > 0 && step % r->ckpt->every == 0 && step < last)
    ES_TRY(checkpoint(l));
  return ES_OK;
}

/* Collective. The first batch, with flags of its own. */
static void fetch_first(loop *l) {
  const int64_t step = es_train_steps(l->on.train);
  int64_t flags[FLAGS] = {0, ES_STOP_NONE};
  if (step < l->run->par->steps) fetch(l, step, flags);
  es_comm_max_i64(es_train_comm(l->on.train), flags, FLAGS);
  decide(l, flags);
}

/* Collective. The initial state is measured; a resumed run's state was. */
static es_status start(loop *l) {
  if (!es_traj_resumed(l->on.traj)) {
    ES_TRY(snapshot(l, true));
    return accuracies(l);
  }
  ES_TRY(es_run_report_resume(&l->report));
  ES_TRY(es_run_operation_resume(&l->on));
  return es_probe_replay(l->on.probe);
}

/* Collective. What a run leaves, finished or stopped. */
static es_status finish(loop *l) {
  const int64_t skipped = es_train_skipped(l->on.train);
  const int64_t step = es_train_steps(l->on.train);
  ES_CHECK(l->cause != ES_STOP_GONE, ES_EIO,
           "the output folder '%s' was removed while the run was writing into it; it "
           "ended at step %lld and left nothing",
           l->run->dir, (long long) step);
  if (skipped > 0)
    es_warn("%lld of %lld steps made no update, as their loss or gradient was not finite",
            (long long) skipped, (long long) step);
  ES_TRY(es_probe_write_transitions(l->on.probe));
  ES_TRY(checkpoint(l));
  if (l->cause <= ES_STOP_CHECKPOINT) return ES_OK;
  l->on.stop->cause = l->cause;
  es_info("stopped at step %lld of %lld (%s), checkpoint written; continue with "
          "'eigenstep resume %s'",
          (long long) step, (long long) l->run->par->steps, es_stop_name(l->cause),
          l->run->dir);
  return ES_STOPPED;
}

static es_status run(loop *l) {
  ES_TRY(start(l));
  es_run_report_begin(&l->report);
  l->first = es_train_steps(l->on.train);
  fetch_first(l);
  while (es_train_steps(l->on.train) < l->run->par->steps &&
         l->cause <= ES_STOP_CHECKPOINT) {
    ES_TRY(l->got);
    if (l->cause == ES_STOP_CHECKPOINT) ES_TRY(checkpoint(l));
    ES_TRY(operation(l));
    ES_TRY(one_step(l));
  }
  return finish(l);
}

es_status es_run_loop(const es_run *r, const es_run_parts *p) {
  loop l = {.run = r, .on = *p, .saved = {.step = -1, .at = es_now()}};
  es_status st = es_run_report_open(r, p, &l.report);
  if (st == ES_OK) st = run(&l);
  const es_status closed = es_run_report_close(&l.report);
  return st != ES_OK ? st : closed;
}
