/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy_list.h  One line per way to read labels off features. No include guard:
 *  expanded several times. */
ES_ACCURACY(knn)
ES_ACCURACY(linear)
