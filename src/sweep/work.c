/* SPDX-License-Identifier: BSD-3-Clause */
/** @file work.c  Groups of ranks take runs from the queue. */
#define _POSIX_C_SOURCE 200809L
#include "work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "eigenstep/clock.h"
#include "eigenstep/stop.h"
#include "keeper.h"
#include "report.h"

/* One group of ranks. */
typedef struct group {
  es_comm *comm;
  es_job job;
  es_launch launch;
  const es_queue *queue;
  es_report *report; /**< the first rank of the job; else NULL */
  double every;      /**< seconds between reports */
  es_stop stop;
} group;

static void sleep_for(double seconds) {
  const struct timespec t = {(time_t) seconds, (long) (1e9 * (seconds - floor(seconds)))};
  nanosleep(&t, NULL);
}

/* First rank. The state of a run that has ended, unless the run is another job's now. */
static es_status write_end(const es_queue *q, const es_sweep_run *r,
                           const es_claim *claim, const es_run_state *state) {
  if (es_claim_is_held(claim, q->dir, r->id))
    return es_run_state_write(q->plan->dir, r->name, state);
  es_warn_local("run %s: another job has taken it over, after this one had stood still; "
                "its state is left to that job",
                r->name);
  return ES_OK;
}

/* Collective over the group. Make a run that its first rank has claimed. */
static es_status make_run(group *g, int run, es_claim *claim, es_run_state *state) {
  const es_queue *const q = g->queue;
  const es_sweep_run *const r = &q->plan->run[run];
  es_keeper *keeper = NULL;
  es_status st = ES_OK;
  const bool first = g->comm->rank == 0;
  const bool resumes =
      g->launch.spec->par.command == ES_SWEEP_TRAIN; /* from a checkpoint */
  const es_kept kept = {.claim = claim,
                        .queue = q->dir,
                        .id = r->id,
                        .stop_file = resumes ? g->stop.file : NULL,
                        .beat = fmin(q->stale / 12, 10),
                        .report = g->report != NULL ? es_report_progress : NULL,
                        .every = g->every,
                        .ctx = g->report};
  if (first) st = es_keeper_start(&kept, &keeper);
  st = es_comm_agree(g->comm, st);
  if (st == ES_OK) (void) es_launch_run(&g->launch, run, state);
  es_keeper_stop(&keeper);
  if (first && st == ES_OK) st = write_end(q, r, claim, state);
  if (first) es_claim_release(claim, false);
  if (g->report != NULL) es_report_progress(g->report);
  return es_comm_agree(g->comm, st);
}

/* What the first rank of a group has found in the queue. */
typedef struct found {
  int run; /**< -1: none */
  bool unsure;
} found;

/* Collective over the group. */
static es_status take(group *g, found *f, es_claim *claim, es_run_state *state) {
  es_status st = ES_OK;
  if (g->comm->rank == 0) st = es_queue_next(g->queue, &f->run, claim, state, &f->unsure);
  ES_TRY(es_comm_agree(g->comm, st));
  es_comm_bcast(g->comm, f, sizeof *f, 0);
  es_comm_bcast(g->comm, state, sizeof *state, 0);
  return ES_OK;
}

/* Collective over the group. */
static es_status work(group *g) {
  for (;;) {
    es_claim claim = {.fd = -1};
    es_run_state state = {.phase = ES_RUN_PENDING};
    found f = {.run = -1};
    if (es_stop_agree(&g->stop, g->comm) > ES_STOP_CHECKPOINT) return ES_STOPPED;
    ES_TRY(take(g, &f, &claim, &state));
    if (f.run >= 0)
      ES_TRY(make_run(g, f.run, &claim, &state));
    else if (f.unsure)
      sleep_for(0.5);
    else
      return ES_OK;
  }
}

/* Collective over the job. Wait for the other groups, which may take hours: without
 * spinning, and with reports. */
static void wait_for_all(const es_comm *c, es_report *report, double every) {
  double next = es_now() + every;
  MPI_Request all;
  int done = 0;
  MPI_Ibarrier(c->mpi, &all);
  for (;;) {
    MPI_Test(&all, &done, MPI_STATUS_IGNORE);
    if (done) return;
    sleep_for(0.05);
    if (report == NULL || es_now() < next) continue;
    es_report_progress(report);
    next = es_now() + every;
  }
}

/* Collective over the job. Its ranks in groups of `size`; NULL: this one is left over. */
static es_status split(const es_comm *c, int size, es_comm **out) {
  const int number = c->rank / size;
  const bool in_group = number < c->size / size;
  MPI_Comm part;
  es_status st = ES_OK;
  *out = NULL;
  MPI_Comm_split(c->mpi, in_group ? number : MPI_UNDEFINED, c->rank, &part);
  if (in_group) st = es_comm_create_part(c, part, out);
  if (in_group) MPI_Comm_free(&part);
  return es_comm_agree(c, st);
}

static es_status work_in_group(const es_job *job, const es_launch *l, const es_queue *q,
                               es_comm *comm, es_report *report) {
  group g = {.comm = comm,
             .job = *job,
             .launch = *l,
             .queue = q,
             .report = report,
             .every = l->spec->par.report,
             .stop = {.every = 1}};
  g.job.comm = comm;
  g.launch.group = &g.job;
  snprintf(g.stop.file, sizeof g.stop.file, "%s/stop", l->plan->dir);
  return work(&g);
}

es_status es_work_all(const es_job *job, const es_launch *l, const es_queue *q) {
  const es_comm *const c = job->comm;
  const int size = (int) l->spec->par.ranks;
  es_comm *comm = NULL;
  es_report report = {.seen = NULL};
  es_status st = ES_OK;
  const bool root = c->rank == 0;
  es_stop_install();
  if (root) st = es_report_create(q, c->size / size, &report);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  st = split(c, size, &comm);
  if (st == ES_OK && comm != NULL)
    st = work_in_group(job, l, q, comm, root ? &report : NULL);
  wait_for_all(c, root ? &report : NULL, l->spec->par.report);
  if (comm != NULL) es_comm_destroy(&comm);
  st = es_comm_agree(c, st);
done:
  es_report_free(&report);
  return st;
}
