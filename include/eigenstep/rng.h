/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rng.h  Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC11). A
 *  value is a function of (seed, stream, counter) only, so results do not depend on the
 *  number of ranks or threads. Nothing here is collective. */
#ifndef ES_RNG_H
#define ES_RNG_H

#include <stdint.h>

/** Purpose of a stream: the top bits of the Philox counter, so that streams never
 *  overlap. */
typedef enum es_stream {
  ES_STREAM_INIT = 1,    /**< weights: index = parameter, counter = element */
  ES_STREAM_SHUFFLE = 2, /**< epoch permutation */
  ES_STREAM_AUGMENT = 3, /**< index = sample, sub = epoch and view */
  ES_STREAM_DATA = 4,    /**< generated data sets: index = sample */
  ES_STREAM_EIG = 5,     /**< start vectors */
  ES_STREAM_TEST = 6,
  ES_STREAM_LOSS = 7,      /**< index = training step, sub = direction */
  ES_STREAM_BOOTSTRAP = 8, /**< index = sample drawn */
  ES_STREAM_NTK = 9        /**< combinations of outputs: index = combination */
} es_stream;

/** State of one sequence; a copy replays it. */
typedef struct es_rng {
  uint32_t key[2]; /**< from the seed */
  uint32_t ctr[4]; /**< {position, index low, index high, stream and sub} */
  uint32_t buf[4]; /**< the current block of four */
  int used;        /**< values of buf already returned */
} es_rng;

/** One Philox 4x32-10 block: out = f(ctr, key). */
void es_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/** The sequence of (seed, stream, index, sub); index < 2^63, sub < 2^24. */
es_rng es_rng_at(uint64_t seed, es_stream stream, uint64_t index, uint32_t sub);

/** Uniform 32-bit integer. */
uint32_t es_rng_u32(es_rng *r);
/** Uniform in [0,1), 53 bits. */
double es_rng_uniform(es_rng *r);
/** Uniform in [lo, hi). */
double es_rng_range(es_rng *r, double lo, double hi);
/** Uniform integer in [0, n), n >= 1, unbiased. */
uint64_t es_rng_below(es_rng *r, uint64_t n);
/** Standard normal (Box-Muller; consumes two uniforms a call and stores none). */
double es_rng_normal(es_rng *r);
/** The numbers of n calls of es_rng_normal, equal to the bit, several times as fast. Each
 *  is made of a block of its own: before any other call, or after a multiple of four
 *  32-bit integers. */
void es_rng_normals(es_rng *r, int64_t n, double *x);
/** Leave out `blocks` blocks of four 32-bit integers: as many normal numbers, twice as
 *  many uniform ones. Where es_rng_normals is allowed. */
void es_rng_skip(es_rng *r, uint32_t blocks);

/** Position of `i` in a pseudo-random permutation of [0,n) keyed by (seed, epoch):
 *  a Feistel network with cycle walking; O(1), no table. */
uint64_t es_permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t i);

#endif
