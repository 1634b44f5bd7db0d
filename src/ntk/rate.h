/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rate.h  How long the products of a layer take on this rank: measured with a few
 *  samples, before anything is computed. */
#ifndef ES_NTK_RATE_H
#define ES_NTK_RATE_H

#include "ring.h"

/** Not collective. seconds [n]: of this rank's processor, for all products of each of
 *  these layers in one kernel. Takes about as long as 2 x 384^2 pairs of positions a
 *  structured layer, and two samples a contracted one.
 *  @return ES_OK, ES_ENOMEM, with bf16 the backend's error */
es_status es_ntk_rate_measure(const es_ntk_ring *r, int n, const es_ntk_layer *layer,
                              double *seconds);

#endif
