/* SPDX-License-Identifier: BSD-3-Clause */
/** @file times.h  When modes are learned: as measured in the run, as predicted from the
 *  features of the start, and from the tangent kernel of the start. */
#ifndef ES_NTK_TIMES_H
#define ES_NTK_TIMES_H

#include "result.h"

/** Collective. Read the run's trajectory, write /steps of ntk.h5 and print the table.
 *  @param dir      the run's folder
 *  @param n        modes of the table
 *  @param at_start solution of the kernel at the start
 *  @return ES_OK, ES_EIO, ES_EFORMAT, ES_ENOMEM: the same on all ranks */
es_status es_ntk_compare_times(const es_comm *c, const char *dir, es_traj *t, int n,
                               const es_ntk_solution *at_start);

#endif
