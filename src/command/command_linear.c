/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_linear.c  eigenstep linear: a linear model, solved and simulated. */
#include "eigenstep/command.h"
#include "eigenstep/config_load.h"
#include "eigenstep/linear_model.h"

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){
      .name = "linear", .table = es_linear_table, .doc = "model of eigenstep linear"};
  return 1;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  return es_config_run(job, "linear", argc, argv, es_linear_model_run);
}

const es_command_ops es_command_linear = {
    .name = "linear",
    .of_a_run = true,
    .doc = "simulate a linear model and compare it with its exact solution",
    .usage = "RUN.ini [section.key=value ...]",
    .sections = sections,
    .run = run};
