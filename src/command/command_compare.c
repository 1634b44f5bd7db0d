/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_compare.c  eigenstep compare: embeddings of runs and files, each with
 *  each. */
#include "eigenstep/command.h"
#include "eigenstep/compare_runs.h"

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){.name = "compare",
                      .table = es_compare_table,
                      .doc = "what eigenstep compare measures"};
  return 1;
}

const es_command_ops es_command_compare = {
    .name = "compare",
    .doc = "how alike embeddings are: of runs, of their checkpoints, of files",
    .usage = "DIR[@STEP|@first|@all|@ntk]|FILE ... [section.key=value ...]",
    .sections = sections,
    .reads = "output|run",
    .run = es_compare_runs};
