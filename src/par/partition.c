/* SPDX-License-Identifier: BSD-3-Clause */
/** @file partition.c  Sums over an array whose elements are partitioned among ranks. */
#include "eigenstep/partition.h"

#include <string.h>

void es_partition_sum(const es_partition *d, double *x, int64_t n) {
  if (d->comm == NULL) return;
  /* Only one node contributes; dividing the sum by the number of nodes would round. */
  if (!d->contributes) memset(x, 0, (size_t) n * sizeof *x);
  es_comm_sum_f64(d->comm, x, n);
}
