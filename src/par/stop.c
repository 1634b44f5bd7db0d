/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stop.c  Stop requests: signals, wall time and stop file.
 *
 *  Signal handlers only set a flag. SIGUSR1 (Slurm's warning), SIGTERM (scancel, time
 *  limit) and SIGINT end the run after the current step; SIGUSR2 requests a checkpoint. A
 *  signal to a single rank is enough: all ranks act on the maximum. */
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/clock.h"
#include "eigenstep/stop.h"

/* Two flags, so that a checkpoint request cannot overwrite a pending stop. */
static volatile sig_atomic_t stop_pending, checkpoint_pending;

static void on_stop(int sig) {
  (void) sig;
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
  sigaction(SIGINT, &sa, NULL);
  sa.sa_handler = on_checkpoint;
  sigaction(SIGUSR2, &sa, NULL);
}

/* Does the stop file exist? Checked by rank 0 only and not at every step: metadata calls
   are slow on parallel file systems. */
static bool stop_file_exists(es_stop *s, const es_comm *comm) {
  const int every = s->every > 0 ? s->every : 1;
  const bool due = s->calls++ % every == 0;
  return due && comm->rank == 0 && s->file[0] && access(s->file, F_OK) == 0;
}

es_stop_cause es_stop_poll(es_stop *s, const es_comm *comm) {
  es_stop_cause cause = ES_STOP_NONE;
  if (checkpoint_pending) {
    checkpoint_pending = 0;
    cause = ES_STOP_CHECKPOINT;
  }
  if (stop_file_exists(s, comm)) cause = ES_STOP_FILE;
  if (s->deadline > 0 && es_now() >= s->deadline) cause = ES_STOP_WALLTIME;
  if (stop_pending) cause = ES_STOP_SIGNAL;
  return cause;
}

es_stop_cause es_stop_agree(es_stop *s, const es_comm *comm) {
  int64_t cause = es_stop_poll(s, comm);
  es_comm_max_i64(comm, &cause, 1);
  return (es_stop_cause) cause;
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
  }
  return "unknown";
}
