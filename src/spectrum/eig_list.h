/* SPDX-License-Identifier: BSD-3-Clause */
/** @file eig_list.h  One line per eigensolver. No include guard: expanded several
   times. */
ES_EIG(syevd)
ES_EIG(syevr)
ES_EIG(subspace)
ES_EIG(serial)
#ifdef HAVE_ELPA
ES_EIG(elpa)
#endif
