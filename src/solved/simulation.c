/* SPDX-License-Identifier: BSD-3-Clause */
/** @file simulation.c  A simulation in its output folder. */
#include "simulation.h"

#include "eigenstep/progress.h"

es_status es_simulation_run(const es_job *job, es_config *cfg, const char *dir,
                            const es_simulation *s) {
  es_run_folder folder = {0};
  ES_TRY(es_run_folder_open(job, cfg, dir, &folder));
  es_status st = s->declare(s->model, folder.traj);
  es_progress_begin("simulation of %lld steps", (long long) s->steps);
  if (st == ES_OK) st = s->simulate(s->model, &folder);
  es_progress_end();
  if (st == ES_STOPPED) es_run_folder_say_stopped(&folder, *s->reached, s->steps);
  if (st == ES_OK || (st == ES_STOPPED && !s->whole)) {
    const es_status written = s->report(s->model, folder.traj);
    if (written != ES_OK) st = written;
  }
  return es_run_folder_close(job, &folder, st, *s->reached);
}
