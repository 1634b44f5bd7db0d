/* SPDX-License-Identifier: BSD-3-Clause */
/** @file queue.c  How far runs are, and the next one to take. */
#define _POSIX_C_SOURCE 200809L
#include "queue.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool has_folder(const es_queue *q, const es_sweep_run *r) {
  char path[1400];
  snprintf(path, sizeof path, "%s/%s/run.ini", q->plan->dir, r->name);
  return access(path, F_OK) == 0;
}

static bool is_done(const es_queue *q, const es_sweep_run *r, const es_run_state *s) {
  if (s->phase != ES_RUN_DONE || !has_folder(q, r)) return false;
  return !q->extend || s->steps >= r->steps;
}

static es_run_phase judge(const es_queue *q, const es_sweep_run *r,
                          const es_run_view *v) {
  const es_run_state *const s = &v->state;
  const bool ended =
      s->phase == ES_RUN_FAILED || s->phase == ES_RUN_STOPPED || s->phase == ES_RUN_DONE;
  if (is_done(q, r, s)) return ES_RUN_DONE;
  const bool free = ended && v->claim.generation == s->generation;
  if (free) return s->phase == ES_RUN_DONE ? ES_RUN_PENDING : s->phase;
  if (v->claim.generation == 0) return ES_RUN_PENDING;
  return v->claim.life == ES_CLAIM_DEAD ? ES_RUN_ORPHANED : ES_RUN_RUNNING;
}

es_status es_queue_look(const es_queue *q, int run, es_run_view *v) {
  const es_sweep_run *const r = &q->plan->run[run];
  bool found;
  ES_TRY(es_run_state_read(q->plan->dir, r->name, &v->state, &found));
  if (!found) v->state = (es_run_state){.phase = ES_RUN_PENDING};
  snprintf(v->state.id, sizeof v->state.id, "%s", r->id);
  v->claim = (es_claim_look){.generation = 0};
  if (!is_done(q, r, &v->state))
    ES_TRY(es_claim_find(q->dir, r->id, v->state.generation, q->stale,
                         &q->memory[run].claim, &v->claim));
  v->phase = judge(q, r, v);
  return ES_OK;
}

/* What this job has stopped or failed is for another job, or another day: two jobs do
 * not pass a run to and fro. */
static bool is_open(const es_queue *q, int run, const es_run_view *v) {
  const bool mine = strcmp(v->state.job, q->job) == 0 || q->memory[run].taken;
  switch (v->phase) {
  case ES_RUN_PENDING:
  case ES_RUN_ORPHANED:
    return true;
  case ES_RUN_STOPPED:
    return !mine;
  case ES_RUN_FAILED:
    return q->retry && !mine && v->state.written < q->began;
  case ES_RUN_RUNNING:
  case ES_RUN_DONE:
  case ES_RUN_PHASES:
    return false;
  }
  return false;
}

static bool is_unsure(const es_run_view *v) {
  return v->phase == ES_RUN_RUNNING && v->claim.life == ES_CLAIM_UNSURE;
}

/* Claim what was looked at, if it is still so. */
static es_status claim_run(const es_queue *q, int run, const es_run_view *v,
                           es_claim *claim, es_run_state *state) {
  const es_sweep_run *const r = &q->plan->run[run];
  const int64_t last = v->claim.generation > v->state.generation ? v->claim.generation
                                                                 : v->state.generation;
  bool found;
  ES_TRY(es_claim_take(q->dir, r->id, last + 1, claim));
  if (claim->fd < 0) return ES_OK;
  es_status st = es_run_state_read(q->plan->dir, r->name, state, &found);
  const bool same = !found || state->generation == v->state.generation;
  if (st == ES_OK && same) { /* else another job has taken and ended it in between */
    *state = v->state;
    state->phase = ES_RUN_RUNNING;
    state->generation = claim->generation;
    snprintf(state->job, sizeof state->job, "%s", q->job);
    state->reason[0] = '\0';
    gethostname(state->host, sizeof state->host - 1);
    st = es_run_state_write(q->plan->dir, r->name, state);
  }
  if (st != ES_OK || !same) es_claim_release(claim, true);
  return st;
}

es_status es_queue_settle(const es_queue *q) {
  bool unsure = false;
  for (int i = 0; i < q->plan->n; i++) {
    es_run_view v;
    ES_TRY(es_queue_look(q, i, &v));
    unsure = unsure || is_unsure(&v);
  }
  const struct timespec grace = {ES_CLAIM_GRACE, 1000000};
  if (unsure) nanosleep(&grace, NULL);
  return ES_OK;
}

es_status es_queue_next(const es_queue *q, int *run, es_claim *claim, es_run_state *state,
                        bool *unsure) {
  *run = -1;
  *unsure = false;
  for (int i = 0; i < q->plan->n; i++) {
    const int at = q->order != NULL ? q->order[i] : i;
    es_run_view v;
    claim->fd = -1;
    if (q->only >= 0 && at != q->only) continue;
    ES_TRY(es_queue_look(q, at, &v));
    *unsure = *unsure || is_unsure(&v);
    if (is_open(q, at, &v)) ES_TRY(claim_run(q, at, &v, claim, state));
    if (claim->fd < 0) continue;
    q->memory[at].taken = true;
    *run = at;
    return ES_OK;
  }
  return ES_OK;
}
