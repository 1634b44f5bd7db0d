/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_list.h  One line per variant. No include guard: expanded several times. */
ES_OPTIM(sgd)
ES_OPTIM(lars)
ES_OPTIM(adamw)
ES_OPTIM(muon)
