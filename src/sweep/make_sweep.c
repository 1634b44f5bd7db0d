/* SPDX-License-Identifier: BSD-3-Clause */
/** @file make_sweep.c  eigenstep sweep: plan, folder, work, summary. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "estimate.h"
#include "folder.h"
#include "report.h"
#include "summary.h"
#include "unread.h"
#include "work.h"

/* All that a sweep works on. */
typedef struct sweep {
  const es_job *job;
  const es_sweep_options *options;
  es_sweep_spec spec;
  es_sweep_plan plan;
  es_queue queue;
  int *order;
  es_run_memory *memory;
} sweep;

static void release(sweep *w) {
  es_free(&w->order);
  es_free(&w->memory);
  es_sweep_plan_free(&w->plan);
  es_sweep_spec_free(&w->spec);
}

/* Name of this job, the same on all ranks: host, process and time. */
static void name_job(const es_comm *c, char name[96]) {
  char host[64] = "";
  gethostname(host, sizeof host - 1);
  snprintf(name, 96, "%s.%ld.%lld", host, (long) getpid(), (long long) time(NULL));
  es_comm_bcast(c, name, 96, 0);
}

static es_status open_queue(sweep *w) {
  const es_sweep_options *const o = w->options;
  es_queue *const q = &w->queue;
  *q = (es_queue){.plan = &w->plan,
                  .stale = w->spec.par.stale,
                  .extend = w->spec.par.command == ES_SWEEP_TRAIN,
                  .retry = o->retry,
                  .only = -1,
                  .began = NAN};
  if (o->task >= 0) /* number 1 is the first run, 0 the last */
    q->only = (int) ((o->task + w->plan.n - 1) % w->plan.n);
  snprintf(q->dir, sizeof q->dir, "%s/queue", w->plan.dir);
  name_job(w->job->comm, q->job);
  ES_TRY(ES_COMM_NEW(w->job->comm, w->plan.n, &w->memory));
  q->memory = w->memory;
  return ES_OK;
}

/* The longest first; what is not known counts as average, in the order of the plan. */
typedef struct item {
  double expected;
  int run;
} item;

static int longest_first(const void *a, const void *b) {
  const item *const x = a, *const y = b;
  if (x->expected != y->expected) return x->expected < y->expected ? 1 : -1;
  return x->run - y->run;
}

static es_status sort_runs(sweep *w) {
  const int n = w->plan.n;
  item *items = NULL;
  double sum = 0;
  int known = 0;
  ES_TRY(ES_NEW(n, &items));
  for (int i = 0; i < n; i++)
    if (isfinite(w->plan.run[i].expected)) sum += w->plan.run[i].expected, known++;
  for (int i = 0; i < n; i++) {
    const double e = w->plan.run[i].expected;
    items[i] = (item){isfinite(e) ? e : known > 0 ? sum / known : 0, i};
  }
  qsort(items, (size_t) n, sizeof *items, longest_first);
  const es_status st = ES_NEW(n, &w->order);
  for (int i = 0; i < n && st == ES_OK; i++) w->order[i] = items[i].run;
  es_free(&items);
  w->queue.order = w->order;
  return st;
}

/* Collective. What rank 0 expects of the runs, on all ranks; *e only there. */
static es_status estimate(sweep *w, es_estimate **e) {
  const es_comm *const c = w->job->comm;
  double *all = NULL;
  es_status st = ES_NEW(w->plan.n, &all);
  if (st == ES_OK && c->rank == 0) st = ES_NEW(w->plan.n, e);
  if (st == ES_OK && c->rank == 0) st = es_estimate_runs(w->job, &w->spec, &w->plan, *e);
  st = es_comm_agree(c, st);
  if (st == ES_OK) {
    for (int i = 0; i < w->plan.n; i++) all[i] = w->plan.run[i].expected;
    es_comm_bcast(c, all, (size_t) w->plan.n * sizeof *all, 0);
    for (int i = 0; i < w->plan.n; i++) w->plan.run[i].expected = all[i];
  }
  es_free(&all);
  return st;
}

