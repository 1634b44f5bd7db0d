/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_machine.h  Section [kernel], and what the parts of eigenstep kernel
 *  share. */
#ifndef ES_KERNEL_MACHINE_H
#define ES_KERNEL_MACHINE_H

#include "eigenstep/flow.h"
#include "eigenstep/kernel.h"
#include "eigenstep/provenance.h"
#include "eigenstep/shape.h"
#include "eigenstep/traj.h"

enum { ES_KERNEL_GD, ES_KERNEL_FLOW, ES_KERNEL_DIRECT };

typedef struct es_kernel_params {
  es_string name;
  int64_t dim, sample, held_out, steps, rows, seeds;
  double alpha, lr, offdiag, weight_decay, tol;
  es_list times, widths;
  bool center;
  int method;
} es_kernel_params;
extern const es_param es_kernel_table[];

/** A kernel machine on its points; all borrowed by its users. */
typedef struct es_machine {
  const es_comm *comm;
  es_kernel_params par;
  uint64_t seed;
  es_shape view;
  es_pairs pairs; /**< training pairs, then held-out ones */
  es_kernel *kernel;
  es_grid *grid;
  es_dmat *k, *k_new; /**< [2n, 2n]; [2n, 2 held-out], NULL: none */
  es_kernel_modes *modes;
  double *gamma; /**< [modes->basis.k] round-off set to zero */
  double lr;     /**< of the kernel's descent */
} es_machine;

/** Training and held-out points: 2 (n + held-out). */
int es_machine_points(const es_machine *m);

/** Collective. Embeddings of all points, [d, 2n] and behind them [d, 2 held-out], of
 *  weights w [d, k] on the modes. */
es_status es_machine_embed(const es_machine *m, const double *w, double *f);

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

/** Collective. Train a real network of each width from each seed for `steps` steps;
 *  write /networks and print how far it ends from the kernel machine of the same
 *  start. */
es_status es_kernel_networks(const es_machine *m, int64_t steps, es_traj *traj);

/** Collective. eigenstep kernel, whose configuration this is. */
es_status es_kernel_machine_run(const es_job *job, es_config *cfg);

#endif
