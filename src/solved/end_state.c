/* SPDX-License-Identifier: BSD-3-Clause */
/** @file end_state.c  The end of a simulation against its prediction. */
#include "end_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/compare.h"
#include "eigenstep/mem.h"

/* One row of both. */
static es_status write_row(const es_theory_end *e, const es_end_matrix *m) {
  const es_traj_field field[] = {
      ES_TRAJ_MATRIX("measured", e->d, "output", m->n, m->axis, "1", "as simulated"),
      ES_TRAJ_MATRIX("predicted", e->d, "output", m->n, m->axis, "1", "as predicted")};
  const size_t size = (size_t) e->d * (size_t) m->n;
  double *row = NULL;
  int id;
  ES_TRY(es_traj_declare(e->traj, m->path, m->what, field, 2, &id));
  ES_TRY(ES_COMM_NEW(e->comm, 2 * size, &row));
  memcpy(row, m->measured, size * sizeof *row);
  memcpy(row + size, m->predicted, size * sizeof *row);
  es_status st = es_traj_append(e->traj, id, llround(e->time / e->lr), e->time, row);
  if (st == ES_OK) st = es_traj_flush(e->traj);
  es_free(&row);
  return st;
}

static es_status write_similarity(const es_theory_end *e, const char *path,
                                  const es_similarity *l, const double *angles) {
  es_h5 *f = es_traj_h5(e->traj);
  char name[128];
  ES_TRY(es_h5_attr_f64(f, path, "relative_error", l->error));
  ES_TRY(es_h5_attr_f64(f, path, "alignment", l->alignment));
  ES_TRY(es_h5_attr_f64(f, path, "alignment_chance", l->chance));
  ES_TRY(es_h5_attr_f64(f, path, "cka", l->cka));
  snprintf(name, sizeof name, "%s/principal_angles", path);
  return es_traj_write_numbers(
      e->traj, name, e->d, angles, "rad",
      "between the spans of measured and predicted rows, rising");
}

es_status es_theory_write_end(const es_theory_end *e, const es_end_matrix *m) {
  double *angles = NULL;
  es_similarity l;
  ES_TRY(write_row(e, m));
  es_status st = ES_NEW(e->d, &angles);
  if (st == ES_OK)
    st = es_compare(m->n, (es_outputs){e->d, m->measured},
                    (es_outputs){e->d, m->predicted}, &l, angles);
  st = es_comm_agree(e->comm, st);
  if (st == ES_EMATH) { /* both are written, and the simulation is done */
    es_warn("%s: not compared with the prediction, as the singular values could not be "
            "computed",
            m->what);
    st = ES_OK;
  } else if (st == ES_OK) {
    es_print("%s: relative error %.2e; subspace overlap %.6f (chance %.3f), largest "
             "angle %.2e, "
             "CKA %.6f",
             m->what, l.error, l.alignment, l.chance, l.angle, l.cka);
    st = write_similarity(e, m->path, &l, angles);
  }
  es_free(&angles);
  return st;
}