static void announce(const sweep *w) {
  const es_sweep_params *const p = &w->spec.par;
  char left_out[64] = "";
  if (w->plan.skipped > 0)
    snprintf(left_out, sizeof left_out, " (%d left out by sweep.skip)", w->plan.skipped);
  es_info("sweep of %d runs%s of 'eigenstep %s' on %lld rank%s each, base file %s, in %s",
          w->plan.n, left_out, es_sweep_commands[p->command], (long long) p->ranks,
          p->ranks == 1 ? "" : "s", w->spec.base_path, w->plan.dir);
}

/* Rank 0. What the runs that are not done take. */
static void print_together(const sweep *w, double scale, int runs, double seconds,
                           double longest) {
  const int groups = w->job->comm->size / (int) w->spec.par.ranks;
  const int workers = groups > 0 ? groups : 1;
  if (!isfinite(scale)) {
    es_print("time: not known, as the speed of a step could not be measured here; once a "
             "run is done, at its speed");
    return;
  }
  es_print("runs that are not done: about %.4g s in all, %.4g s on %d x %lld ranks",
           seconds, fmax(seconds / workers, longest), workers,
           (long long) w->spec.par.ranks);
  if (runs > 0)
    es_print("time: operations counted, at the speed of the %d runs that are done "
             "(%.3g GFLOP/s a rank)",
             runs, 1 / scale);
  else
    es_print("time: operations counted, at the %.3g GFLOP/s that %s takes on a rank "
             "here; once a run is done, at its speed",
             1 / scale,
             w->spec.par.command == ES_SWEEP_TRAIN ? "a step with few pairs"
                                                   : "a product of matrices");
}

/* Rank 0. Runs that cannot run are an error, as of 'eigenstep check'. */
static es_status refuse_failing(const sweep *w, const es_estimate *e) {
  int failing = 0, first = 0;
  for (int i = w->plan.n - 1; i >= 0; i--)
    if (e[i].why[0] != '\0') {
      failing++;
      first = i;
    }
  ES_CHECK(failing == 0, ES_ECONFIG, "%d of %d runs would fail; the first, %s: %s",
           failing, w->plan.n, w->plan.run[first].name, e[first].why);
  return ES_OK;
}

/* Rank 0. */
static es_status print_plan(const sweep *w, const es_estimate *e) {
  int runs = 0;
  ES_TRY(es_queue_settle(&w->queue));
  const double of_runs = es_estimate_scale(&w->queue, &runs);
  const double scale =
      isfinite(of_runs) ? of_runs : 1 / es_estimate_rate(w->job, &w->spec, &w->plan);
  double seconds = 0, longest = 0;
  es_print("%6s %-9s %12s %10s  %s", "number", "state", "MB a rank", "seconds", "run");
  for (int i = 0; i < w->plan.n; i++) {
    const es_sweep_run *const r = &w->plan.run[i];
    char memory[32] = "-", time_text[32] = "-";
    es_run_view v;
    ES_TRY(es_queue_look(&w->queue, i, &v));
    const double t = scale * r->expected;
    if (isfinite(e[i].bytes)) snprintf(memory, sizeof memory, "%.1f", 1e-6 * e[i].bytes);
    if (isfinite(t)) snprintf(time_text, sizeof time_text, "%.3g", t);
    es_print("%6d %-9s %12s %10s  %s%s%s", i + 1, es_run_phase_name(v.phase), memory,
             time_text, r->name, e[i].why[0] != '\0' ? "  will fail: " : "", e[i].why);
    if (!isfinite(t) || v.phase == ES_RUN_DONE) continue;
    seconds += t;
    longest = fmax(longest, t);
  }
  print_together(w, scale, runs, seconds, longest);
  return refuse_failing(w, e);
}

static es_status dry_run(sweep *w) {
  const es_comm *const c = w->job->comm;
  es_estimate *e = NULL;
  announce(w);
  es_status st = estimate(w, &e);
  if (st == ES_OK) st = es_comm_agree(c, c->rank == 0 ? print_plan(w, e) : ES_OK);
  es_free(&e);
  return st;
}

static es_status show_status(sweep *w) {
  const es_comm *const c = w->job->comm;
  es_status st = ES_OK;
  announce(w);
  if (c->rank == 0) st = es_queue_settle(&w->queue);
  if (c->rank == 0 && st == ES_OK) st = es_report_states(&w->queue);
  if (c->rank == 0 && st == ES_OK && access(w->queue.dir, F_OK) == 0)
    st = es_summary_write(&w->queue);
  return es_comm_agree(c, st);
}

