/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par.h  What every test with MPI needs: run a group on all ranks and once
 *  more on a split communicator (odd and even ranks apart, in reverse order). */
#ifndef ES_TESTS_PAR_H
#define ES_TESTS_PAR_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include "eigenstep/comm.h"

static es_comm *par_comm; /* cmocka passes nothing else into a group */

static int par_setup(void **state) {
  *state = par_comm;
  return 0;
}

/** Collective. True on all ranks if it is true on every rank: assert on this only,
 * since an assertion that fails on one rank leaves the others in their next
 * collective. */
static inline bool par_all(const es_comm *c, bool ok) {
  return es_comm_agree(c, ok ? ES_OK : ES_EINTERNAL) == ES_OK;
}

static int par_group(MPI_Comm comm, const char *name, const struct CMUnitTest *tests,
                     size_t n) {
  if (es_comm_create(comm, &par_comm) != ES_OK) return 1;
  es_log_setup(par_comm->rank, ES_LOG_ERROR, false);
  const int failed = _cmocka_run_group_tests(name, tests, n, par_setup, NULL);
  es_comm_destroy(&par_comm);
  return failed;
}

/** The whole program. @return exit code */
static inline int par_main(int argc, char **argv, const struct CMUnitTest *tests,
                           size_t n) {
  MPI_Init(&argc, &argv);
  int rank, failed = par_group(MPI_COMM_WORLD, "all ranks", tests, n);
  MPI_Comm part;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &part);
  failed += par_group(part, "split communicator", tests, n);
  MPI_Comm_free(&part);
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  MPI_Finalize();
  return failed != 0;
}

#endif
