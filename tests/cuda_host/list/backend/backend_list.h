/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backend_list.h  The backends of a test program on the host double: `blas`, and
 *  `cuda` that is compared with it. No include guard: expanded several times. */
ES_BACKEND(blas)
ES_BACKEND(cuda)
