/* SPDX-License-Identifier: BSD-3-Clause */
/** @file progress.h  What the program is doing while it prints nothing else: after a few
 *  seconds a thread says it, with the time so far and, where the size of the work is
 *  known, the share done and the time left. On a terminal that is one line, rewritten
 *  every second; elsewhere a log line after 4, 8, 16, ... seconds, at most a minute
 *  apart, and one at the end.
 *
 *  Only rank 0 prints, and nothing while information is not printed (es_log_setup). Not
 *  collective. Activities nest; the innermost is shown. Each es_progress_begin needs its
 *  es_progress_end on every path that does not end the program. Called by one thread. */
#ifndef ES_PROGRESS_H
#define ES_PROGRESS_H

/** Begin an activity, a noun phrase: "eigenpairs of Gamma (1200 x 1200)". */
void es_progress_begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** `done` of `total` units of the innermost activity are done; units take equally long.
 *  Nothing happens outside of any. */
void es_progress_at(double done, double total);
/** End the innermost activity. */
void es_progress_end(void);

#endif
