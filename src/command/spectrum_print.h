/* SPDX-License-Identifier: BSD-3-Clause */
/** @file spectrum_print.h  What eigenstep spectrum prints. */
#ifndef ES_SPECTRUM_PRINT_H
#define ES_SPECTRUM_PRINT_H

#include "eigenstep/embedding_file.h"
#include "eigenstep/snapshot.h"

/** Eigenvalues and metrics of the snapshot just taken, on rank 0's terminal. */
void es_spectrum_print(const es_snapshot *s, const es_embedding_rows *r);

/** Before anything is allocated: what it takes, where that is more than there is. */
void es_spectrum_warn_of_memory(const es_comm *c, const es_spectrum_params *par,
                                const es_snapshot_options *opt,
                                const es_embedding_rows *r);

#endif
