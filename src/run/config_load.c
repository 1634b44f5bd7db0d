/* SPDX-License-Identifier: BSD-3-Clause */
/** @file config_load.c  Read RUN.ini on rank 0, apply the overrides, check every key. */
#include "eigenstep/config_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/folder_name.h"
#include "eigenstep/mem.h"

/* The whole file as a string. Rank 0 only. */
static es_status read_file(const char *path, char **text) {
  enum { MOST = 1 << 20 };
  FILE *f = fopen(path, "rb");
  ES_CHECK(f != NULL, ES_ECONFIG, "cannot open the input file '%s': %s", path,
           strerror(errno));
  char *t = NULL;
  es_status st;
  ES_TRY_GOTO(es_alloc(MOST + 1, "input file", (void **) &t), done);
  const size_t n = fread(t, 1, MOST + 1, f);
  ES_CHECK_GOTO(!ferror(f), ES_ECONFIG, done, "cannot read the input file '%s': %s", path,
                strerror(errno));
  ES_CHECK_GOTO(n <= MOST, ES_ECONFIG, done,
                "input file '%s': got more than 1 MiB, expected parameters", path);
  ES_CHECK_GOTO(strlen(t) == n, ES_ECONFIG, done,
                "input file '%s': got a zero byte at offset %zu, expected text", path,
                strlen(t));
  *text = t;
  t = NULL;
done:
  es_free(&t);
  fclose(f);
  return st;
}

es_status es_config_text_of(const es_comm *c, const char *path, char **text) {
  char *t = NULL;
  es_status st = c->rank == 0 ? read_file(path, &t) : ES_OK;
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  int64_t n = t != NULL ? (int64_t) strlen(t) + 1 : 0;
  es_comm_bcast(c, &n, sizeof n, 0);
  if (c->rank != 0) st = es_alloc((size_t) n, "input file", (void **) &t);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  es_comm_bcast(c, t, (size_t) n, 0);
  *text = t;
  t = NULL;
done:
  es_free(&t);
  return st;
}

static es_status fill(const es_job *job, const char *path, int argc, char *const *argv,
                      es_config *cfg) {
  if (strcmp(path, "-") != 0) {
    char *text = NULL;
    ES_TRY(es_config_text_of(job->comm, path, &text));
    const es_status st = es_config_read_text(cfg, text, path);
    es_free(&text);
    ES_TRY(st);
  }
  for (int i = 0; i < argc; i++) ES_TRY(es_config_set(cfg, argv[i]));
  return es_config_check(cfg, job->section, job->sections);
}

es_status es_config_load(const es_job *job, const char *path, int argc, char *const *argv,
                         es_config **out) {
  es_config *cfg = NULL;
  es_status st = es_comm_agree(job->comm, es_config_create(&cfg));
  if (st == ES_OK) st = es_comm_agree(job->comm, fill(job, path, argc, argv, cfg));
  if (st != ES_OK) {
    es_config_destroy(&cfg);
    return st;
  }
  *out = cfg;
  return ES_OK;
}

es_status es_config_run(const es_job *job, const char *name, int argc, char *const *argv,
                        es_status (*with)(const es_job *job, es_config *cfg)) {
  es_config *cfg = NULL;
  ES_CHECK(argc >= 1, ES_ECONFIG, "%s: got no input file, expected RUN.ini or '-'", name);
  ES_TRY(es_config_load(job, argv[0], argc - 1, argv + 1, &cfg));
  es_status st = es_folder_name(job->comm, cfg, name, argv[0]);
  if (st == ES_OK) st = with(job, cfg);
  es_config_destroy(&cfg);
  return st;
}
