/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_spectrum.c  eigenstep spectrum FILE.h5:/DATASET: covariance,
 *  eigenvalues and metrics of embeddings of any origin. */
#include "eigenstep/command.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/embedding_file.h"
#include "eigenstep/mem.h"
#include "eigenstep/metric.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/settings.h"

static void print_result(const es_snapshot *s, const es_embedding_rows *r) {
  int k = 0;
  const double *w = es_snapshot_values(s, &k);
  es_print("%lld samples of %d dimensions; covariance eigenvalues (ddof 1):",
           (long long) r->total, r->dim);
  for (int i = 0; i < k && i < 16; i++) es_print("%6d %16.9e", i + 1, w[i]);
  if (k > 16) es_print("       ... %d more in trajectory.h5", k - 16);
  double trace = 0;
  for (int i = 0; i < k; i++) trace += w[i];
  if (k == r->dim)
    es_print("a flat spectrum of this trace would show %.4g to %.4g (Marchenko-Pastur)",
             es_metric_mp_lower(trace / k, k, r->total),
             es_metric_mp_upper(trace / k, k, r->total));
  const es_metric_ops *const *list;
  const size_t n = es_metric_list(&list);
  for (size_t i = 0; i < n; i++) {
    if (list[i]->on_request) continue;
    const double v = es_snapshot_metric(s, list[i]->name);
    if (isfinite(v))
      es_print("%-22s %14.6g  %s", list[i]->name, v, list[i]->doc);
    else
      es_print("%-22s %14s  %s", list[i]->name, "-", list[i]->doc);
  }
}

/* Before anything is allocated: what it takes, where that is more than there is. */
static void warn_of_memory(const es_comm *c, const es_spectrum_params *par,
                           const es_embedding_rows *r) {
  const es_snapshot_options opt = {.dim = r->dim, .samples = r->total};
  const double need = (double) es_snapshot_bytes(par, &opt, c->size) * c->node_size;
  const double have = es_mem_available();
  if (have > 0 && need > have)
    es_warn(
        "%lld samples of %d values take about %.1f GB on a node of %d ranks, of which "
        "%.1f GB are free: use more nodes, fewer columns, or fewer rows than columns",
        (long long) r->total, r->dim, 1e-9 * need, c->node_size, 1e-9 * have);
}

static es_status analyse(const es_job *job, const es_spectrum_params *par,
                         es_run_folder *o, const es_embedding_rows *r) {
  const es_snapshot_options opt = {.dim = r->dim, .samples = r->total, .pairs = false};
  const es_embedding e = {.views = 1,
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
  ES_TRY_GOTO(es_snapshot_take(snap, 0, 0, &e), done);
  print_result(snap, r);
done:
  es_snapshot_destroy(&snap);
  es_grid_destroy(&grid);
  return st;
}

static es_status spectrum(const es_job *job, const char *address, es_config *cfg) {
  es_output_params output;
  es_spectrum_params par;
  es_embedding_rows r = {0};
  es_run_folder o = {0};
  ES_TRY(es_config_get(cfg, "output", es_output_table, NULL, sizeof output, &output));
  ES_TRY(es_config_get(cfg, "spectrum", es_spectrum_table, NULL, sizeof par, &par));
  const char *matrices = es_config_given(cfg, "spectrum", "matrices");
  ES_CHECK(
      matrices == NULL || strcmp(matrices, "covariance") == 0, ES_ECONFIG,
      "spectrum.matrices: got '%s', expected covariance: one set of embeddings has no "
      "second view",
      matrices);
  ES_TRY(es_run_folder_check(job, output.dir));
  es_status st = es_embedding_read(job->comm, address, &r);
  const es_snapshot_options opt = {.dim = r.dim, .samples = r.total};
  snprintf(par.matrices, sizeof par.matrices, "covariance");
  if (st == ES_OK) st = es_snapshot_check(&par, &opt);
  if (st == ES_OK) warn_of_memory(job->comm, &par, &r);
  if (st == ES_OK) st = es_run_folder_open(job, cfg, output.dir, &o);
  if (st == ES_OK) {
    st = analyse(job, &par, &o, &r);
    st = es_run_folder_close(job, &o, st, 0);
  }
  es_embedding_free(&r);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG, "spectrum: got nothing, expected FILE.h5:/DATASET");
  es_config *cfg = NULL;
  ES_TRY(es_config_load(job, "-", argc - 1, argv + 1, &cfg));
  const es_status st = spectrum(job, argv[0], cfg);
  es_config_destroy(&cfg);
  return st;
}

const es_command_ops es_command_spectrum = {
    .name = "spectrum",
    .doc = "covariance spectrum and metrics of embeddings in an HDF5 file",
    .usage = "FILE.h5:/DATASET [section.key=value ...]",
    .run = run};
