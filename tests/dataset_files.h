/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_files.h  Temporary folders with small data sets. Needs _XOPEN_SOURCE
 * 700. */
#ifndef ES_TESTS_DATASET_FILES_H
#define ES_TESTS_DATASET_FILES_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "eigenstep/data.h"
#include "eigenstep/mem.h"

/** A new empty folder; remove it with files_clear. */
static inline void files_make(char folder[64]) {
  strcpy(folder, "/tmp/eigenstep-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
}

static inline int files_remove(const char *path, const struct stat *info, int type,
                               struct FTW *ftw) {
  (void) info;
  (void) type;
  (void) ftw;
  return remove(path);
}

/** Remove a folder and what is in it. */
static inline void files_clear(const char *folder) {
  assert_int_equal(nftw(folder, files_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void files_write(const char *folder, const char *name, const void *bytes,
                               size_t n) {
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static inline es_data_params files_params(const char *name, const char *path) {
  es_config *cfg;
  es_data_params p;
  assert_int_equal(es_config_create(&cfg), ES_OK);
  assert_int_equal(es_config_get(cfg, "data", es_data_table, NULL, sizeof p, &p), ES_OK);
  es_config_destroy(&cfg);
  snprintf(p.name, sizeof p.name, "%s", name);
  snprintf(p.path, sizeof p.path, "%s", path);
  return p;
}

/** The folder `name` of real data, or NULL: in EIGENSTEP_DATA, else in ../shared/data
 *  beside the sources. */
static inline const char *files_real(const char *name) {
  static char path[1024];
  const char *base = getenv("EIGENSTEP_DATA"), *srcdir = getenv("srcdir");
  if (base != NULL)
    snprintf(path, sizeof path, "%s/%s", base, name);
  else
    snprintf(path, sizeof path, "%s/../shared/data/%s", srcdir != NULL ? srcdir : ".",
             name);
  return access(path, R_OK) == 0 ? path : NULL;
}

#endif
