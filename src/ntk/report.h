/* SPDX-License-Identifier: BSD-3-Clause */
/** @file report.h  What eigenstep ntk prints: costs beforehand, progress, tables. */
#ifndef ES_NTK_REPORT_H
#define ES_NTK_REPORT_H

#include "outputs.h"
#include "result.h"

/** Print what a step's kernel takes: counts, memory, about how long. */
void es_ntk_print_cost(const es_ntk_cost *c, const es_ntk_outputs *o);

/** Say where the loss's theory does not describe this run, or not well. */
void es_ntk_print_range(const es_loss *l, const es_loss_setup *setup,
                        const es_ntk_solution *s);
/** Print the table of a step, and in which layers the kernel is. */
void es_ntk_print_step(const es_ntk_shape *shape, const es_ntk_result *r,
                       const es_ntk_sum *names);

#endif
