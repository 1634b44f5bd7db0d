/* SPDX-License-Identifier: BSD-3-Clause */
/** @file log.c  Log lines on stdout and stderr, and in the run's log file.
 *
 *  A line is formatted in memory and written by one fwrite, so that lines of several
 *  ranks on one terminal do not interleave. Only the log file has timestamps: terminal
 *  output can be compared between runs. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "eigenstep/clock.h"

enum { TEXT_SIZE = 4096, LINE_SIZE = TEXT_SIZE + 256, NOTES = 32 };

static struct {
  pthread_mutex_t lock;
  int rank;
  es_log_level level;
  bool all_ranks;
  bool quiet; /* see es_log_enter */
  FILE *file;
  char last_error[TEXT_SIZE];
  char deferred[TEXT_SIZE], deferred_where[128]; /* see es_log_deferred */
  bool deferred_printed;
  bool terminal;
  bool transient;       /* the cursor is on a line of es_log_transient */
  uint64_t note[NOTES]; /* hashes of the latest lines of es_log_once */
  unsigned notes;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = ES_LOG_INFO};

static _Thread_local bool muted; /**< see es_log_mute */
static _Thread_local char unsaid[TEXT_SIZE];

void es_log_mute(bool errors) {
  if (errors) unsaid[0] = '\0';
  muted = errors;
}

const char *es_log_muted(void) {
  return unsaid;
}

void es_log_setup(int rank, es_log_level level, bool all_ranks) {
  pthread_mutex_lock(&state.lock);
  state.rank = rank;
  state.level = level;
  state.all_ranks = all_ranks;
  pthread_mutex_unlock(&state.lock);
}

/* What comes next has a reader, or a log file, of its own. The lock is held. */
static void forget_notes(void) {
  memset(state.note, 0, sizeof state.note);
}

es_log_scope es_log_enter(int rank) {
  pthread_mutex_lock(&state.lock);
  const es_log_scope before = {state.rank, state.quiet};
  state.rank = rank;
  state.quiet = true;
  state.last_error[0] = state.deferred[0] = '\0';
  forget_notes();
  pthread_mutex_unlock(&state.lock);
  return before;
}

void es_log_leave(es_log_scope before) {
  pthread_mutex_lock(&state.lock);
  state.rank = before.rank;
  state.quiet = before.quiet;
  state.deferred[0] = '\0';
  forget_notes();
  pthread_mutex_unlock(&state.lock);
}

bool es_log_file(const char *path) {
  FILE *file = path != NULL ? fopen(path, "a") : NULL;
  if (path != NULL && file == NULL) return false;
  pthread_mutex_lock(&state.lock);
  if (state.file != NULL) fclose(state.file);
  state.file = file;
  forget_notes();
  pthread_mutex_unlock(&state.lock);
  return true;
}

/** Format into text[TEXT_SIZE] without trailing newlines; longer text is truncated and
 *  ends in "...". */
static void format(char *text, const char *fmt, va_list args) {
  const int n = vsnprintf(text, TEXT_SIZE, fmt, args);
  if (n < 0) text[0] = '\0';
  if (n >= TEXT_SIZE) memcpy(text + TEXT_SIZE - 4, "...", 4);
  size_t end = strlen(text);
  while (end > 0 && text[end - 1] == '\n') text[--end] = '\0';
}

/** Write the line with one fwrite and flush, so that the log can be followed. */
static void put_line(FILE *out, const char *line) {
  if (state.transient && out != state.file) {
    fputs("\r\033[K", stdout);
    fflush(stdout);
    state.transient = false;
  }
  fwrite(line, 1, strlen(line), out);
  fflush(out);
}

static bool is_printed(es_log_level level) {
  const bool mine = level == ES_LOG_LOCAL || state.rank == 0 || state.all_ranks;
  return level <= state.level && mine;
}

/** " (function)" where -v or -vv asks for it, else "". */
static const char *origin(const char *where, char buf[140]) {
  buf[0] = '\0';
  if (state.level >= ES_LOG_PHASE) snprintf(buf, 140, " (%.128s)", where);
  return buf;
}

static void put_terminal(es_log_level level, const char *where, const char *text) {
  const char *prefix =
      level == ES_LOG_ERROR ? "eigenstep: error: " : "eigenstep: warning: ";
  const bool loud = level <= ES_LOG_WARNING;
  if (state.quiet && level != ES_LOG_LOCAL) return;
  char rank[32] = "", function[140], line[LINE_SIZE];
  if (state.rank != 0) snprintf(rank, sizeof rank, "[rank %d] ", state.rank);
  if (loud)
    snprintf(line, sizeof line, "%s%s%s%s\n", prefix, rank, text,
             origin(where, function));
  else
    snprintf(line, sizeof line, "%s%s\n", rank, text);
  put_line(loud ? stderr : stdout, line);
}

