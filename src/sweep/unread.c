/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unread.c  Overrides of a sweep that none of its runs reads. */
#include "unread.h"

#include <string.h>
#include "eigenstep/kernel_machine.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/mem.h"
#include "eigenstep/settings.h"
#include "plan.h"

/* An override, and whether a run leaves it unread. */
typedef struct override {
  const char *key;
  size_t length;
  bool unread;
} override;

static void compare(void *ctx, const char *key, const char *value) {
  override *const o = ctx;
  (void) value;
  if (strlen(key) == o->length && strncmp(key, o->key, o->length) == 0) o->unread = true;
}

/* Read all that the swept command reads. */
static es_status read_as(int command, const es_comm *self, int ranks, es_config *cfg) {
  es_settings s;
  if (command == ES_SWEEP_LINEAR) return es_linear_model_reads(cfg);
  if (command == ES_SWEEP_KERNEL) return es_kernel_machine_reads(cfg);
  ES_TRY(es_settings_read(self, cfg, ranks, &s));
  es_settings_free(&s);
  return ES_OK;
}

/* Does run r leave it unread? What cannot be read is told when it runs. */
static bool leaves_unread(const es_comm *self, const es_sweep_spec *s,
                          const es_sweep_run *r, override *o) {
  es_config *cfg = NULL;
  es_status st = es_sweep_config(s, r, &cfg);
  o->unread = false;
  if (st == ES_OK) st = read_as(s->par.command, self, (int) s->par.ranks, cfg);
  if (st == ES_OK) es_config_unused(cfg, compare, o);
  es_config_destroy(&cfg);
  return o->unread;
}

static void look(const es_comm *self, const es_sweep_spec *s, const es_sweep_plan *p,
                 override *o) {
  bool unread = p->n > 0;
  const es_log_scope before = es_log_enter(0);
  for (int i = 0; i < p->n && unread; i++) unread = leaves_unread(self, s, &p->run[i], o);
  es_log_leave(before);
  if (unread)
    es_warn("%.*s has no effect: none of the runs of 'eigenstep %s' reads it",
            (int) o->length, o->key, es_sweep_commands[s->par.command]);
}

es_status es_sweep_warn_unread(const es_job *job, const es_sweep_options *options,
                               const es_sweep_spec *s, const es_sweep_plan *p) {
  es_comm *self = NULL;
  const es_status made = es_comm_create_part(job->comm, MPI_COMM_SELF, &self);
  es_status st = es_comm_agree(job->comm, made);
  for (int i = 0; i < options->argc && job->comm->rank == 0 && st == ES_OK; i++) {
    const size_t length = strcspn(options->argv[i], "=");
    override o = {.key = options->argv[i], .length = length};
    const bool of_runs = memchr(o.key, '.', length) != NULL &&
                         strncmp(o.key, "sweep.", 6) != 0 &&
                         strncmp(o.key, "output.", 7) != 0;
    if (of_runs) look(self, s, p, &o);
  }
  if (self != NULL) es_comm_destroy(&self);
  return st;
}
