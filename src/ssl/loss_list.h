/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_list.h  One line per self-supervised loss. No include guard: expanded
 * several times. */
ES_LOSS(barlow)
ES_LOSS(vicreg)
ES_LOSS(simclr)
