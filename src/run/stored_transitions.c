/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stored_transitions.c  The transition detector of a training run, fed with its
 *  file. */
#include "eigenstep/stored_transitions.h"

#include "eigenstep/mem.h"
#include "eigenstep/settings.h"

/* Collective. Pairs of the probe; files from before /spectrum:samples say only how many
 * were asked for. */
static es_status read_samples(es_h5 *f, int64_t *samples) {
  if (!es_h5_has_attr(f, "/spectrum", "samples")) return ES_OK;
  return es_h5_get_i64(f, "/spectrum", "samples", samples);
}

/* Collective. What the run followed: by its parameters. */
static es_status options_of(const es_comm *c, es_h5 *f, int modes,
                            es_transitions_options *o) {
  char *text = NULL;
  es_config *cfg = NULL;
  es_settings s;
  ES_TRY(es_traj_read_parameters(f, &text));
  es_status st = es_config_create(&cfg);
  if (st == ES_OK) st = es_config_read_text(cfg, text, "parameters of the trajectory");
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = es_settings_read(c, cfg, 1, &s);
  if (st == ES_OK) {
    int64_t samples = s.spectrum.probe;
    st = read_samples(f, &samples);
    const es_snapshot_options of = es_settings_snapshot(&s, samples);
    *o = es_snapshot_follows(&of, modes);
    es_settings_free(&s);
  }
  es_config_destroy(&cfg);
  es_free(&text);
  return st;
}

/* All rows into a detector, and its table. */
static es_status replay(const es_transitions_options *o, const es_traj_rows *r,
                        es_transition **rows) {
  es_transitions *detector = NULL;
  es_status st = es_transitions_create(o, &detector);
  for (int64_t i = 0; i < r->n && st == ES_OK; i++)
    st = es_transitions_add(detector, r->step[i], r->time[i], r->values + i * r->width);
  if (st == ES_OK) st = ES_NEW(o->modes, rows);
  if (st == ES_OK) es_transitions_table(detector, *rows);
  es_transitions_destroy(&detector);
  return st;
}

es_status es_stored_transitions(const es_comm *c, es_h5 *f, es_transition **rows,
                                int *n) {
  es_traj_rows r = {0};
  es_transitions_options o;
  ES_TRY(es_traj_read_followed(f, 0, &r));
  es_status st = options_of(c, f, (int) r.width, &o);
  if (st == ES_OK) st = replay(&o, &r, rows);
  if (st == ES_OK) *n = o.modes;
  es_traj_rows_free(&r);
  return es_comm_agree(c, st);
}
