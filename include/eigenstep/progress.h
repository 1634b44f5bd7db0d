/* SPDX-License-Identifier: BSD-3-Clause */
/** @file progress.h  What the program is doing while it prints nothing else: after a few
 *  seconds a thread says it, with the time so far and, where the size of the work is
 *  known, the share done and the time left. On a terminal that is one line, rewritten
 *  every second; elsewhere a log line after 4, 8, 16, ... seconds, at most a minute
 *  apart, and one at the end.
 *
 *  Only rank 0 prints, and nothing while information is not printed (es_log_setup). Not
 *  collective. Activities nest; the innermost is shown. What an error leaves begun is
 *  ended by es_progress_unwind where work is begun that may fail. One thread calls. */
#ifndef ES_PROGRESS_H
#define ES_PROGRESS_H

/** Begin an activity, a noun phrase: "eigenpairs of Gamma (1200 x 1200)". */
void es_progress_begin(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** `done` of `total` units of the innermost activity are done; units take equally long.
 *  Nothing happens outside of any. */
void es_progress_at(double done, double total);
/** End the innermost activity. */
void es_progress_end(void);
/** How many activities are under way, for es_progress_unwind. */
int es_progress_depth(void);
/** End all activities but the outer `depth`; those that are given up log nothing. */
void es_progress_unwind(int depth);

#endif
