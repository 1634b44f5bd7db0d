/* SPDX-License-Identifier: BSD-3-Clause */
/** @file log.h  Log lines: errors and warnings to stderr (prefixed with the rank unless
 *  it is 0), information to stdout from rank 0 only; all lines of rank 0 also to the
 *  run's log file. With -v, lines end with the function that wrote them. Nothing here is
 *  collective. */
#ifndef ES_LOG_H
#define ES_LOG_H

#include <stdbool.h>

typedef enum es_log_level {
  ES_LOG_ERROR,   /**< stderr; deferred on ranks other than 0, see es_log_deferred */
  ES_LOG_LOCAL,   /**< any rank, stderr: a warning that concerns this rank only */
  ES_LOG_WARNING, /**< rank 0, stderr */
  ES_LOG_INFO,    /**< rank 0, stdout: shown by default */
  ES_LOG_PHASE,   /**< rank 0, -v: phases and their times */
  ES_LOG_LAYER    /**< rank 0, -vv: algorithm chosen for each layer */
} es_log_level;

/** Set the rank of this process, the highest level printed, and whether all ranks print
 *  (--all-ranks). Defaults before the call: rank 0, ES_LOG_INFO. */
void es_log_setup(int rank, es_log_level level, bool all_ranks);

/** Also append every printed line, with a timestamp, to this file (rank 0's log.txt);
 *  NULL closes the file.
 *  @return false if the file cannot be opened (errno set). */
bool es_log_file(const char *path);

/** printf-like; one line, no trailing newline needed. */
void es_log(es_log_level level, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** The same, unless that line was logged by this function before: for what would be said
 *  again of each of several runs, snapshots or repetitions. With another log file, and
 *  from es_log_enter or es_log_leave on, lines count as not logged yet. */
void es_log_once(es_log_level level, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Print a line without timestamp or level, rank 0 only, to stdout and the log file: for
 *  tables. */
void es_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** The same on the terminal alone, on any rank. */
void es_print_terminal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** What es_log_enter has replaced. */
typedef struct es_log_scope {
  int rank;
  bool quiet;
} es_log_scope;
/** From here on this process is `rank` among those of one run of several, and only
 *  warnings that concern this rank alone reach the terminal; the log file has all lines
 *  as before. Errors recorded so far are forgotten. es_log_leave ends it. */
es_log_scope es_log_enter(int rank);
void es_log_leave(es_log_scope before);

/** Does this process print information to its terminal? */
bool es_log_shows_progress(void);
/** Is stdout a terminal whose last line may be rewritten? false before es_log_terminal:
 *  under a launcher a process may have a terminal that leads to a file. */
bool es_log_is_terminal(void);
void es_log_terminal(bool yes);
/** Show a line on the terminal until the next one of any kind takes its place, not in the
 *  log file; NULL removes it. */
void es_log_transient(const char *text);

/** Suppress (true) or restore (false) the errors of the calling thread: for work done in
 *  advance, such as prefetching, that is repeated with errors enabled when its result is
 *  needed. */
void es_log_mute(bool errors);
/** The first error that es_log_mute has suppressed on the calling thread since its last
 *  call with true, "" if none: for a caller that goes on without what has failed. */
const char *es_log_muted(void);

/** The text of the last error logged by this process ("" if none): for STATUS files. */
const char *es_log_last_error(void);

/** The deferred error of this rank, "" if none. A failure on many ranks is to be reported
 *  once: ranks other than 0 defer their first error until es_comm_agree has found the
 *  lowest failing rank, which prints its error. With --all-ranks errors are printed
 *  immediately. */
const char *es_log_deferred(void);
/** Discard the deferred error; with `print`, print it first unless already printed. */
void es_log_flush_deferred(bool print);
/** Rank 0: record the error of another rank as the last error and write it to the log
 *  file. */
void es_log_set_error(const char *text);

#define es_error(...) es_log(ES_LOG_ERROR, __func__, __VA_ARGS__)
#define es_warn_local(...) es_log(ES_LOG_LOCAL, __func__, __VA_ARGS__)
#define es_warn(...) es_log(ES_LOG_WARNING, __func__, __VA_ARGS__)
#define es_info(...) es_log(ES_LOG_INFO, __func__, __VA_ARGS__)
#define es_warn_once(...) es_log_once(ES_LOG_WARNING, __func__, __VA_ARGS__)
#define es_info_once(...) es_log_once(ES_LOG_INFO, __func__, __VA_ARGS__)
#define es_phase(...) es_log(ES_LOG_PHASE, __func__, __VA_ARGS__)
#define es_layer(...) es_log(ES_LOG_LAYER, __func__, __VA_ARGS__)

#endif
