/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_views.c  eigenstep views: pairs of views as training gets them, to look
 *  at and to compare. */
#include "eigenstep/command.h"
#include "eigenstep/mem.h"
#include "eigenstep/views_file.h"

/* The default is as many as there are. */
static void fit_count(const es_config *cfg, const es_dataset *ds, es_views_params *v) {
  const int64_t left = ds->size - v->first;
  const bool given = es_config_given(cfg, "views", "count") != NULL;
  if (!given && !ds->endless && left > 0 && left < v->count) v->count = left;
}

static es_status views(const es_job *job, es_config *cfg) {
  es_settings s;
  es_views_params v;
  es_assembly *p = NULL;
  ES_TRY(es_config_get(cfg, "views", es_views_table, NULL, sizeof v, &v));
  ES_TRY(es_settings_read(job->comm, cfg, job->comm->size, &s));
  es_config_warn_unused(cfg, NULL);
  if (!v.normalized) es_augment_steps_drop_last(&s.selected.augment);
  es_status st = ES_COMM_NEW(job->comm, 1, &p);
  if (st == ES_OK) st = es_assembly_open_data(job->comm, &s, p);
  if (st == ES_OK) fit_count(cfg, p->input.data, &v);
  if (st == ES_OK) st = es_views_file_write(job, cfg, &s, p, &v);
  if (st == ES_OK)
    es_info("wrote %s: %lld pairs of views, %d x %d x %d, of %s", v.file,
            (long long) v.count, p->input.view.c, p->input.view.h, p->input.view.w,
            s.data.name);
  es_assembly_destroy(&p);
  es_settings_free(&s);
  return st;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  return es_config_run(job, "views", argc, argv, views);
}

static size_t sections(es_section *s, size_t max) {
  if (max < 1) return 0;
  s[0] = (es_section){
      .name = "views", .table = es_views_table, .doc = "what eigenstep views writes"};
  return 1;
}

const es_command_ops es_command_views = {
    .name = "views",
    .of_a_run = true,
    .doc = "write pairs of views, and their images, to look at",
    .usage = "RUN.ini [section.key=value ...]",
    .sections = sections,
    .run = run};
