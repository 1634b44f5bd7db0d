/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_networks.h  Networks of growing width beside a kernel machine. */
#ifndef ES_KERNEL_NETWORKS_H
#define ES_KERNEL_NETWORKS_H

#include "eigenstep/run_folder.h"
#include "machine.h"

/** Collective. Train a real network of each width from each seed for `steps` steps;
 *  write /networks and print how far it ends from the kernel machine of the same
 *  start.
 *  @return ES_STOPPED after a request: the rows of the networks that were done are
 *          written */
es_status es_kernel_networks(const es_machine *m, int64_t steps, es_run_folder *o);

#endif
