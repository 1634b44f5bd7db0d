/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_rate.h  How fast this machine computes, measured in a moment, for estimates
 *  of runs that have not been made. */
#ifndef ES_STEP_RATE_H
#define ES_STEP_RATE_H

#include "eigenstep/settings.h"

/** Collective. Operations a second of forward and backward (multiply and add counted
 *  separately) on one rank: a few steps of this run with few pairs on rank 0, the fastest
 *  of them, while the others wait. Logs nothing but an error; writes nothing but what the
 *  backend keeps of timed algorithms (backend.plans).
 *  @param flops  of a view forward (es_net_cost)
 *  @param rate   0: no such step can be made here; es_log_last_error on rank 0 says why
 *  @param pairs  of that measurement
 *  @return ES_OK, or why the run cannot be assembled: the same on all ranks */
es_status es_step_rate(const es_comm *c, const es_settings *s, double flops, double *rate,
                       int64_t *pairs);

/** Not collective. Operations a second of products of matrices in double in this process:
 *  what the solved models are made of. 0: no memory to measure. */
double es_product_rate(void);

#endif
