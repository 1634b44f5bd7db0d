/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_watch.c  eigenstep watch: runs as their folders show them, again and
 *  again until all have ended. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "eigenstep/watch.h"

#define REFRESH 2.0 /* seconds, on a terminal */
#define LINE 10.0   /* seconds, elsewhere */

typedef struct request {
  bool once;
  double every; /* seconds; 0: the default */
  int first;    /* argument that is the first folder */
} request;

static es_status parse(int argc, char *const *argv, request *r) {
  for (; r->first < argc && argv[r->first][0] == '-'; r->first++) {
    const char *const a = argv[r->first];
    char *end = NULL;
    if (strcmp(a, "--once") == 0) {
      r->once = true;
      continue;
    }
    ES_CHECK(strcmp(a, "--every") == 0, ES_ECONFIG,
             "watch: got '%s', expected --once, --every SECONDS or a folder", a);
    errno = 0;
    r->first++;
    r->every = r->first < argc ? strtod(argv[r->first], &end) : 0;
    ES_CHECK(end != NULL && *end == '\0' && errno == 0 && r->every >= 0.1 &&
                 r->every <= 86400,
             ES_ECONFIG, "watch: --every: got '%s', expected 0.1 to 86400 seconds",
             r->first < argc ? argv[r->first] : "nothing");
  }
  ES_CHECK(r->first < argc, ES_ECONFIG, "watch: got no folder, expected OUTDIR");
  return ES_OK;
}

static void wait_for(double seconds) {
  const struct timespec t = {(time_t) seconds,
                             (long) (1e9 * (seconds - (double) (time_t) seconds))};
  nanosleep(&t, NULL);
}

/* Collective. All folders once; *over: there is nothing more to come. */
static es_status show(const es_comm *c, const request *r, int argc, char *const *argv,
                      bool *over) {
  const bool terminal = es_log_is_terminal();
  *over = true;
  if (terminal && !r->once) es_print("\033[H\033[2J"); /* from the top of the screen */
  for (int i = r->first; i < argc; i++) {
    es_watched w;
    ES_TRY(es_watch_read(c, argv[i], &w));
    *over = *over && es_watch_is_over(&w);
    if (terminal || r->once || es_watch_is_over(&w))
      es_watch_draw(&w, terminal);
    else
      es_watch_print_line(&w);
    es_watch_free(&w);
  }
  return ES_OK;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  request r = {.once = false};
  bool over = false;
  ES_TRY(parse(argc, argv, &r));
  const double every = r.every > 0 ? r.every : (es_log_is_terminal() ? REFRESH : LINE);
  for (;;) {
    ES_TRY(show(job->comm, &r, argc, argv, &over));
    if (r.once || over || ferror(stdout)) return ES_OK; /* or nobody reads any more */
    wait_for(every);
  }
}

const es_command_ops es_command_watch = {
    .name = "watch",
    .options = true,
    .doc =
        "show runs in the terminal while they go on: loss, eigenvalues, forecast, time "
        "left; from their files alone, also on another machine",
    .usage = "[--once] [--every SECONDS] OUTDIR...",
    .run = run};
