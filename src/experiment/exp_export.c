/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_export.c  eigenstep export: the last checkpoint of a run as safetensors,
 *  under torchvision's names. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/version.h"
#include "pipeline.h"

/* Only the model: a walk of the parameters alone reads what it needs from the
 * checkpoint. */
static es_status walk_model(void *params, es_visitor *v) {
  return es_params_visit(params, v);
}

/* Network as the run had it, but for one image: exporting needs no activations. */
static es_status build(const es_job *job, es_config *cfg, es_backend *b, es_net **net) {
  es_settings s;
  es_pipeline data = {0};
  ES_TRY(es_settings_read(cfg, 1, &s));
  /* The input's shape, which follows from the views, fixes the first layer of mlp and
   * linear encoders. */
  es_status st = es_pipeline_open_data(job->comm, cfg, &s, &data);
  const es_net_options o = {.max_n = 1};
  if (st == ES_OK) {
    st = es_model_build(b, &o, data.view, &s.encoder, &s.projector, &s.init, net, NULL);
  }
  es_augment_destroy(&data.augment);
  es_dataset_close(&data.held_out);
  es_dataset_close(&data.data);
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
  ES_TRY_GOTO(build(job, cfg, b, &net), done);
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

const es_experiment_ops es_experiment_export = {
    .name = "export",
    .doc = "write a run's last checkpoint as safetensors with torchvision's names",
    .usage = "OUTDIR FILE.safetensors",
    .run = run};
