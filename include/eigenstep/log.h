/* SPDX-License-Identifier: BSD-3-Clause */
/** @file log.h  Log lines: errors and warnings to stderr (rank in front when not rank
 *  0), information to stdout from rank 0 only; all of rank 0's lines also to the run's
 *  log file. */
#ifndef ES_LOG_H
#define ES_LOG_H

#include <stdbool.h>

typedef enum es_log_level {
  ES_LOG_ERROR,   /**< stderr; on ranks other than 0 held back, see es_log_deferred */
  ES_LOG_LOCAL,   /**< any rank, stderr: a warning about what this rank alone knows */
  ES_LOG_WARNING, /**< rank 0, stderr */
  ES_LOG_INFO,    /**< rank 0, stdout: what a user wants to see by default */
  ES_LOG_PHASE,   /**< rank 0, -v: phases with their times */
  ES_LOG_LAYER    /**< rank 0, -vv: choices per layer */
} es_log_level;

/** Say which rank this process is, up to which level it prints, and whether all ranks
 *  print (--all-ranks). Before the call: rank 0, ES_LOG_INFO. */
void es_log_setup(int rank, es_log_level level, bool all_ranks);

/** Also append every printed line to this file (rank 0's log.txt), with time stamp; NULL
 *  ends it.
 *  @return false if the file cannot be opened (errno set). */
bool es_log_file(const char *path);

/** printf-like; one line, no trailing newline needed. */
void es_log(es_log_level level, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Print a line without stamp or level, rank 0 only, to stdout and the log file: for
 *  tables. */
void es_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Errors of the calling thread are not logged from now on (or are again): for work done
 *  ahead of its time, whose failure only counts, and is then said, when it is repeated by
 *  whoever needs the result. */
void es_log_mute(bool errors);

/** The text of the last error logged by this process ("" if none): for STATUS files. */
const char *es_log_last_error(void);

/** What ranks find wrong together should be one sentence, not one a rank. So a rank other
 *  than 0 holds its first error back until es_comm_agree has seen who has one; only the
 *  lowest of these ranks releases it. The text of the first error since the last release,
 *  "" if none; with --all-ranks it has been printed at once. */
const char *es_log_deferred(void);
/** Forget the held error, printing it first if told so and not done before. */
void es_log_flush_deferred(bool print);
/** Rank 0: another rank's error becomes the last error here, and a line of the log
 *  file. */
void es_log_set_error(const char *text);

#define es_error(...) es_log(ES_LOG_ERROR, __func__, __VA_ARGS__)
#define es_warn_local(...) es_log(ES_LOG_LOCAL, __func__, __VA_ARGS__)
#define es_warn(...) es_log(ES_LOG_WARNING, __func__, __VA_ARGS__)
#define es_info(...) es_log(ES_LOG_INFO, __func__, __VA_ARGS__)
#define es_phase(...) es_log(ES_LOG_PHASE, __func__, __VA_ARGS__)
#define es_layer(...) es_log(ES_LOG_LAYER, __func__, __VA_ARGS__)

#endif
