/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_rows.h  Passes in which batch normalisation sees one value a channel. */
#ifndef ES_RUN_BN_ROWS_H
#define ES_RUN_BN_ROWS_H

#include "eigenstep/net.h"
#include "eigenstep/settings.h"

/** Smallest number of pairs, over all passes, of which statistics are taken together.
 *  @param pairs  of a batch, over `ranks` ranks as es_comm_local_range divides them
 *  @param micro  pairs of a rank in one pass, 0 = all
 *  @param sync   over all ranks */
int64_t es_bn_least_pairs(int64_t pairs, int ranks, int64_t micro, bool sync);

/** Not collective: the same on all ranks. Refuse, as PyTorch does, a training or a probe
 *  in which some pass normalises one value a channel: its output is a constant and its
 *  gradient 0.
 *  @param chunk  pairs of the probe in one forward over all ranks
 *  @return ES_OK, ES_ECONFIG */
es_status es_bn_rows_check(const es_settings *s, const es_net *net, int64_t chunk,
                           int ranks);

#endif