static es_status check_ranks(const sweep *w) {
  const int64_t wanted = w->spec.par.ranks, have = w->job->comm->size;
  ES_CHECK(wanted <= have, ES_ECONFIG,
           "sweep.ranks: got %lld ranks a run, but the job has %lld, expected at most as "
           "many",
           (long long) wanted, (long long) have);
  if (have % wanted != 0)
    es_warn("%lld of %lld ranks are idle: the job is no multiple of sweep.ranks = %lld",
            (long long) (have % wanted), (long long) have, (long long) wanted);
  return ES_OK;
}

/* Rank 0. How the sweep stands when this job has ended. */
static es_status conclude(const sweep *w, es_status worked) {
  int count[ES_RUN_PHASES];
  char stop[1100];
  const int only = w->queue.only;
  es_run_view v;
  ES_TRY(es_report_count(&w->queue, count));
  ES_TRY(es_summary_write(&w->queue));
  es_info("%d of %d runs done, %d running elsewhere, %d stopped, %d failed, %d to do; "
          "summary: %s/sweep.csv, sweep.h5",
          count[ES_RUN_DONE], w->plan.n, count[ES_RUN_RUNNING], count[ES_RUN_STOPPED],
          count[ES_RUN_FAILED], count[ES_RUN_PENDING] + count[ES_RUN_ORPHANED],
          w->plan.dir);
  snprintf(stop, sizeof stop, "%s/stop", w->plan.dir);
  if (worked == ES_STOPPED && access(stop, F_OK) == 0)
    es_info("stopped by the file '%s': remove it, and call the sweep again", stop);
  if (worked != ES_OK) return worked;
  if (only >= 0) {
    ES_TRY(es_queue_look(&w->queue, only, &v));
    ES_CHECK(v.phase != ES_RUN_FAILED, ES_EIO, "run %s failed: %s",
             w->plan.run[only].name, v.state.reason);
    return v.phase == ES_RUN_STOPPED ? ES_STOPPED : ES_OK;
  }
  ES_CHECK(count[ES_RUN_FAILED] == 0, ES_EIO,
           "%d of %d runs failed; sweep.csv has their reasons, --retry failed runs them "
           "again",
           count[ES_RUN_FAILED], w->plan.n);
  return count[ES_RUN_STOPPED] > 0 ? ES_STOPPED : ES_OK;
}

static es_status do_work(sweep *w) {
  const es_comm *const c = w->job->comm;
  const es_launch launch = {.spec = &w->spec, .plan = &w->plan, .options = w->options};
  es_estimate *e = NULL;
  ES_TRY(es_comm_agree(c, check_ranks(w)));
  ES_TRY(es_sweep_folder_make(w->job, &w->spec, w->options->accept, &w->plan));
  if (c->rank == 0) w->queue.began = es_claim_clock(w->queue.dir);
  es_comm_bcast(c, &w->queue.began, sizeof w->queue.began, 0);
  announce(w);
  es_status st = w->queue.only < 0 ? estimate(w, &e) : ES_OK;
  es_free(&e);
  ES_TRY(st);
  ES_TRY(es_comm_agree(c, sort_runs(w)));
  st = es_work_all(w->job, &launch, &w->queue);
  if (st < ES_OK) return st;
  return es_comm_agree(c, c->rank == 0 ? conclude(w, st) : ES_OK);
}

static es_status run(sweep *w) {
  const es_sweep_options *const o = w->options;
  ES_TRY(es_sweep_spec_read(w->job, o, &w->spec));
  const es_status planned = es_sweep_plan_make(w->job, &w->spec, &w->plan);
  ES_TRY(es_comm_agree(w->job->comm, planned));
  ES_TRY(es_sweep_folder_check(w->job, &w->spec, o->accept, &w->plan));
  ES_TRY(open_queue(w));
  if (!o->status) ES_TRY(es_sweep_warn_unread(w->job, o, &w->spec, &w->plan));
  if (o->dry_run) return dry_run(w);
  if (o->status) return show_status(w);
  return do_work(w);
}

es_status es_sweep_make(const es_job *job, const es_sweep_options *o) {
  sweep w = {.job = job, .options = o};
  const es_status st = run(&w);
  release(&w);
  return st;
}
