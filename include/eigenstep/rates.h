/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rates.h  Growth matrices: symmetric G [m, m] made of pairs of views, whose
 *  eigenvalues are growth rates of a linear model at a small start, dW/dt = W G. Which
 *  matrix belongs to which loss the losses say themselves (loss_theory.h).
 *
 *  Everything is made of the half sum h = (x + x')/2 and the half difference
 *  e = (x - x')/2 of the views of a pair, rows of H and E [N, m]; Hc and Ec are H and E
 *  less their means over the pairs. Then
 *    Gamma = (1/2N) sum (x x'^T + x' x^T)           = (H'H - E'E) / N,
 *    mean second moment of both views               = (H'H + E'E) / N,
 *    mean covariance of the views, ddof 1           = (Hc'Hc + Ec'Ec) / (N - 1),
 *    D = (1/N) sum (x - x') (x - x')^T              = 4 E'E / N,
 *  and with each view less its own mean Gamma is (Hc'Hc - Ec'Ec) / N. */
#ifndef ES_RATES_H
#define ES_RATES_H

#include "eigenstep/descent.h"
#include "eigenstep/dmat.h"

/** Weights of G = sum H'H + sum_centred Hc'Hc + diff_centred Ec'Ec + diff E'E. */
typedef struct es_rates_terms {
  double sum, sum_centred, diff_centred, diff;
} es_rates_terms;

/** Collective. A vector added to all views costs no digits of the centred terms. Each
 *  term that is not 0 is a pdsyrk of rows that stay spread over ranks.
 *  @param p  N >= 2 pairs
 *  @param g  new [m, m]; caller frees
 *  @return ES_OK, ES_EARG, ES_ENOMEM: the same on all ranks */
es_status es_rates_matrix(const es_grid *grid, const es_pairs *p, const es_rates_terms *t,
                          es_dmat **g);

#endif
