/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_elpa.c  ELPA's one-stage solver, all pairs or the leading ones, where
 *  `configure --with-elpa` asked for it. Marek et al., J. Phys.: Condens. Matter 26,
 *  213201, 2014.
 *
 *  Its two-stage solver needs kernels of the processor, which Debian's library has not:
 *  2.4 times as long for n = 2048. A matrix that leaves a rank without rows or columns is
 *  ScaLAPACK's. ELPA prints its own complaints. */
#include <elpa/elpa.h>
#include <math.h>

#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eig_lapack.h"

extern const es_eig_ops es_eig_syevd;

enum { API = 20211125 }; /* the interface of ELPA 2021.11 */

/** Has every rank a part of the matrix? */
static bool reaches_all(const es_dmat *a) {
  int64_t none = a->lm == 0 || a->ln == 0;
  es_comm_max_i64(a->grid->comm, &none, 1);
  return none == 0;
}

/** A problem of A's layout, of which k pairs are wanted. */
static elpa_t open_problem(const es_dmat *a, int k, int *error) {
  const struct {
    const char *name;
    int value;
  } setting[] = {{"na", a->n},
                 {"nev", k},
                 {"local_nrows", a->lld},
                 {"local_ncols", a->ln > 0 ? a->ln : 1},
                 {"nblk", a->nb},
                 {"mpi_comm_parent", (int) MPI_Comm_c2f(a->grid->comm->mpi)},
                 {"process_row", a->grid->row},
                 {"process_col", a->grid->col}};
  elpa_t handle = NULL;
  *error = elpa_init(API);
  if (*error == ELPA_OK) handle = elpa_allocate(error);
  for (size_t i = 0; i < sizeof setting / sizeof *setting && *error == ELPA_OK; i++)
    elpa_set_integer(handle, setting[i].name, setting[i].value, error);
  if (*error == ELPA_OK) *error = elpa_setup(handle);
  if (*error == ELPA_OK) elpa_set_integer(handle, "solver", ELPA_SOLVER_1STAGE, error);
  return handle;
}

/** A <- -A 2^-e, whose norm is about 1: squares of very small or large entries would
 *  vanish or overflow in ELPA. Exact. @return e */
static int negate_and_scale(es_dmat *a) {
  const double norm = es_dmat_norm(a);
  const int e = norm > 0 ? ilogb(norm) : 0;
  const size_t n = (size_t) a->lld * (size_t) a->ln;
  for (size_t i = 0; i < n; i++) a->a[i] = -ldexp(a->a[i], -e);
  return e;
}

/** v NULL: eigenvalues only. */
static es_status run(es_dmat *a, int k, double *w, es_dmat *v) {
  double *all = NULL;
  int error = ELPA_OK, ignored;
  ES_TRY(ES_COMM_NEW(a->grid->comm, a->n, &all));
  const int scale = negate_and_scale(a);
  elpa_t handle = open_problem(a, v != NULL ? k : a->n, &error);
  int64_t failed = error != ELPA_OK;
  es_comm_max_i64(a->grid->comm, &failed, 1);
  if (failed == 0 && v != NULL) elpa_eigenvectors(handle, a->a, all, v->a, &error);
  if (failed == 0 && v == NULL) elpa_eigenvalues(handle, a->a, all, &error);
  if (handle != NULL) elpa_deallocate(handle, &ignored);
  for (int i = 0; i < k; i++) w[i] = -ldexp(all[i], scale);
  es_free(&all);
  ES_CHECK(error == ELPA_OK, ES_EMATH, "eigensolver elpa failed (ELPA's status = %d: %s)",
           error, elpa_strerr(error));
  return ES_OK;
}

static es_status solve(es_dmat *a, int k, double *w, es_dmat *v) {
  return reaches_all(a) ? run(a, k, w, v) : es_eig_syevd.solve(a, k, w, v);
}

static es_status values(es_dmat *a, double *w) {
  return reaches_all(a) ? run(a, a->n, w, NULL) : es_eig_syevd.values(a, w);
}

const es_eig_ops es_eig_elpa = {
    .name = "elpa",
    .doc = "ELPA's one-stage solver, all pairs or the leading ones",
    .solve = solve,
    .values = values,
};
