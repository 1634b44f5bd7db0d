/* SPDX-License-Identifier: BSD-3-Clause */
/** @file end_state.h  Where a simulation ended against its prediction: written and
 *  printed. Shared by the experiments that have an exact theory. */
#ifndef ES_END_STATE_H
#define ES_END_STATE_H

#include "eigenstep/comm.h"
#include "eigenstep/traj.h"

/** What a result belongs to; borrowed. */
typedef struct es_theory_end {
  const es_comm *comm;
  es_traj *traj;
  int d;           /**< outputs */
  double lr, time; /**< of the end */
} es_theory_end;

/** Collective. Write `measured` and `predicted` [d, n], replicated, to the group `path`
 *  with their relative error, subspace alignment and its chance level, CKA and principal
 *  angles; print these in one line.
 *  @param what  what they are, for people
 *  @param axis  what their columns are: "point" */
es_status es_theory_write_end(const es_theory_end *e, const char *path, const char *what,
                              const char *axis, int n, const double *measured,
                              const double *predicted);

#endif
