/* SPDX-License-Identifier: BSD-3-Clause */
/** @file gradient_reduction.h  The sum over ranks of the gradients of all parameters.
 *
 *  The loss gives dL/dz of the global loss, so the ranks' gradients add up: a sum, not an
 *  average. Four methods:
 *  - after backward, by the backend (es_backend_ops.allreduce);
 *  - beside backward, part by part, where the backend can (sum_begin, sums_end);
 *  - while backward runs, bucket by bucket (reduction.h), where the ranks of a node share
 *    the parameters; each rank then updates a part of them;
 *  - where rows are replicated (row_layout.h), after backward in the order of a binary
 *    tree (treesum), which gives the same bits on any number of ranks. */
#ifndef ES_TRAIN_GRADIENT_REDUCTION_H
#define ES_TRAIN_GRADIENT_REDUCTION_H

#include "eigenstep/clock.h"
#include "eigenstep/net.h"
#include "eigenstep/reduction.h"
#include "eigenstep/row_layout.h"

typedef struct es_gradient_reduction {
  es_row_layout layout;
  es_params *params;        /* borrowed */
  es_clock *clock;          /* borrowed: phases backward and allreduce */
  es_reduction *overlapped; /**< owned; NULL: the backend sums */
  es_shared *counters;      /* owned: of `overlapped` */
  es_net_listener listener; /**< of backward, with `overlapped` or `beside` */
  bool beside;              /**< the backend sums while backward runs, */
  int64_t begun;            /**< elements from here on in this step */
  es_range all;             /**< all parameters, */
  es_partition whole;       /**< which a rank updates without `overlapped` */
} es_gradient_reduction;

/** Sum after backward, or beside it where the backend can; `r` must not move. */
void es_gradient_reduction_init(es_gradient_reduction *r, const es_row_layout *layout,
                                es_params *params, es_clock *clock);
/** Collective. Sum while backward runs; the parameters are shared (es_params_share).
 *  @param counters  as es_reduction_options says; owned from now on
 *  @return ES_OK, ES_ENOMEM: same on all ranks */
es_status es_gradient_reduction_overlap(es_gradient_reduction *r, es_shared *counters);
void es_gradient_reduction_free(es_gradient_reduction *r);

/** Not collective. Sums in flight advance (es_reduction_progress). */
void es_gradient_reduction_progress(es_gradient_reduction *r);

/** What backward is to call as gradients become final; NULL: nothing. */
const es_net_listener *es_gradient_reduction_listener(const es_gradient_reduction *r);
/** Collective, after backward. Complete the sum: this rank's part of `grad`
 *  (es_gradient_reduction_part) then holds it.
 *  @param flags  [n] numbers that become their maxima over the ranks, in the same wait;
 *                NULL: none */
es_status es_gradient_reduction_finish(es_gradient_reduction *r, int64_t *flags, int n);
/** The parameters this rank updates. */
const es_partition *es_gradient_reduction_part(const es_gradient_reduction *r);
/** Collective over a node. Wait until all have updated their part. */
void es_gradient_reduction_barrier(es_gradient_reduction *r);

#endif
