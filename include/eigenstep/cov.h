/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cov.h  Covariance and cross-correlation of distributed samples. */
#ifndef ES_COV_H
#define ES_COV_H

#include "eigenstep/dmat.h"

/** Collective. Mean over all rows of all ranks: mean[d] = (1/N) sum_i z_i. N >= 1.
 *  @param z  [n_loc, d] row-major; n_loc may differ, may be 0 */
es_status es_cov_mean(const es_comm *comm, const double *z, int64_t n_loc, int d,
                      double *mean);

/** Collective. Covariance C = 1/(N-ddof) sum_i (z_i - m)(z_i - m)' -> new block-cyclic
 *  [d, d]. z is centred about m in place if m is not NULL (and left centred).
 *  @return ES_OK; ES_EARG (N <= ddof); ES_EMATH if an entry is not finite (names the
 *          row's rank) Cost: n_loc d^2 flops a rank, memory 8 (N + d) d / P bytes. */
es_status es_cov_covariance(const es_grid *g, double *z, int64_t n_loc, int d,
                            const double *m, int ddof, es_dmat **c);

/** Collective. Symmetrised cross-correlation C = 1/(2N) sum_i (a_i b_i' + b_i a_i'),
 *  [d, d]. The caller has centred or normalised a and b as it wants. */
es_status es_cov_cross(const es_grid *g, const double *a, const double *b, int64_t n_loc,
                       int d, es_dmat **c);

/** Collective. Scalar products of all pairs of rows, c Z Z': its eigenvalues are those of
 *  c Z'Z [d, d] but for zeros, for less work where there are fewer rows than d. Its order
 *  is the tallest rank's number of rows times the ranks: shorter ones have rows of zeros
 *  in it. */
es_status es_cov_gram(const es_grid *g, const double *z, int64_t n_loc, int d, double c,
                      es_dmat **gram);

#endif
