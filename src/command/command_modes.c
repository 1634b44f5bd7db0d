/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_modes.c  eigenstep modes: what the modes of a run are about. */
#include "eigenstep/command.h"
#include "eigenstep/mode_study.h"

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){.name = "modes",
                      .table = es_mode_study_table,
                      .doc = "meaning of the modes, eigenstep modes"};
  return 1;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG,
           "modes: got nothing, expected the output folder of train");
  return es_mode_study_run(job, argv[0], argc - 1, argv + 1);
}

const es_command_ops es_command_modes = {
    .name = "modes",
    .doc = "what the modes of a run are about: attributes of images and classes above a "
           "null, augmentations they do not notice, how useful they are, their extremes",
    .usage = "OUTDIR [section.key=value ...]",
    .sections = sections,
    .run = run};
