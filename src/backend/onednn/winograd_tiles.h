/* SPDX-License-Identifier: BSD-3-Clause */
/** @file winograd_tiles.h  The tiles of winograd.h, and their matrices. */
#ifndef ES_WINOGRAD_TILES_H
#define ES_WINOGRAD_TILES_H

/** Those of equal use in the order of preference. */
typedef enum es_tile {
  ES_TILE_WHOLE_2, /**< all of a map of 2 x 2, around which there are zeros */
  ES_TILE_WHOLE_3, /**< of 3 x 3 */
  ES_TILE_2,
  ES_TILE_3,
  ES_TILE_4,
  ES_TILE_4_BY_7, /**< by 7 x 7 points, with less rounding */
  ES_TILES
} es_tile;

/** Of a row or column of a tile. */
typedef struct es_tile_size {
  int positions, pixels, points;
} es_tile_size;

static const es_tile_size es_tile_sizes[ES_TILES] = {
    [ES_TILE_WHOLE_2] = {2, 2, 3}, [ES_TILE_WHOLE_3] = {3, 3, 5},
    [ES_TILE_2] = {2, 4, 4},       [ES_TILE_3] = {3, 5, 5},
    [ES_TILE_4] = {4, 6, 6},       [ES_TILE_4_BY_7] = {4, 6, 7}};

static inline int es_winograd_points(es_tile tile) {
  return es_tile_sizes[tile].points * es_tile_sizes[tile].points;
}

enum {
  ES_TILE_POINTS = 7, /* at most, and so are the next two */
  ES_TILE_PIXELS = 6,
  ES_TILE_POSITIONS = 4,
  ES_TILE_TAPS = 3
};

/** B', A' and G of winograd.h; what a tile has not is 0. For a filter g, the pixels x of
 *  a row and its position j, the sum over points p of
 *
 *    output[j][p] (filter[p] . g) (input[p] . x)
 *
 *  is the result of the convolution there. */
typedef struct es_tile_matrices {
  float input[ES_TILE_POINTS][ES_TILE_PIXELS];
  float output[ES_TILE_POSITIONS][ES_TILE_POINTS];
  float filter[ES_TILE_POINTS][ES_TILE_TAPS];
} es_tile_matrices;

/* Points of the fourth: 0, +-2/3, +-3/2, infinity, where rounding is half of that at 0,
 * +-1, +-2. */
#define P (2.0f / 3)
#define Q (3.0f / 2)
#define N_P (P * 2 * P * (P * P - Q * Q)) /* product of distances to the other points */
#define N_Q (Q * 2 * Q * (Q * Q - P * P))

static const es_tile_matrices es_tile_matrices_of[ES_TILES] = {
    /* y0 = g1 x0 + g2 x1 and y1 = g0 x0 + g1 x1: from g1 +- g2 and x0 +- x1 that and
       g1 x1 + g2 x0; then (g0 - g2) x0 */
    [ES_TILE_WHOLE_2] = {{{1, 1}, {1, -1}, {1, 0}},
                         {{1, 1, 0}, {1, -1, 1}},
                         {{0, .5f, .5f}, {0, .5f, -.5f}, {1, 0, -1}}},
    /* y are coefficients 1 to 3 of (g2 + g1 t + g0 t^2) (x0 + x1 t + x2 t^2); t^4 = 1
       changes the others alone. So at 1, at -1, and modulo t^2 + 1 by three products for
       the one of complex numbers */
    [ES_TILE_WHOLE_3] = {{{1, 1, 1}, {1, -1, 1}, {1, 0, -1}, {0, 1, 0}, {1, 1, -1}},
                         {{1, -1, -1, -1, 1}, {1, 1, -1, 1, 0}, {1, -1, 1, 1, -1}},
                         {{.25f, .25f, .25f},
                          {.25f, -.25f, .25f},
                          {-.5f, 0, .5f},
                          {0, .5f, 0},
                          {-.5f, .5f, .5f}}},
    /* interpolated at 0, 1, -1 and infinity */
    [ES_TILE_2] = {{{1, 0, -1, 0}, {0, 1, 1}, {0, -1, 1, 0}, {0, -1, 0, 1}},
                   {{1, 1, 1}, {0, 1, -1, 1}},
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
    /* as ES_TILE_WHOLE_3, transposed, and at 0 and infinity: a point more than needed,
       but none of its numbers is far from 1 */
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
