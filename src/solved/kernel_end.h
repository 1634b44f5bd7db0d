/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_end.h  Where a kernel machine ended against its prediction. */
#ifndef ES_KERNEL_END_H
#define ES_KERNEL_END_H

#include "eigenstep/flow.h"
#include "eigenstep/traj.h"
#include "machine.h"

/** The end of a simulation; borrowed. */
typedef struct es_machine_end {
  double time;
  const es_flow *flow; /**< the prediction */
  const double *w;     /**< [d, k] weights on the modes */
  const double *f;     /**< embeddings as es_machine_embed gives them */
} es_machine_end;

/** Collective. Write /embeddings, measured beside predicted, and print how alike
 *  they are and the norm in the kernel's space. */
es_status es_machine_compare(const es_machine *m, const es_machine_end *end,
                             es_traj *traj);

#endif
