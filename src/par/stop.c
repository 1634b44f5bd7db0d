/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stop.c  Stop requests: signals, wall time, stop file, a folder that is gone.
 *
 *  Signal handlers only set a flag, and es_stop_request another. SIGUSR1 (Slurm's
 *  warning), SIGTERM (scancel, time limit), SIGINT, SIGHUP (terminal closed) and SIGXCPU
 *  (limit of processor time) end the run after the current step, a second SIGINT ends it
 *  at once; SIGUSR2 requests a checkpoint. What one rank gets, a signal or a thread's
 *  es_stop_request, is enough: all ranks act on the maximum. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/stop.h"

/* Two flags, so that a checkpoint request cannot overwrite a pending stop. */
static volatile sig_atomic_t stop_pending, checkpoint_pending, interrupted;
static atomic_int requested; /* an es_stop_cause, by a thread: es_stop_request */

static void on_stop(int sig) {
  (void) sig;
  stop_pending = 1;
}

static void on_interrupt(int sig) {
  if (interrupted) { /* delivered when this handler returns */
    signal(sig, SIG_DFL);
    raise(sig);
  }
  interrupted = 1;
  stop_pending = 1;
}

static void on_checkpoint(int sig) {
  (void) sig;
  checkpoint_pending = 1;
}

void es_stop_install(void) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sigemptyset(&sa.sa_mask);
  sa.sa_flags = SA_RESTART; /* restart interrupted reads and writes */
  sa.sa_handler = on_stop;
  sigaction(SIGUSR1, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
  sigaction(SIGXCPU, &sa, NULL);
  struct sigaction before; /* nohup: closing the terminal is to be ignored */
  if (sigaction(SIGHUP, NULL, &before) != 0 || before.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &sa, NULL);
  sa.sa_handler = on_interrupt;
  sigaction(SIGINT, &sa, NULL);
  sa.sa_handler = on_checkpoint;
  sigaction(SIGUSR2, &sa, NULL);
}

void es_stop_request(es_stop_cause cause) {
  atomic_store(&requested, (int) cause);
}

/* Is the folder of the stop file gone? */
static bool folder_is_gone(const char *file) {
  char folder[sizeof((es_stop *) NULL)->file];
  strcpy(folder, file);
  char *const slash = strrchr(folder, '/');
  if (slash == NULL || slash == folder) return false;
  *slash = '\0';
  return access(folder, F_OK) != 0 && errno == ENOENT;
}

/* Look for the stop file. By rank 0 only and not at every step: metadata calls are slow
 * on parallel file systems. */
static es_stop_cause look(es_stop *s, const es_comm *comm) {
  const int every = s->every > 0 ? s->every : 1;
  const bool due = s->calls++ % every == 0;
  if (!due || comm->rank != 0 || !s->file[0]) return ES_STOP_NONE;
  if (access(s->file, F_OK) == 0) return ES_STOP_FILE;
  return errno == ENOENT && folder_is_gone(s->file) ? ES_STOP_GONE : ES_STOP_NONE;
}

es_stop_cause es_stop_poll(es_stop *s, const es_comm *comm) {
  es_stop_cause cause = ES_STOP_NONE;
  if (checkpoint_pending) {
    checkpoint_pending = 0;
    cause = ES_STOP_CHECKPOINT;
  }
  const es_stop_cause seen = look(s, comm);
  if (seen > cause) cause = seen;
  if ((es_stop_cause) requested > cause) cause = (es_stop_cause) requested;
  if (s->deadline > 0 && es_now() >= s->deadline) cause = ES_STOP_WALLTIME;
  if (stop_pending) cause = ES_STOP_SIGNAL;
  if (seen == ES_STOP_GONE) cause = seen;
  return cause;
}

es_stop_cause es_stop_agree(es_stop *s, const es_comm *comm) {
  int64_t cause = es_stop_poll(s, comm);
  es_comm_max_i64(comm, &cause, 1);
  return (es_stop_cause) cause;
}

/* Seconds between two looks of es_stop_at and es_stop_alone. */
#define PATIENCE 0.2
enum { MOST_CALLS = 1 << 20 };

/* Calls that fill PATIENCE at the pace of the last ones, twice as many at most. */
static int64_t stride(const es_stop *s, double since) {
  const double calls = (double) (s->stride > 0 ? s->stride : 1);
  const double fit = since > 0 ? PATIENCE / since * calls : MOST_CALLS;
  return (int64_t) fmax(fmin(fmin(fit, 2 * calls), MOST_CALLS), 1);
}

void es_stop_begin(es_stop *s) {
  if (s == NULL) return;
  s->next = s->stride = 0;
  s->asked = es_now();
}

es_status es_stop_at(es_stop *s, const es_comm *comm, es_status mine) {
  if (s == NULL || s->next-- > 0) return ES_OK;
  const double now = es_now();
  int64_t ask[3] = {es_stop_poll(s, comm), mine != ES_OK, 0};
  if (comm->rank == 0) ask[2] = stride(s, now - s->asked);
  es_comm_max_i64(comm, ask, 3);
  s->asked = now;
  s->stride = ask[2];
  s->next = s->stride - 1;
  if (ask[1] != 0) return es_comm_agree(comm, mine);
  if (ask[0] <= ES_STOP_CHECKPOINT) return ES_OK;
  s->cause = (es_stop_cause) ask[0];
  return ES_STOPPED;
}

es_stop_cause es_stop_alone(es_stop *s, const es_comm *comm) {
  const double now = es_now();
  if (now - s->asked < PATIENCE) return s->cause;
  s->asked = now;
  const es_stop_cause cause = es_stop_poll(s, comm);
  if (cause > ES_STOP_CHECKPOINT) s->cause = cause;
  return s->cause;
}

void es_stop_share(es_stop *s, const es_comm *comm) {
  int64_t cause = s->cause;
  es_comm_max_i64(comm, &cause, 1);
  s->cause = (es_stop_cause) cause;
}

es_status es_stop_between(es_stop *s, const es_comm *comm, const char *next) {
  es_stop signals = {.every = 1};
  const es_stop_cause cause = es_stop_agree(s != NULL ? s : &signals, comm);
  if (cause <= ES_STOP_CHECKPOINT) return ES_OK;
  if (s != NULL) s->cause = cause;
  es_info(
      "stopped before %s (%s): there is no result, and nothing to go on from; start the "
      "command again with more time",
      next, es_stop_name(cause));
  return ES_STOPPED;
}

const char *es_stop_name(es_stop_cause c) {
  switch (c) {
  case ES_STOP_NONE:
    return "none";
  case ES_STOP_CHECKPOINT:
    return "checkpoint requested by SIGUSR2";
  case ES_STOP_FILE:
    return "stop file found";
  case ES_STOP_WALLTIME:
    return "wall time used up";
  case ES_STOP_SIGNAL:
    return "signal received";
  case ES_STOP_GONE:
    return "output folder removed";
  }
  return "unknown";
}
