/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_spectrum.c  eigenstep spectrum FILE: covariance, eigenvalues and metrics
 *  of embeddings of any origin, of one or two views. */
#include "eigenstep/command.h"
#include <stdio.h>
#include <string.h>
#include "eigenstep/deadline.h"
#include "eigenstep/embedding_file.h"
#include "eigenstep/folder_name.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_folder.h"
#include "spectrum_print.h"

#define READS "output|run|spectrum"
#define EXPECTED "FILE.h5:/DATASET|FILE.npy|FILE.safetensors:NAME"

/* C of two views is that of losses which centre and do not normalise. */
static es_snapshot_options options(const es_embedding_rows *r) {
  return (es_snapshot_options){.dim = r->dim,
                               .samples = r->total,
                               .pairs = r->views == 2,
                               .center = true,
                               .of = ES_SNAPSHOT_FOREIGN};
}

static es_status analyse(const es_job *job, const es_spectrum_params *par,
                         es_run_folder *o, const es_embedding_rows *r) {
  const es_snapshot_options opt = options(r);
  const es_embedding e = {.views = r->views,
                          .d = r->dim,
                          .samples = r->total,
                          .n = r->n,
                          .row = r->number,
                          .z = r->z};
  es_grid *grid = NULL;
  es_snapshot *snap = NULL;
  es_status st;
  ES_TRY_GOTO(es_grid_create(job->comm, 0, &grid), done);
  ES_TRY_GOTO(es_snapshot_create(grid, o->traj, par, &opt, &snap), done);
  es_snapshot_set_stop(snap, &o->stop);
  es_progress_begin("spectrum and metrics of embeddings %d wide", r->dim);
  st = es_snapshot_take(snap, 0, 0, &e);
  if (st == ES_OK) st = es_snapshot_keep(snap, 0, 0, &e);
  es_progress_end();
  if (st == ES_OK) es_spectrum_print(snap, r);
done:
  es_snapshot_destroy(&snap);
  es_grid_destroy(&grid);
  return st;
}

static es_status choose_matrices(const es_config *cfg, const es_embedding_rows *r,
                                 es_spectrum_params *par) {
  const char *const given = es_config_given(cfg, "spectrum", "matrices");
  if (r->views == 2) return ES_OK;
  ES_CHECK(given == NULL || strcmp(given, "covariance") == 0, ES_ECONFIG,
           "spectrum.matrices: got '%s', expected covariance: one view is given", given);
  snprintf(par->matrices, sizeof par->matrices, "covariance");
  return ES_OK;
}

static es_status spectrum(const es_job *job, const char *address, es_config *cfg) {
  es_output_params output;
  es_spectrum_params par;
  es_embedding_rows r = {0};
  es_run_folder o = {0};
  es_stop stop = {.every = 1};
  ES_TRY(es_config_get(cfg, "output", es_output_table, NULL, sizeof output, &output));
  ES_TRY(es_config_get(cfg, "spectrum", es_spectrum_table, NULL, sizeof par, &par));
  ES_TRY(es_deadline_set(cfg, &stop));
  es_stop_install();
  ES_TRY(es_embedding_check(job->comm, address, (int) par.views));
  ES_TRY(es_run_folder_check(job, output.dir));
  es_progress_begin("reading %s", address);
  es_status st = es_embedding_read(job->comm, address, (int) par.views, &r);
  es_progress_end();
  const es_snapshot_options opt = options(&r);
  if (st == ES_OK) st = choose_matrices(cfg, &r, &par);
  if (st == ES_OK) st = es_snapshot_check(&par, &opt);
  if (st == ES_OK) es_spectrum_warn_of_memory(job->comm, &par, &opt, &r);
  if (st == ES_OK) st = es_run_folder_open(job, cfg, output.dir, &o);
  if (st == ES_OK) {
    o.stop.deadline = stop.deadline;
    st = analyse(job, &par, &o, &r);
    st = es_run_folder_close(job, &o, st, 0);
    if (st == ES_OK) es_print("wrote %s/trajectory.h5", output.dir);
  }
  es_embedding_free(&r);
  return st;
}

/* Keys of all sections are known; stored with the result are those that it reads. */
static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG, "spectrum: got nothing, expected " EXPECTED);
  es_section own[3];
  es_job narrow = *job;
  es_config *cfg = NULL;
  narrow.section = own;
  narrow.sections = es_command_pick(READS, job->section, job->sections, own, 3);
  ES_TRY(es_config_load(job, "-", argc - 1, argv + 1, &cfg));
  es_status st = es_folder_name(job->comm, cfg, "spectrum", argv[0]);
  if (st == ES_OK) st = spectrum(&narrow, argv[0], cfg);
  es_config_destroy(&cfg);
  return st;
}

const es_command_ops es_command_spectrum = {
    .name = "spectrum",
    .doc = "covariance spectrum and metrics of embeddings of any origin: one set, or two "
           "views as FILE.h5:/A,/B, A.npy,B.npy or [2, N, D]",
    .usage = EXPECTED " [section.key=value ...]",
    .reads = READS,
    .run = run};
