/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backend_list.h  The backends of a test program on the host double: `cuda`, and
 *  `blas` that it is compared with. No include guard: expanded several times. */
ES_BACKEND(cuda)
ES_BACKEND(blas)
