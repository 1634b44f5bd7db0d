/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_spectrum.c  eigenstep spectrum FILE.h5:/DATASET: covariance,
 *  eigenvalues and
 *  metrics of anybody's embeddings, read in parallel, each rank its rows. */
#include "eigenstep/command.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/metric.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/settings.h"

/* This rank's rows of the embeddings. */
typedef struct rows {
  int64_t total, first, n;
  int dim;
  double *z;       /* [n, dim] owned */
  int64_t *number; /* [n] owned */
} rows;

/* "FILE.h5:/DATASET" -> file and dataset. */
static es_status split_address(const char *address, es_string file, const char **set) {
  const char *colon = strrchr(address, ':');
  ES_CHECK(colon != NULL && colon[1] == '/' && colon != address, ES_ECONFIG,
           "spectrum: got '%s', expected FILE.h5:/DATASET", address);
  const size_t n = (size_t) (colon - address);
  ES_CHECK(n < sizeof(es_string), ES_ECONFIG, "spectrum: the file's name is too long");
  memcpy(file, address, n);
  file[n] = '\0';
  *set = colon + 1;
  return ES_OK;
}

static es_status check_shape(const es_h5_info *info, const char *set) {
  ES_CHECK(info->ndim >= 2, ES_EFORMAT,
           "%s: got %d dimensions, expected [samples, embedding width]", set, info->ndim);
  int64_t dim = 1;
  for (int i = 1; i < info->ndim && dim > 0 && dim <= 1000000; i++) {
    dim = info->dim[i] <= 1000000 ? dim * info->dim[i] : info->dim[i];
  }
  ES_CHECK(info->dim[0] >= 2 && info->dim[0] < INT64_C(1) << 40 && dim >= 1 &&
               dim <= 1000000,
           ES_EFORMAT,
           "%s: got %lld samples of %lld values, expected at least 2 (and fewer than "
           "2^40) samples of 1 to 10^6",
           set, (long long) info->dim[0], (long long) dim);
  return ES_OK;
}

static es_status read_rows(const es_comm *c, const char *address, rows *r) {
  es_string file;
  const char *set = NULL;
  es_h5 *f = NULL;
  es_h5_info info;
  es_status st;
  ES_TRY(split_address(address, file, &set));
  ES_TRY(es_h5_open(c, file, false, &f));
  ES_TRY_GOTO(es_h5_stat(f, set, &info), done);
  ES_TRY_GOTO(check_shape(&info, set), done);
  r->total = info.dim[0];
  r->dim = 1;
  for (int i = 1; i < info.ndim; i++) r->dim *= (int) info.dim[i];
  if (info.ndim > 2)
    es_info("%s has %d dimensions: all but the first are one, of %d values", set,
            info.ndim, r->dim);
  es_comm_local_range(c, r->total, &r->first, &r->n);
  st = ES_NEW((size_t) r->n * (size_t) r->dim, &r->z);
  if (st == ES_OK) st = ES_NEW(r->n, &r->number);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  for (int64_t i = 0; i < r->n; i++) r->number[i] = r->first + i;
  st = es_h5_read_rows(f, set, ES_H5_F64, r->first, r->n, r->z);
done:;
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

static void print_result(const es_snapshot *s, const rows *r) {
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

static es_status analyse(const es_job *job, const es_settings *s, es_run_folder *o,
                         rows *r) {
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
  ES_TRY_GOTO(es_snapshot_create(grid, o->traj, &s->spectrum, &opt, &snap), done);
  ES_TRY_GOTO(es_snapshot_take(snap, 0, 0, &e), done);
  print_result(snap, r);
done:
  es_snapshot_destroy(&snap);
  es_grid_destroy(&grid);
  return st;
}

static es_status spectrum(const es_job *job, const char *address, es_config *cfg) {
  es_settings s;
  rows r = {0};
  es_run_folder o = {0};
  ES_TRY(es_config_get(cfg, "output", es_output_table, NULL, sizeof s.output, &s.output));
  ES_TRY(es_config_get(cfg, "spectrum", es_spectrum_table, NULL, sizeof s.spectrum,
                       &s.spectrum));
  const char *matrices = es_config_given(cfg, "spectrum", "matrices");
  ES_CHECK(
      matrices == NULL || strcmp(matrices, "covariance") == 0, ES_ECONFIG,
      "spectrum.matrices: got '%s', expected covariance: one set of embeddings has no "
      "second view",
      matrices);
  ES_TRY(es_run_folder_check(job, s.output.dir));
  es_status st = read_rows(job->comm, address, &r);
  const es_snapshot_options opt = {.dim = r.dim, .samples = r.total};
  snprintf(s.spectrum.matrices, sizeof s.spectrum.matrices, "covariance");
  if (st == ES_OK) st = es_snapshot_check(&s.spectrum, &opt);
  if (st == ES_OK) st = es_run_folder_open(job, cfg, s.output.dir, &o);
  if (st == ES_OK) {
    st = analyse(job, &s, &o, &r);
    st = es_run_folder_close(job, &o, st, 0);
  }
  es_free(&r.z);
  es_free(&r.number);
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
