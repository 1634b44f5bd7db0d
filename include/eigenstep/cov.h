/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cov.h  Second moments of samples that are spread over the ranks by rows.
 *
 *  n_loc is the number of rows of this rank; it may differ between ranks and may be 0.
 *  N is the sum over ranks. Each product costs about n_loc d^2 flops a rank and 8 (N + d)
 *  d / P bytes. */
#ifndef ES_COV_H
#define ES_COV_H

#include "eigenstep/dmat.h"

/** Collective. Mean over all rows of all ranks: mean[d] = (1/N) sum_i z_i. N >= 1.
 *  @param z  [n_loc, d] row-major */
es_status es_cov_mean(const es_comm *comm, const double *z, int64_t n_loc, int d,
                      double *mean);

/** Collective. z less its mean over all rows, in place.
 *  @return ES_OK; ES_EARG (N = 0); ES_EMATH if an entry is not finite; ES_ENOMEM */
es_status es_cov_center(const es_comm *comm, double *z, int64_t n_loc, int d);

/** Collective. Covariance C = 1/(N-ddof) sum_i (z_i - m)(z_i - m)', m the mean of all
 *  rows -> new block-cyclic [d, d]. z is centred in place and left centred.
 *  @return ES_OK; ES_EARG (N <= ddof); ES_EMATH if an entry is not finite (names the
 *          row's rank); ES_ENOMEM */
es_status es_cov_covariance(const es_grid *g, double *z, int64_t n_loc, int d, int ddof,
                            es_dmat **c);

/** Collective. Second moment about zero C = 1/N sum_i z_i z_i', [d, d].
 *  @return as es_cov_covariance, ES_EARG for N = 0 */
es_status es_cov_moment(const es_grid *g, const double *z, int64_t n_loc, int d,
                        es_dmat **c);

/** Collective. Symmetrised cross-correlation C = 1/(2N) sum_i (a_i b_i' + b_i a_i'),
 *  [d, d]. The caller has centred or normalised a and b as it wants. */
es_status es_cov_cross(const es_grid *g, const double *a, const double *b, int64_t n_loc,
                       int d, es_dmat **c);

/** Collective. Gram matrix of the rows, c Z Z': its eigenvalues are those of c Z'Z [d, d]
 *  but for zeros, for less work where there are fewer rows than d. Its order is the
 *  number of ranks times the largest n_loc: a rank with fewer rows is padded with rows of
 *  zeros. */
es_status es_cov_gram(const es_grid *g, const double *z, int64_t n_loc, int d, double c,
                      es_dmat **gram);

#endif
