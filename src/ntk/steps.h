/* SPDX-License-Identifier: BSD-3-Clause */
/** @file steps.h  The steps of a run whose kernel is computed: ntk.at. */
#ifndef ES_NTK_STEPS_H
#define ES_NTK_STEPS_H

#include <stdint.h>
#include "eigenstep/status.h"

enum { ES_NTK_TIMES = 64 };

/** Of each: the step of a checkpoint, ES_HELD_OUT_FIRST or ES_HELD_OUT_LAST.
 *  @return ES_OK, ES_ECONFIG */
es_status es_ntk_steps(const char *at, int *n, int64_t step[ES_NTK_TIMES]);

#endif
