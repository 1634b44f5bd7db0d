/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_train.c  eigenstep train: images -> embeddings -> spectrum over time. */
#include "eigenstep/command.h"
#include "training_run.h"

static es_status train(const es_job *job, es_config *cfg) {
  es_settings s;
  es_assembly *p = NULL;
  es_run_folder o = {.lock = -1};
  ES_TRY(es_settings_read(job->comm, cfg, job->comm->size, &s));
  es_status st = es_run_folder_check(job, s.output.dir);
  if (st == ES_OK) st = es_assembly_create(job->comm, &s, &p);
  if (st == ES_OK) st = es_training_run(job, cfg, &s, p, false, &o);
  es_assembly_destroy(&p);
  es_settings_free(&s);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  return es_config_run(job, "train", argc, argv, train);
}

const es_command_ops es_command_train = {
    .name = "train",
    .of_a_run = true,
    .doc = "train an encoder and record its embedding spectrum over time",
    .usage = "RUN.ini [section.key=value ...]",
    .run = run};