static void put_file(es_log_level level, const char *where, const char *text) {
  static const char *const name[] = {"error", "warning", "warning",
                                     "info",  "phase",   "layer"};
  char stamp[32], function[140], line[LINE_SIZE];
  es_timestamp(stamp, sizeof stamp);
  snprintf(line, sizeof line, "%s %s: %s%s\n", stamp, name[level], text,
           origin(where, function));
  put_line(state.file, line);
}

void es_log(es_log_level level, const char *where, const char *fmt, ...) {
  const int saved = errno; /* callers report errno after logging */
  char text[TEXT_SIZE];
  va_list args;
  va_start(args, fmt);
  format(text, fmt, args);
  va_end(args);
  for (char *c = text; *c != '\0'; c++)
    if (*c == '\n' || *c == '\r')
      *c = ' '; /* a quoted argument may contain line breaks */
  if (muted && level == ES_LOG_ERROR) {
    if (unsaid[0] == '\0') memcpy(unsaid, text, strlen(text) + 1);
    errno = saved;
    return;
  }

  pthread_mutex_lock(&state.lock);
  if (level == ES_LOG_ERROR) memcpy(state.last_error, text, strlen(text) + 1);
  /* the first error of a chain names the cause */
  const bool first = level == ES_LOG_ERROR && state.deferred[0] == '\0';
  if (first) {
    memcpy(state.deferred, text, strlen(text) + 1);
    snprintf(state.deferred_where, sizeof state.deferred_where, "%s", where);
    state.deferred_printed = is_printed(level);
  }
  if (is_printed(level)) {
    put_terminal(level, where, text);
    if (state.file != NULL) put_file(level, where, text);
  }
  pthread_mutex_unlock(&state.lock);
  errno = saved;
}

/* FNV-1a. */
static uint64_t hash(const char *text) {
  uint64_t h = 14695981039346656037u;
  for (; *text != '\0'; text++) h = (h ^ (unsigned char) *text) * 1099511628211u;
  return h;
}

void es_log_once(es_log_level level, const char *where, const char *fmt, ...) {
  char text[TEXT_SIZE];
  bool known = false;
  va_list args;
  va_start(args, fmt);
  format(text, fmt, args);
  va_end(args);
  const uint64_t h = hash(text);
  pthread_mutex_lock(&state.lock);
  for (int i = 0; i < NOTES; i++) known = known || state.note[i] == h;
  if (!known) state.note[state.notes++ % NOTES] = h;
  pthread_mutex_unlock(&state.lock);
  if (!known) es_log(level, where, "%s", text);
}

void es_print(const char *fmt, ...) {
  if (state.rank != 0) return;
  const int saved = errno;
  char text[TEXT_SIZE + 1];
  va_list args;
  va_start(args, fmt);
  format(text, fmt, args);
  va_end(args);
  memcpy(text + strlen(text), "\n", 2);

  pthread_mutex_lock(&state.lock);
  if (!state.quiet) put_line(stdout, text);
  if (state.file != NULL) put_line(state.file, text);
  pthread_mutex_unlock(&state.lock);
  errno = saved;
}

void es_print_terminal(const char *fmt, ...) {
  char text[TEXT_SIZE + 1];
  va_list args;
  va_start(args, fmt);
  format(text, fmt, args);
  va_end(args);
  memcpy(text + strlen(text), "\n", 2);
  pthread_mutex_lock(&state.lock);
  put_line(stdout, text);
  pthread_mutex_unlock(&state.lock);
}

bool es_log_shows_progress(void) {
  return is_printed(ES_LOG_INFO) && state.rank == 0 && !state.quiet;
}

bool es_log_is_terminal(void) {
  return state.terminal;
}

void es_log_terminal(bool yes) {
  state.terminal = yes;
}

void es_log_transient(const char *text) {
  pthread_mutex_lock(&state.lock);
  if (text != NULL || state.transient) printf("\r%.100s\033[K", text != NULL ? text : "");
  fflush(stdout);
  state.transient = text != NULL;
  pthread_mutex_unlock(&state.lock);
}

const char *es_log_deferred(void) {
  return state.deferred;
}

void es_log_flush_deferred(bool print) {
  pthread_mutex_lock(&state.lock);
  if (print && state.deferred[0] != '\0' && !state.deferred_printed)
    put_terminal(ES_LOG_ERROR, state.deferred_where, state.deferred);
  state.deferred[0] = '\0';
  pthread_mutex_unlock(&state.lock);
}

void es_log_set_error(const char *text) {
  pthread_mutex_lock(&state.lock);
  snprintf(state.last_error, sizeof state.last_error, "%s", text);
  if (state.file != NULL) put_file(ES_LOG_ERROR, "reported by another rank", text);
  pthread_mutex_unlock(&state.lock);
}

const char *es_log_last_error(void) {
  return state.last_error;
}
