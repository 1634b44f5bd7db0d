/* SPDX-License-Identifier: BSD-3-Clause */
/** @file symmetric_product.h  A symmetric matrix times a few vectors. With so few the
 *  product takes as long as reading a large matrix; this one reads half of it, once,
 *  where a BLAS even copies it first. */
#ifndef ES_SYMMETRIC_PRODUCT_H
#define ES_SYMMETRIC_PRODUCT_H

#include "eigenstep/dmat.h"

/** Does this build have the registers without which a BLAS is as fast? */
#if defined __AVX512F__ || (defined __AVX2__ && defined __FMA__)
enum { ES_SYMMETRIC_PAYS = 1 };
#else
enum { ES_SYMMETRIC_PAYS = 0 };
#endif

enum { ES_SYMMETRIC_MOST = 32 /**< vectors */ };

typedef struct es_symmetric {
  const es_dmat *a;                 /**< borrowed */
  int threads;                      /**< of OpenMP */
  double *y;                        /**< [threads][ES_SYMMETRIC_MOST][n] */
  struct es_symmetric_panel *panel; /**< of each thread some */
} es_symmetric;

/** Not collective. es_symmetric_close also after a failure. @return ES_OK, ES_ENOMEM */
es_status es_symmetric_open(const es_dmat *a, int threads, es_symmetric *s);
void es_symmetric_close(es_symmetric *s);

/** Not collective. x [b][n], whole, becomes this rank's share of A X, from its blocks on
 *  and below the diagonal: the sum over ranks is A X. */
void es_symmetric_product(const es_symmetric *s, int b, double *x);

#endif
