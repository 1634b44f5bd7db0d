/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy_list.h  One line per classifier on frozen features. No include guard:
 *  expanded several times. */
ES_ACCURACY(knn)
ES_ACCURACY(linear)
