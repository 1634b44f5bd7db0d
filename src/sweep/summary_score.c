/* SPDX-License-Identifier: BSD-3-Clause */
/** @file summary_score.c  How well the times of a run's modes were expected, as
 *  columns of the summary. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/traj_read.h"
#include "summary.h"

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Of a run: [n] expected times of its modes, and the last step to compare. */
typedef struct expected {
  const double *time;
  int n;
  double until;
} expected;

/* The median of |ln(measured / expected)| into a column; none where no mode has both. */
static void put_score(es_summary *s, int row, const char *name, expected by) {
  double error[ES_SUMMARY_MODES];
  int known = 0;
  for (int k = 0; k < by.n && k < ES_SUMMARY_MODES; k++) {
    const double x = fabs(log(es_summary_mode(s, row, ES_OF_TIME, k) / by.time[k]));
    if (es_summary_mode(s, row, ES_OF_STEP, k) > by.until) continue;
    if (isfinite(x)) error[known++] = x;
  }
  es_summary_series *const column = known > 0 ? es_summary_column(s, name) : NULL;
  if (column == NULL) return;
  qsort(error, (size_t) known, sizeof *error, ascending);
  column->value[row] = (error[(known - 1) / 2] + error[known / 2]) / 2;
}

static void put_known(es_summary *s, int row, const char *name, int q, double until) {
  double time[ES_SUMMARY_MODES];
  for (int k = 0; k < ES_SUMMARY_MODES; k++) time[k] = es_summary_mode(s, row, q, k);
  put_score(s, row, name, (expected){time, ES_SUMMARY_MODES, until});
}

void es_summary_score(const es_comm *self, const char *ntk, int row, double until,
                      es_summary *s) {
  es_h5 *f = NULL;
  double *time = NULL;
  int64_t n = 0;
  put_known(s, row, "score_start", ES_OF_PREDICTED, until);
  put_known(s, row, "score_forecast", ES_OF_FORECAST, until);
  if (access(ntk, R_OK) != 0 || es_traj_read_open(self, ntk, &f) != ES_OK) return;
  if (es_h5_exists(f, "/steps/time_kernel") &&
      es_traj_read_numbers(f, "/steps/time_kernel", &n, &time) == ES_OK)
    put_score(s, row, "score_kernel", (expected){time, (int) n, until});
  es_free(&time);
  (void) es_h5_close(&f);
}
