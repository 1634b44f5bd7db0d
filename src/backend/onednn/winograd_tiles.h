/* SPDX-License-Identifier: BSD-3-Clause */
/** @file winograd_tiles.h  The matrices of the tiles of winograd.h; for winograd.c alone.
 *
 *  `input` is B' [points, pixels], `output` A' [positions, points], `filter` G [points, 3];
 *  what a matrix has not is 0. For all filters g and pixels x of a row, with positions j,
 *
 *    sum over points p of output[j][p] (filter[p] . g) (input[p] . x) = row j of the
 *    convolution */
#ifndef ES_WINOGRAD_TILES_H
#define ES_WINOGRAD_TILES_H

#include "winograd.h"

enum { MOST_POINTS = 7, MOST_PIXELS = 6, MOST_POSITIONS = 4, TAPS = 3 };

typedef struct tile_matrices {
  float input[MOST_POINTS][MOST_PIXELS];
  float output[MOST_POSITIONS][MOST_POINTS];
  float filter[MOST_POINTS][TAPS];
} tile_matrices;

/* Points of the fourth: 0, +-2/3, +-3/2, infinity, where rounding is half of that at 0,
 * +-1, +-2. */
#define P (2.0f / 3)
#define Q (3.0f / 2)
#define N_P (P * 2 * P * (P * P - Q * Q)) /* product of distances to the other points */
#define N_Q (Q * 2 * Q * (Q * Q - P * P))

static const tile_matrices matrices_of[ES_TILES] = {
    /* y0 = g1 x0 + g2 x1 and y1 = g0 x0 + g1 x1: from g1 +- g2 and x0 +- x1 that and
       g1 x1 + g2 x0; then (g0 - g2) x0 */
    [ES_TILE_WHOLE_2] = {{{1, 1}, {1, -1}, {1, 0}},
                         {{1, 1, 0}, {1, -1, 1}},
                         {{0, .5f, .5f}, {0, .5f, -.5f}, {1, 0, -1}}},
    /* y are coefficients 1 to 3 of (g2 + g1 t + g0 t^2) (x0 + x1 t + x2 t^2), of which
       t^4 = 1 changes the others alone: at 1, at -1, and modulo t^2 + 1 by three products
       for the one of complex numbers */
    [ES_TILE_WHOLE_3] = {{{1, 1, 1}, {1, -1, 1}, {1, 0, -1}, {0, 1, 0}, {1, 1, -1}},
                         {{1, -1, -1, -1, 1}, {1, 1, -1, 1, 0}, {1, -1, 1, 1, -1}},
                         {{.25f, .25f, .25f},
                          {.25f, -.25f, .25f},
                          {-.5f, 0, .5f},
                          {0, .5f, 0},
                          {-.5f, .5f, .5f}}},
    /* interpolated at 0, 1, -1 and infinity */
    [ES_TILE_2] = {{{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}},
                   {{1, 1, 1, 0}, {0, 1, -1, 1}},
                   {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}}},
    /* at 0, 1, -1, -2 and infinity */
    [ES_TILE_3] = {{{-2, -1, 2, 1, 0},
                    {0, 2, 3, 1, 0},
                    {0, -2, 1, 1, 0},
                    {0, -1, 0, 1, 0},
                    {0, -2, -1, 2, 1}},
                   {{1, 1, 1, 1, 0}, {0, 1, -1, -2, 0}, {0, 1, 1, 4, 1}},
                   {{-.5f, 0, 0},
                    {1.0f / 6, 1.0f / 6, 1.0f / 6},
                    {.5f, -.5f, .5f},
                    {-1.0f / 6, 1.0f / 3, -2.0f / 3},
                    {0, 0, 1}}},
    [ES_TILE_4] = {{{1, 0, -(P *P + Q * Q), 0, 1, 0},
                    {0, -Q, -Q *Q, P, 1, 0},
                    {0, Q, -Q *Q, -P, 1, 0},
                    {0, -P, -P *P, Q, 1, 0},
                    {0, P, -P *P, -Q, 1, 0},
                    {0, 1, 0, -(P *P + Q * Q), 0, 1}},
                   {{1, 1, 1, 1, 1, 0},
                    {0, P, -P, Q, -Q, 0},
                    {0, P *P, P *P, Q *Q, Q *Q, 0},
                    {0, P *P *P, -P *P *P, Q *Q *Q, -Q *Q *Q, 1}},
                   {{1, 0, 0},
                    {1 / N_P, P / N_P, P *P / N_P},
                    {1 / N_P, -P / N_P, P *P / N_P},
                    {1 / N_Q, Q / N_Q, Q *Q / N_Q},
                    {1 / N_Q, -Q / N_Q, Q *Q / N_Q},
                    {0, 0, 1}}},
    /* as ES_TILE_WHOLE_3, transposed, and at 0 and infinity: a point more than are needed,
       but none of its numbers are far from 1 */
    [ES_TILE_4_BY_7] = {{{0, 1, 1, 1, 1, 0},
                         {0, -1, 1, -1, 1, 0},
                         {0, -1, -1, 1, 1, 0},
                         {0, -1, 1, 1, -1, 0},
                         {0, 1, 0, -1, 0, 0},
                         {1, 0, 0, 0, -1, 0},
                         {0, -1, 0, 0, 0, 1}},
                        {{1, 1, 1, 0, 1, 1, 0},
                         {1, -1, 0, 1, 1, 0, 0},
                         {1, 1, -1, 0, -1, 0, 0},
                         {1, -1, 0, -1, -1, 0, 1}},
                        {{.25f, .25f, .25f},
                         {.25f, -.25f, .25f},
                         {.5f, 0, -.5f},
                         {0, .5f, 0},
                         {.5f, .5f, -.5f},
                         {1, 0, 0},
                         {0, 0, 1}}},
};

#undef P
#undef Q
#undef N_P
#undef N_Q

#endif
