/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sched_list.h  One line per variant. No include guard: expanded several times. */
ES_SCHED(constant)
ES_SCHED(cosine)
