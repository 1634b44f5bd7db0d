/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_export.c  eigenstep export: a checkpoint of a run as safetensors, under
 *  torchvision's names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/command.h"
#include "eigenstep/reopen.h"
#include "eigenstep/version.h"

static es_status write_file(const es_comm *c, const es_reopened *r, const char *path) {
  char step_text[32], time_text[32];
  snprintf(step_text, sizeof step_text, "%lld", (long long) r->step);
  snprintf(time_text, sizeof time_text, "%.17g", r->time);
  const char *const meta[][2] = {{"format", "pt"},          {"software", "eigenstep"},
                                 {"version", es_version()}, {"step", step_text},
                                 {"time", time_text},       {"parameters", r->text}};
  es_status st = ES_OK;
  if (c->rank == 0) {
    st = es_model_export(es_net_params(r->parts->model.net), path, meta,
                         sizeof meta / sizeof meta[0]);
  }
  return es_comm_agree(c, st);
}

static es_status parse_step(const char *text, int64_t *step) {
  char *end = NULL;
  errno = 0;
  const long long n = strtoll(text, &end, 10);
  ES_CHECK(errno == 0 && end != text && *end == '\0' && n >= 0, ES_ECONFIG,
           "export: got step '%s', expected a whole number", text);
  *step = n;
  return ES_OK;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  es_reopened *r = NULL;
  ES_CHECK(argc == 2 || argc == 3, ES_ECONFIG,
           "export: got %d arguments, expected OUTDIR FILE.safetensors [STEP]", argc);
  const size_t length = strlen(argv[1]), ending = strlen(".safetensors");
  ES_CHECK(length > ending && strcmp(argv[1] + length - ending, ".safetensors") == 0,
           ES_ECONFIG,
           "export: got the file '%s', expected FILE.safetensors: the format that is "
           "written, which safetensors.torch.load_file reads",
           argv[1]);
  es_reopen_options from = {.dir = argv[0], .step = ES_REOPEN_LATEST, .backend = "blas"};
  if (argc == 3) ES_TRY(parse_step(argv[2], &from.step));
  ES_TRY(es_reopen(job, &from, ES_REOPEN_NET, &r));
  const es_status st = write_file(job->comm, r, argv[1]);
  if (st == ES_OK)
    es_info("wrote %s: step %lld of %s", argv[1], (long long) r->step, argv[0]);
  es_reopen_close(&r);
  return st;
}

const es_command_ops es_command_export = {
    .name = "export",
    .doc = "write a run's last checkpoint, or that of STEP, as safetensors with "
           "torchvision's names",
    .usage = "OUTDIR FILE.safetensors [STEP]",
    .run = run};
