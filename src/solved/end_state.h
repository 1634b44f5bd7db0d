/* SPDX-License-Identifier: BSD-3-Clause */
/** @file end_state.h  Where a simulation ended against its prediction: written and
 *  printed. Shared by the models that have an exact theory. */
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

/** A matrix at the end of a simulation, and its prediction; replicated, borrowed. */
typedef struct es_end_matrix {
  const char *path; /**< group of the trajectory */
  const char *what; /**< its rows, for people */
  const char *axis; /**< what its columns are: "point" */
  int n;
  const double *measured, *predicted; /**< [d, n] */
} es_end_matrix;

/** Collective. Write both to the group m->path with their relative error, subspace
 *  alignment and its chance level, CKA and principal angles; print these in one line.
 *  @return ES_OK, ES_EIO, ES_ENOMEM: the same on all ranks */
es_status es_theory_write_end(const es_theory_end *e, const es_end_matrix *m);

#endif
