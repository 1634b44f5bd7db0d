/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_check.h  What the parameters of eigenstep kernel must be. */
#ifndef ES_KERNEL_CHECK_H
#define ES_KERNEL_CHECK_H

#include "machine.h"

/** Not collective. @return ES_OK, ES_ECONFIG */
es_status es_kernel_check(const es_kernel_params *p);
/** Not collective. A network can stand beside the machine's kernel, in kernel.widths.
 *  @return ES_OK, ES_ECONFIG */
es_status es_kernel_check_widths(const es_machine *m);

#endif
