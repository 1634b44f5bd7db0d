/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_list.h  One line per self-supervised loss. No include guard: expanded
 * several times. */
ES_LOSS(barlow)
ES_LOSS(barlow_logdet)
ES_LOSS(vicreg)
ES_LOSS(simclr)
ES_LOSS(spectral)
ES_LOSS(wmse)
ES_LOSS(corinfomax)
ES_LOSS(lejepa)
ES_LOSS(directpred)
ES_LOSS(isoloss)
