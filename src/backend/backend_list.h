/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backend_list.h  One line per backend in this build, best first: "auto" takes the
 *  first. No include guard: expanded several times. */
#ifdef HAVE_ONEDNN
ES_BACKEND(onednn)
#endif
ES_BACKEND(blas)
ES_BACKEND(guard)
#ifdef HAVE_CUDA
ES_BACKEND(cuda)
#endif
