/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_growth.h  eigenstep linear with VICReg or SimCLR: growth rates at a
 *  small start. */
#ifndef ES_LINEAR_GROWTH_H
#define ES_LINEAR_GROWTH_H

#include "eigenstep/descent.h"
#include "eigenstep/config_load.h"
#include "eigenstep/solved_params.h"
#include "eigenstep/loss.h"

/** Collective. Descend from W(0) = alpha x normal numbers with the exact gradient of the
 *  loss, as long as the start stays small, and print and write predicted beside measured
 *  growth rates.
 *  @param loss  VICReg or SimCLR; others are refused
 *  @param p     the pairs, centred if wanted
 *  @param dir   new output folder */
es_status es_linear_rates(const es_job *job, es_config *cfg, const es_loss_choice *loss,
                          const es_linear_params *par, uint64_t seed, const es_pairs *p,
                          const char *dir);

#endif
