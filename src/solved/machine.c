/* SPDX-License-Identifier: BSD-3-Clause */
/** @file machine.c  Kernel matrices of all points, the modes, and embeddings from weights
 *  on them. */
#include "machine.h"

#include <math.h>
#include "eigenstep/clock.h"
#include "eigenstep/kernel_cost.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "schedule.h"

/* Kernel matrices and all modes. */
static es_status decompose_in_full(es_machine *m) {
  const es_points all = {0, m->par.sample}, fresh = {m->par.sample, m->par.held_out};
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
  return ES_OK;
}

/* Collective. Bytes that each rank may take, its pairs included: the least of all. */
static double memory_limit(const es_machine *m) {
  const double free_now = es_kernel_memory(&m->par, m->comm->node_size);
  const double held = m->par.memory > 0 ? 0 : (double) es_mem_now();
  double least = free_now > 0 ? -(free_now + held) : -INFINITY;
  es_comm_max_f64(m->comm, &least, 1);
  return isfinite(least) ? -least : 0;
}

static es_status decompose_leading(es_machine *m) {
  const double limit = memory_limit(m);
  const es_kernel_plan plan =
      es_kernel_plan_for(&m->par, m->pairs.m, m->comm->size, limit);
  const es_kernel_sample s = {.kernel = m->kernel,
                              .pairs = &m->pairs,
                              .trained = {0, m->par.sample},
                              .fresh = {m->par.sample, m->par.held_out}};
  ES_CHECK(limit == 0 || plan.bytes <= limit, ES_ENOMEM,
           "kernel: got %.0f MB a rank to work in, expected at least %.0f MB even with a "
           "matrix that is not stored; raise kernel.memory or take more ranks",
           1e-6 * limit, 1e-6 * plan.bytes);
  es_info("%d modes by subspace iteration; the matrix is %s; %.0f MB a rank", plan.k,
          es_kernel_matrix_is(&plan), 1e-6 * plan.bytes);
  es_progress_begin("leading modes of the kernel matrix of %lld points",
                    2 * (long long) m->par.sample);
  ES_TRY(es_kernel_leading(m->grid, &s, &plan, &m->modes));
  es_progress_end();
  return ES_OK;
}

es_status es_machine_decompose(es_machine *m) {
  const double began = es_now();
  const bool few = es_kernel_uses_subspace(&m->par);
  ES_TRY(es_grid_create(m->comm, 0, &m->grid));
  ES_TRY(few ? decompose_leading(m) : decompose_in_full(m));
  const es_modes *b = &m->modes->basis;
  ES_TRY(ES_COMM_NEW(m->comm, b->k, &m->gamma));
  es_theory_gamma(b->k, b->gamma, m->gamma);
  es_info("%lld training and %lld held-out pairs of views of %d values%s, %d rank%s",
          (long long) m->par.sample, (long long) m->par.held_out, m->pairs.m,
          m->par.center ? ", centred" : "", m->comm->size, m->comm->size == 1 ? "" : "s");
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

/* f [d, points] of weights on the modes, whose values at the points are known. */
static es_status embed_by_values(const es_machine *m, const es_dmat *value,
                                 const double *w, double *f) {
  es_modes at = m->modes->basis;
  at.m = value->m;
  at.vector = (es_dmat *) value;
  return es_modes_expand(&at, (int) m->par.dim, w, f);
}

es_status es_machine_embed(const es_machine *m, const double *w, double *f) {
  const size_t known = (size_t) m->par.dim * 2 * (size_t) m->par.sample;
  es_dmat *const *value = m->modes->value;
  if (value[0] != NULL) {
    ES_TRY(embed_by_values(m, value[0], w, f));
    return value[1] != NULL ? embed_by_values(m, value[1], w, f + known) : ES_OK;
  }
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
