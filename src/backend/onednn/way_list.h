/* SPDX-License-Identifier: BSD-3-Clause */
/** @file way_list.h  One line per way of computing a convolution. No include guard:
 *  expanded several times. */
ES_WAY(product)
ES_WAY(dense)
ES_WAY(direct)
ES_WAY(unrolled)
ES_WAY(winograd)
