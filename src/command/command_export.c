/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_export.c  eigenstep export: the last checkpoint of a run as safetensors,
 *  under torchvision's names. */
#include "eigenstep/command.h"
#include <stdio.h>
#include <string.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/version.h"
#include "eigenstep/settings.h"

/* Walks of parts of a checkpoint: what is not visited is not read. */
static es_status walk_model(void *params, es_visitor *v) {
  return es_params_visit(params, v);
}

static es_status walk_view(void *view, es_visitor *v) {
  return es_train_visit_view(view, v);
}

/* Network as the run had it, but for one image: exporting needs no activations, and no
 * data. */
static es_status build(const es_job *job, es_config *cfg, const char *checkpoint,
                       es_backend *b, es_net **net) {
  es_settings s;
  int64_t view[3] = {0, 0, 0};
  const es_net_options o = {.max_n = 1};
  ES_TRY(es_settings_read(cfg, 1, &s));
  es_status st = es_ckpt_read(job->comm, checkpoint, walk_view, view, NULL, NULL);
  const es_shape shape = {(int) view[0], (int) view[1], (int) view[2]};
  const es_model_desc m = es_settings_model(&s, shape);
  if (st == ES_OK) st = es_model_build(b, &o, &m, net, NULL);
  es_settings_free(&s);
  return es_comm_agree(job->comm, st);
}

static es_status write_file(const es_job *job, const es_net *net, const char *path,
                            int64_t step, double time, const char *text) {
  char step_text[32], time_text[32];
  snprintf(step_text, sizeof step_text, "%lld", (long long) step);
  snprintf(time_text, sizeof time_text, "%.17g", time);
  const char *const meta[][2] = {{"format", "pt"},          {"software", "eigenstep"},
                                 {"version", es_version()}, {"step", step_text},
                                 {"time", time_text},       {"parameters", text}};
  es_status st = ES_OK;
  if (job->comm->rank == 0) {
    st = es_model_export(es_net_params((es_net *) net), path, meta,
                         sizeof meta / sizeof meta[0]);
  }
  return es_comm_agree(job->comm, st);
}

static es_status export_run(const es_job *job, const char *dir, const char *file) {
  char path[1200], ini[1200], ckpt[1200];
  int64_t step = 0;
  double time = 0;
  char *text = NULL;
  es_config *cfg = NULL;
  es_backend *b = NULL;
  es_net *net = NULL;
  es_status st;
  snprintf(ini, sizeof ini, "%s/run.ini", dir);
  snprintf(ckpt, sizeof ckpt, "%s/ckpt", dir);
  ES_TRY(es_ckpt_latest(job->comm, ckpt, path, &step));
  ES_TRY(es_config_load(job, ini, 0, NULL, &cfg));
  ES_TRY_GOTO(es_backend_open("blas", job->comm, 1, &b), done);
  ES_TRY_GOTO(build(job, cfg, path, b, &net), done);
  ES_TRY_GOTO(es_ckpt_read(job->comm, path, walk_model, es_net_params(net), &time, &text),
              done);
  ES_TRY_GOTO(write_file(job, net, file, step, time, text), done);
  es_info("wrote %s: step %lld of %s", file, (long long) step, dir);
done:
  es_free(&text);
  es_net_destroy(&net);
  es_backend_close(&b);
  es_config_destroy(&cfg);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc == 2, ES_ECONFIG,
           "export: got %d arguments, expected OUTDIR FILE.safetensors", argc);
  return export_run(job, argv[0], argv[1]);
}

const es_command_ops es_command_export = {
    .name = "export",
    .doc = "write a run's last checkpoint as safetensors with torchvision's names",
    .usage = "OUTDIR FILE.safetensors",
    .run = run};
