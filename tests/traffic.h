/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traffic.h  Messages and bytes that this rank has sent, counted inside MPI, so
 *  that those which make up a collective are seen one by one.
 *
 *  Open MPI's monitoring of its point-to-point layer reports each message to a function
 *  of its library; a program that exports one of the same name (link with -rdynamic)
 *  gets the reports instead. Other MPI libraries report nothing. */
#ifndef ES_TESTS_TRAFFIC_H
#define ES_TESTS_TRAFFIC_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/** Sent so far. */
typedef struct traffic {
  double messages, bytes;
} traffic;

static traffic traffic_sent;

void mca_common_monitoring_record_pml(int world_rank, size_t bytes, int tag);

void mca_common_monitoring_record_pml(int world_rank, size_t bytes, int tag) {
  (void) world_rank;
  (void) tag;
  traffic_sent.messages += 1;
  traffic_sent.bytes += (double) bytes;
}

/** Before MPI_Init: ask for the reports. */
static inline void traffic_ask(void) {
  setenv("OMPI_MCA_pml_monitoring_enable", "1", 1);
}

/** Collective. Does this MPI library report? */
static inline bool traffic_counted(MPI_Comm comm) {
  const double before = traffic_sent.messages;
  MPI_Barrier(comm);
  return traffic_sent.messages > before;
}

#endif
