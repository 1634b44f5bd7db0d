/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_end.c  Where a kernel machine ended against its prediction, on training
 *  and held-out points: /embeddings. */
#include <math.h>
#include <string.h>
#include "eigenstep/compare.h"
#include "eigenstep/mem.h"
#include "exp_kernel.h"

static double squared(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sum;
}

/* Embeddings [d, points] of one set of points, measured and predicted, as a row. */
static es_status write_embeddings(const es_machine *m, es_traj *t, const char *path,
                                  const char *what, int points, double time,
                                  const double *measured, const double *predicted) {
  const int64_t d = m->par.dim;
  const es_traj_field field[] = {
      {"measured", 2, {d, points}, {"output", "point"}, "1", "simulated embeddings"},
      {"predicted", 2, {d, points}, {"output", "point"}, "1", "predicted embeddings"}};
  const size_t size = (size_t) d * (size_t) points;
  double *row = NULL;
  int id;
  ES_TRY(es_traj_declare(t, path, what, field, 2, &id));
  ES_TRY(es_comm_agree(m->comm, ES_NEW(2 * size, &row)));
  memcpy(row, measured, size * sizeof *row);
  memcpy(row + size, predicted, size * sizeof *row);
  es_status st = es_traj_append(t, id, llround(time / m->lr), time, row);
  if (st == ES_OK) st = es_traj_flush(t);
  es_free(&row);
  ES_TRY(st);
  es_likeness l;
  ES_TRY(es_compare(points, (int) d, measured, (int) d, predicted, &l, NULL));
  es_print("%s: relative error %.2e; alignment %.6f (chance %.3f), largest angle %.2e, "
           "CKA %.6f",
           what, l.error, l.alignment, l.chance, l.angle, l.cka);
  ES_TRY(es_h5_attr_f64(es_traj_h5(t), path, "relative_error", l.error));
  ES_TRY(es_h5_attr_f64(es_traj_h5(t), path, "alignment", l.alignment));
  ES_TRY(es_h5_attr_f64(es_traj_h5(t), path, "alignment_chance", l.chance));
  return es_h5_attr_f64(es_traj_h5(t), path, "cka", l.cka);
}

/* The end of the run against its prediction, on training and held-out points. */
es_status es_machine_compare(const es_machine *m, const es_machine_end *end, es_traj *t) {
  const int d = (int) m->par.dim, k = m->modes->basis.k, modes = end->flow->modes;
  const size_t known = (size_t) d * (size_t) m->k->n;
  double *w = NULL, *f = NULL, *s = NULL, least = 0;
  es_status st = ES_NEW(d * k, &w);
  if (st == ES_OK) st = ES_NEW(d * es_machine_points(m), &f);
  if (st == ES_OK) st = ES_NEW(d, &s);
  ES_TRY_GOTO(es_comm_agree(m->comm, st), done);
  es_flow_amplitudes(end->flow, end->time, s);
  for (int i = 0; i < d; i++)
    for (int a = 0; a < modes; a++) w[i * k + a] = end->flow->q[i * modes + a] * s[a];
  ES_TRY_GOTO(es_machine_embed(m, w, f), done);
  for (int a = 0; a < es_flow_growing(end->flow); a++) least += 1 / end->flow->gamma[a];
  ES_TRY_GOTO(write_embeddings(m, t, "/embeddings/train", "embeddings of training points",
                               m->k->n, end->time, end->f, f),
              done);
  if (m->k_new != NULL)
    ES_TRY_GOTO(write_embeddings(m, t, "/embeddings/held_out",
                                 "embeddings of held-out points", m->k_new->n, end->time,
                                 end->f + known, f + known),
                done);
  const double norm = squared(end->w, (size_t) (d * k));
  es_print("RKHS norm: sum |f_i|^2 = %.6g; predicted now %.6g, at the end sum 1 / "
           "gamma_j = %.6g",
           norm, squared(w, (size_t) (d * k)), least);
  ES_TRY_GOTO(es_h5_attr_f64(es_traj_h5(t), "/embeddings/train", "rkhs_norm", norm),
              done);
  st = es_h5_attr_f64(es_traj_h5(t), "/embeddings/train", "rkhs_norm_least", least);
done:
  es_free(&s);
  es_free(&f);
  es_free(&w);
  return st;
}
