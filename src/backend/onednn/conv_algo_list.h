/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_list.h  One line per algorithm for convolutions. No include guard:
 *  expanded several times. */
ES_CONV_ALGO(product)
ES_CONV_ALGO(dense)
ES_CONV_ALGO(direct)
ES_CONV_ALGO(unrolled)
ES_CONV_ALGO(winograd)
