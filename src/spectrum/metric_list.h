/* SPDX-License-Identifier: BSD-3-Clause */
/** @file metric_list.h  One line per spectrum metric. No include guard: expanded
 *  several times. */
ES_METRIC(effective_rank)
ES_METRIC(rankme)
ES_METRIC(participation_ratio)
ES_METRIC(stable_rank)
ES_METRIC(numerical_rank)
ES_METRIC(modes_learned)
ES_METRIC(alpha)
ES_METRIC(alpha_r2)
ES_METRIC(above_flat)
ES_METRIC(condition_number)
ES_METRIC(unit_std)
ES_METRIC(alignment)
ES_METRIC(uniformity)
ES_METRIC(lidar)
