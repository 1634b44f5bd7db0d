/* SPDX-License-Identifier: BSD-3-Clause */
/** @file machine.c  Kernel matrices of all points, the modes, and embeddings from weights
 *  on them. */
#include "machine.h"

#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "schedule.h"

es_status es_machine_decompose(es_machine *m) {
  const double began = es_now();
  const es_points all = {0, m->par.sample}, fresh = {m->par.sample, m->par.held_out};
  ES_TRY(es_grid_create(m->comm, 0, &m->grid));
  es_progress_begin("kernel matrix of %lld points", 2 * (long long) all.n);
  ES_TRY(es_kernel_matrix(m->kernel, m->grid, &m->pairs, all, all, &m->k));
  es_progress_end();
  es_progress_begin("kernel matrix with %lld held-out points", 2 * (long long) fresh.n);
  if (fresh.n > 0)
    ES_TRY(es_kernel_matrix(m->kernel, m->grid, &m->pairs, all, fresh, &m->k_new));
  es_progress_end();
  es_progress_begin("eigenpairs of the kernel matrix, %d x %d", m->k->m, m->k->n);
  ES_TRY(es_kernel_modes_create(m->k, &m->modes));
  es_progress_end();
  const es_modes *b = &m->modes->basis;
  ES_TRY(es_comm_agree(m->comm, ES_NEW(b->k, &m->gamma)));
  es_theory_gamma(b->k, b->gamma, m->gamma);
  es_info("%lld training and %lld held-out pairs of views of %d values%s, %d ranks",
          (long long) all.n, (long long) fresh.n, m->pairs.m,
          m->par.center ? ", centred" : "", m->comm->size);
  es_info("kernel %s: %d modes in %.2f s, residual %.1e; gamma_1 = %.6g",
          m->kernel->ops->name, b->k, es_now() - began, b->residual, m->gamma[0]);
  if (m->modes->dropped > 0)
    es_info("the kernel matrix is singular to round-off: %d of %d directions left out",
            m->modes->dropped, b->m);
  return ES_OK;
}

int es_machine_points(const es_machine *m) {
  return 2 * (int) (m->par.sample + m->par.held_out);
}

es_status es_machine_embed(const es_machine *m, const double *w, double *f) {
  const size_t known = (size_t) m->par.dim * (size_t) m->k->n;
  ES_TRY(es_kernel_embed(m->modes, (int) m->par.dim, w, m->k, f));
  if (m->k_new == NULL) return ES_OK;
  return es_kernel_embed(m->modes, (int) m->par.dim, w, m->k_new, f + known);
}

void es_machine_free(es_machine *m) {
  es_free(&m->gamma);
  es_kernel_modes_destroy(&m->modes);
  es_dmat_destroy(&m->k_new);
  es_dmat_destroy(&m->k);
  es_grid_destroy(&m->grid);
  es_kernel_destroy(&m->kernel);
  es_pairs_free(&m->pairs);
}
