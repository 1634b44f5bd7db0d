/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance_job.c  Facts about this job: start time, hosts, ranks, command line,
 *  environment. */
#include "provenance_private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/collective_error.h"

enum { HOST_BYTES = MPI_MAX_PROCESSOR_NAME };

static es_status add_number(es_facts *l, const char *key, int n) {
  char text[16];
  snprintf(text, sizeof text, "%d", n);
  return es_facts_add(l, key, text);
}

/* "node1*16 node2*16", in rank order. */
static es_status add_hosts(es_facts *l, const char *name, int size) {
  char *text = NULL;
  const size_t room = (size_t) size * (HOST_BYTES + 16);
  ES_TRY(es_alloc(room, "hosts", (void **) &text));
  size_t used = 0;
  for (int r = 0, first = 0; r < size; r++) {
    const char *host = name + (size_t) first * HOST_BYTES;
    if (r + 1 < size && !strcmp(host, name + (size_t) (r + 1) * HOST_BYTES)) continue;
    used += (size_t) snprintf(text + used, room - used, "%s%s*%d", first ? " " : "", host,
                              r + 1 - first);
    first = r + 1;
  }
  const es_status st = es_facts_add(l, "hosts", text);
  es_free(&text);
  return st;
}

/* The command line; arguments with spaces or shell characters are quoted. */
static es_status add_argv(es_facts *l, int argc, char *const *argv) {
  char *text = NULL;
  size_t room = 1;
  for (int i = 0; i < argc; i++) room += strlen(argv[i]) + 3;
  ES_TRY(es_alloc(room, "argv", (void **) &text));
  for (int i = 0; i < argc; i++) {
    const char *quote = strpbrk(argv[i], " \t*?[];$") ? "'" : "";
    const size_t used = strlen(text);
    snprintf(text + used, room - used, "%s%s%s%s", i ? " " : "", quote, argv[i], quote);
  }
  const es_status st = es_facts_add(l, "argv", text);
  es_free(&text);
  return st;
}

/* Environment variables of the scheduler and of thread libraries. */
static es_status add_environment(es_facts *l, char *const *envp) {
  static const char *const prefix[] = {"SLURM_", "OMP_", "OPENBLAS_", "ES_"};
  for (; envp && *envp; envp++) {
    const size_t len = strcspn(*envp, "=");
    bool matches = false;
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++) {
      matches = matches || !strncmp(*envp, prefix[i], strlen(prefix[i]));
    }
    char key[128];
    if (!matches || len >= sizeof key || (*envp)[len] != '=') continue;
    memcpy(key, *envp, len);
    key[len] = '\0';
    ES_TRY(es_facts_add(l, key, *envp + len + 1));
  }
  return ES_OK;
}

/* Rank 0: list the facts; host: [ranks, HOST_BYTES] host names. */
static es_status list_job(es_facts *l, const es_job *job, const char *host) {
  const time_t now = time(NULL);
  struct tm utc;
  char date[32] = "", folder[4096] = "";
  if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
  if (!getcwd(folder, sizeof folder)) folder[0] = '\0';
  ES_TRY(es_facts_add(l, "started", date));
  ES_TRY(add_hosts(l, host, job->comm->size));
  ES_TRY(add_number(l, "ranks", job->comm->size));
  ES_TRY(add_number(l, "nodes", job->comm->nodes));
  ES_TRY(es_facts_add(l, "folder", folder));
  ES_TRY(add_argv(l, job->argc, job->argv));
  return add_environment(l, job->envp);
}

es_status es_facts_job(es_facts *l, const es_job *job) {
  const es_comm *const c = job->comm;
  char mine[HOST_BYTES] = "", *all = NULL;
  int len = 0;
  es_collective_error n = {0};
  MPI_Get_processor_name(mine, &len);
  if (es_alloc_n((size_t) c->size, HOST_BYTES, "host names", (void **) &all) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for host names");
  }
  es_status st = es_collective_error_agree(c, &n);
  if (st == ES_OK) st = es_comm_allgather(c, mine, 1, HOST_BYTES, all);
  if (st == ES_OK && c->rank == 0 && list_job(l, job, all) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM,
                            "out of memory while listing the facts of the job");
  }
  if (st == ES_OK) st = es_collective_error_agree(c, &n);
  if (st == ES_OK) st = es_facts_share(l, c);
  es_free(&all);
  return st;
}
