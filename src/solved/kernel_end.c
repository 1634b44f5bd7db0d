/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_end.c  Where a kernel machine ended against its prediction, on training
 *  and held-out points: /embeddings. */
#include "kernel_end.h"

#include "eigenstep/mem.h"
#include "end_state.h"

static double squared(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
  return sum;
}

/* The end of the run against its prediction, on training and held-out points. */
es_status es_machine_compare(const es_machine *m, const es_machine_end *end, es_traj *t) {
  const int d = (int) m->par.dim, modes = end->flow->modes;
  const es_theory_end e = {
      .comm = m->comm, .traj = t, .d = d, .lr = m->lr, .time = end->time};
  const size_t k = (size_t) m->modes->basis.k;
  const int trained = 2 * (int) m->par.sample, fresh = 2 * (int) m->par.held_out;
  const size_t known = (size_t) d * (size_t) trained;
  double *w = NULL, *f = NULL, *s = NULL, least = 0;
  es_status st = ES_NEW((size_t) d * k, &w);
  if (st == ES_OK) st = ES_NEW((int64_t) d * es_machine_points(m), &f);
  if (st == ES_OK) st = ES_NEW(d, &s);
  ES_TRY_GOTO(es_comm_agree(m->comm, st), done);
  es_flow_amplitudes(end->flow, end->time, s);
  for (int i = 0; i < d; i++)
    for (int a = 0; a < modes; a++)
      w[(size_t) i * k + (size_t) a] = end->flow->q[i * modes + a] * s[a];
  ES_TRY_GOTO(es_machine_embed(m, w, f), done);
  for (int a = 0; a < es_flow_growing(end->flow); a++) least += 1 / end->flow->gamma[a];
  const es_end_matrix train = {.path = "/embeddings/train",
                               .what = "embeddings of training points",
                               .axis = "point",
                               .n = trained,
                               .measured = end->f,
                               .predicted = f};
  ES_TRY_GOTO(es_theory_write_end(&e, &train), done);
  if (fresh > 0) {
    const es_end_matrix held_out = {.path = "/embeddings/held_out",
                                    .what = "embeddings of held-out points",
                                    .axis = "point",
                                    .n = fresh,
                                    .measured = end->f + known,
                                    .predicted = f + known};
    ES_TRY_GOTO(es_theory_write_end(&e, &held_out), done);
  }
  const double norm = squared(end->w, (size_t) d * k);
  es_print("RKHS norm: sum |f_i|^2 = %.6g; predicted now %.6g, at the end sum 1 / "
           "gamma_j = %.6g",
           norm, squared(w, (size_t) d * k), least);
  ES_TRY_GOTO(es_h5_attr_f64(es_traj_h5(t), "/embeddings/train", "rkhs_norm", norm),
              done);
  st = es_h5_attr_f64(es_traj_h5(t), "/embeddings/train", "rkhs_norm_least", least);
done:
  es_free(&s);
  es_free(&f);
  es_free(&w);
  return st;
}
