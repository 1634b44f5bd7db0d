/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_ntk.c  eigenstep ntk: the tangent kernel of a run, and what it predicts.
 */
#include "eigenstep/command.h"
#include "eigenstep/ntk.h"

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){
      .name = "ntk", .table = es_ntk_table, .doc = "tangent kernel of eigenstep ntk"};
  return 1;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG,
           "ntk: got nothing, expected the output folder of train");
  return es_ntk_run(job, argv[0], argc - 1, argv + 1);
}

const es_command_ops es_command_ntk = {
    .name = "ntk",
    .doc = "the tangent kernel of a run's network, and how far its embeddings are what "
           "that kernel predicts",
    .usage = "OUTDIR [section.key=value ...]",
    .sections = sections,
    .run = run};
