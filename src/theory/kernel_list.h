/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_list.h  One line per kernel. No include guard: expanded several times. */
ES_KERNEL(linear)
ES_KERNEL(polynomial)
ES_KERNEL(rbf)
ES_KERNEL(laplace)
ES_KERNEL(arccos)
ES_KERNEL(ntk_relu)
