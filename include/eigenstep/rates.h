/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rates.h  How fast a linear model grows from a small start under VICReg and
 *  NT-Xent: the matrix G of the linearised flow dW/dt = W G.
 *
 *  Eigenvalue g_j of G is the rate of the amplitude of its mode, so eigenvalue j of the
 *  embedding covariance grows as e^(2 g_j t). It holds while the embeddings are small:
 *  their variance below eps (VICReg), dot products below T (NT-Xent). For Barlow Twins
 *  G = 4 Gamma (see flow.h). */
#ifndef ES_RATES_H
#define ES_RATES_H

#include "eigenstep/descent.h"
#include "eigenstep/dmat.h"

/** Collective. VICReg, inv MSE + var [mean of both views' mean hinges] + ...:
 *  G = (1/d) [(var / sqrt(eps)) Sbar - 2 inv D], Sbar the mean covariance of the views
 *  (ddof 1), D = (1/N) sum (x - x')(x - x')'. The covariance term is of order W^4.
 *  @param p  N >= 2 pairs
 *  @param d  width of the embedding
 *  @param g  new [m, m]; caller frees
 *  @return ES_OK, ES_EARG, ES_ENOMEM: the same on all ranks */
es_status es_rates_vicreg(const es_grid *grid, const es_pairs *p, int d, double inv,
                          double var, double eps, es_dmat **g);

/** Collective. NT-Xent over all 2N views, mean over the 2N anchors:
 *  G = (2 / T) Gamma_eff, Gamma_eff = Gamma - [2N xbar xbar' - S2] / (2N - 1), xbar and
 *  S2 the mean of x and of x x' over all views.
 *  @param length  0: dot products. |fbar| > 0: cosines, about a start at which all
 *                 embeddings are near one point fbar; then G, over |fbar|^2, holds in the
 *                 d - 1 directions across fbar, and along it nothing moves */
es_status es_rates_ntxent(const es_grid *grid, const es_pairs *p, double temperature,
                          double length, es_dmat **g);

/** The losses at the start: var (1 - sqrt(eps)); ln(2N - 1). */
double es_rates_vicreg_start(double var, double eps);
double es_rates_ntxent_start(int64_t pairs);

#endif
