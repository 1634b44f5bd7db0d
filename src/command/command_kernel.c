/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_kernel.c  eigenstep kernel: a kernel machine, solved and simulated. */
#include "eigenstep/command.h"
#include "eigenstep/config_load.h"
#include "eigenstep/kernel.h"
#include "eigenstep/kernel_machine.h"

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){
      .name = "kernel", .table = es_kernel_table, .doc = "model of eigenstep kernel"};
  return 1 + es_kernel_sections(s + 1, max - 1);
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  return es_config_run(job, "kernel", argc, argv, es_kernel_machine_run);
}

const es_command_ops es_command_kernel = {
    .name = "kernel",
    .of_a_run = true,
    .doc = "simulate a kernel machine and compare it with its exact solution",
    .usage = "RUN.ini [section.key=value ...]",
    .sections = sections,
    .run = run};
