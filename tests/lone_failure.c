/* SPDX-License-Identifier: BSD-3-Clause */
/** @file lone_failure.c  The last rank fails where the others are in a collective; what
 *  that looks like to the user: e2e_stop.sh. */
#include "eigenstep/comm.h"
#include "eigenstep/status.h"

static es_status work(const es_comm *c) {
  ES_CHECK(c->rank < c->size - 1, ES_EDEVICE, "got a broken layer on the last rank");
  return ES_OK;
}

int main(int argc, char **argv) {
  es_comm *c = NULL;
  MPI_Init(&argc, &argv);
  es_status st = es_comm_create(MPI_COMM_WORLD, &c);
  if (st == ES_OK) {
    es_log_setup(c->rank, ES_LOG_INFO, false);
    st = es_comm_must(c, work(c));
    es_comm_barrier(c);
  }
  es_comm_destroy(&c);
  MPI_Finalize();
  return st == ES_EDEVICE ? 7 : 0;
}
