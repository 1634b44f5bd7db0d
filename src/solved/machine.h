/* SPDX-License-Identifier: BSD-3-Clause */
/** @file machine.h  A kernel machine on its points: matrices, modes, embeddings. */
#ifndef ES_MACHINE_H
#define ES_MACHINE_H

#include "eigenstep/kernel.h"
#include "eigenstep/shape.h"
#include "eigenstep/solved_params.h"

/** A kernel machine on its points; all borrowed by its users. */
typedef struct es_machine {
  const es_comm *comm;
  es_kernel_params par;
  uint64_t seed;
  es_shape view;
  es_pairs pairs; /**< training pairs, then held-out ones; owned, as all below */
  es_kernel *kernel;
  es_grid *grid;
  es_dmat *k, *k_new; /**< [2n, 2n], NULL: leading modes; [2n, 2 held-out], NULL: none */
  es_kernel_modes *modes;
  double *gamma; /**< [modes->basis.k] round-off set to zero */
  double lr;     /**< of the kernel's descent */
} es_machine;

/** Collective. Kernel matrices and modes of the points, into a machine that has its
 *  parameters, pairs and kernel. @return ES_OK, ES_EMATH, ES_ENOMEM: the same on all
 *  ranks */
es_status es_machine_decompose(es_machine *m);
/** Free what the machine owns: all but comm. */
void es_machine_free(es_machine *m);

/** Training and held-out points: 2 (n + held-out). */
int es_machine_points(const es_machine *m);

/** Collective. Embeddings of all points, [d, 2n] followed by [d, 2 held-out], of
 *  weights w [d, k] on the modes. */
es_status es_machine_embed(const es_machine *m, const double *w, double *f);

#endif
