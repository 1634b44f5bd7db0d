/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_machine.h  eigenstep kernel: a kernel machine, solved and simulated. */
#ifndef ES_KERNEL_MACHINE_H
#define ES_KERNEL_MACHINE_H

#include "eigenstep/provenance.h"
#include "eigenstep/solved_params.h"

/** Not collective. Read, and so mark as used, all keys that es_kernel_machine_run reads.
 *  @return ES_OK; ES_ECONFIG, ES_ENOMEM as it would */
es_status es_kernel_machine_reads(es_config *cfg);

/** Collective. eigenstep kernel, whose configuration this is. */
es_status es_kernel_machine_run(const es_job *job, es_config *cfg);

#endif
