/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance.c  Provenance: facts about code and job, written to the terminal,
 *  text files and HDF5.
 *
 *  Root attributes are named as in openPMD (software, softwareVersion, ...). */
#include "eigenstep/provenance.h"

#include <hdf5.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/version.h"
#include "eigenstep/collective_error.h"
#include "provenance_private.h"

/* Defined by OpenBLAS only. */
char *openblas_get_config(void) __attribute__((weak));
char *openblas_get_corename(void) __attribute__((weak));
int openblas_get_num_threads(void) __attribute__((weak));

static void describe_mpi(char *text, size_t size) {
  char all[MPI_MAX_LIBRARY_VERSION_STRING];
  int len = 0;
  MPI_Get_library_version(all, &len);
  all[strcspn(all, "\n,")] = '\0';
  snprintf(text, size, "%s", all);
}

static void describe_hdf5(char *text, size_t size) {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  snprintf(text, size, "HDF5 %u.%u.%u", major, minor, release);
}

static void describe_blas(char *text, size_t size) {
  if (openblas_get_config && openblas_get_corename && openblas_get_num_threads) {
    snprintf(text, size, "%s; running as %s, threads %d", openblas_get_config(),
             openblas_get_corename(), openblas_get_num_threads());
  } else {
    snprintf(text, size, "not OpenBLAS");
  }
}

/* Build facts and run-time versions of libraries. Not collective. */
static es_status list_code(es_facts *l) {
  const es_fact *fact;
  const int n = es_version_facts(&fact);
  char text[512];
  for (int i = 0; i < n; i++) ES_TRY(es_facts_add(l, fact[i].key, fact[i].value));
  describe_mpi(text, sizeof text);
  ES_TRY(es_facts_add(l, "mpi", text));
  describe_hdf5(text, sizeof text);
  ES_TRY(es_facts_add(l, "hdf5", text));
  describe_blas(text, sizeof text);
  return es_facts_add(l, "blas", text);
}

void es_provenance_code(FILE *out) {
  es_facts l = {0};
  if (list_code(&l) == ES_OK) es_facts_print(&l, out);
  es_facts_clear(&l);
}

es_status es_provenance_job(const es_job *job, FILE *out) {
  es_facts l = {0};
  const es_status st = es_facts_job(&l, job);
  if (st == ES_OK && out) es_facts_print(&l, out);
  es_facts_clear(&l);
  return st;
}

/* Collective. Write each fact as an attribute of group `path`. */
static es_status write_facts(es_h5 *f, const char *path, const char *description,
                             const es_facts *l) {
  const char *value = NULL;
  ES_TRY(es_h5_group(f, path, description));
  for (const char *key = es_facts_next(l, NULL, &value); key;
       key = es_facts_next(l, key, &value)) {
    ES_TRY(es_h5_attr_string(f, path, key, value));
  }
  return ES_OK;
}

/* Collective. */
static es_status write_code(es_h5 *f, const es_comm *c) {
  es_facts l = {0};
  es_collective_error n = {0};
  if (c->rank == 0 && list_code(&l) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM, "out of memory while listing the build facts");
  }
  es_status st = es_collective_error_agree(c, &n);
  if (st == ES_OK) st = es_facts_share(&l, c);
  if (st == ES_OK)
    st = write_facts(f, "/code",
                     "program that wrote this file: version, build, libraries", &l);
  es_facts_clear(&l);
  return st;
}

/* Collective. /environment, and the root attributes date and machine. */
static es_status write_job(es_h5 *f, const es_job *job) {
  es_facts l = {0};
  const char *value = NULL;
  es_status st = es_facts_job(&l, job);
  if (st == ES_OK)
    st = write_facts(
        f, "/environment",
        "job that wrote this file: start time, hosts, ranks, command line, environment",
        &l);
  for (const char *key = es_facts_next(&l, NULL, &value); key && st == ES_OK;
       key = es_facts_next(&l, key, &value)) {
    if (!strcmp(key, "started")) st = es_h5_attr_string(f, "/", "date", value);
    if (!strcmp(key, "hosts")) st = es_h5_attr_string(f, "/", "machine", value);
  }
  es_facts_clear(&l);
  return st;
}

/* Collective. */
static es_status write_root(es_h5 *f) {
  char mpi[256], hdf5[64], both[330];
  describe_mpi(mpi, sizeof mpi);
  describe_hdf5(hdf5, sizeof hdf5);
  snprintf(both, sizeof both, "%s;%s", mpi, hdf5);
  const int64_t version[2] = {ES_SCHEMA_MAJOR, ES_SCHEMA_MINOR};
  ES_TRY(es_h5_attr_string(f, "/", "software", "eigenstep"));
  ES_TRY(es_h5_attr_string(f, "/", "softwareVersion", es_version()));
  ES_TRY(es_h5_attr_string(f, "/", "softwareDependencies", both));
  ES_TRY(es_h5_group(f, "/schema", "version of the layout of this file: major, minor"));
  return es_h5_attr_i64s(f, "/schema", "version", 2, version);
}

typedef struct parameters {
  es_h5 *file;
  es_status status;
} parameters;

static void write_parameter(void *ctx, const char *key, const char *value) {
  parameters *p = ctx;
  if (p->status != ES_OK) return;
  p->status = es_h5_attr_string(p->file, "/parameters", key, value ? value : "");
}

/* Collective. */
static es_status write_parameters(es_h5 *f, const es_job *job, const es_config *cfg) {
  char *text = NULL;
  es_collective_error note = {0};
  parameters p = {f, ES_OK};
  ES_TRY(es_h5_group(f, "/parameters",
                     "effective parameters: one attribute per key, and run.ini as text"));
  es_config_each(cfg, job->section, job->sections, write_parameter, &p);
  ES_TRY(p.status);
  if (es_config_text(cfg, job->section, job->sections, false, &text) != ES_OK) {
    es_collective_error_set(&note, ES_ENOMEM,
                            "out of memory while writing the parameters as text");
  }
  es_status st = es_collective_error_agree(job->comm, &note);
  if (st == ES_OK) {
    st = es_h5_text(f, "/parameters/text", text, "effective run.ini, can be run again");
  }
  es_free(&text);
  return st;
}

es_status es_provenance_h5(es_h5 *f, const es_job *job, const es_config *cfg) {
  ES_TRY(write_root(f));
  ES_TRY(write_code(f, job->comm));
  ES_TRY(write_job(f, job));
  return write_parameters(f, job, cfg);
}
