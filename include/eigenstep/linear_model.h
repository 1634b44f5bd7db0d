/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_model.h  eigenstep linear: a linear model, solved and simulated. */
#ifndef ES_LINEAR_MODEL_H
#define ES_LINEAR_MODEL_H

#include "eigenstep/provenance.h"
#include "eigenstep/shape.h"
#include "eigenstep/solved_params.h"

/** What eigenstep linear takes with views of one shape. */
typedef struct es_linear_cost {
  double bytes;     /**< of a rank */
  double decompose; /**< operations of all ranks for the eigenpairs */
  double step;      /**< operations of all ranks for a step of the simulation */
  double steps;     /**< of the simulation: linear.steps, or about as many as it takes */
} es_linear_cost;
/** Not collective. */
es_linear_cost es_linear_cost_of(const es_linear_params *p, es_shape view, int ranks);

/** Print what eigenstep linear would take on `ranks` ranks with views of this shape. */
void es_linear_print_cost(const es_linear_params *p, es_shape view, int ranks);

/** Not collective. Read, and so mark as used, all keys that es_linear_model_run reads.
 *  @return ES_OK; ES_ECONFIG, ES_ENOMEM as it would */
es_status es_linear_model_reads(es_config *cfg);

/** Collective. eigenstep linear, whose configuration this is. */
es_status es_linear_model_run(const es_job *job, es_config *cfg);

#endif
