/* SPDX-License-Identifier: BSD-3-Clause */
/** @file rng.c  Counter-based random numbers, Philox 4x32-10.
 *
 *  J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
 *  as 1, 2, 3", SC11. The key is the seed; the counter is laid out as
 *  {position, index low, index high, stream << 24 | sub}: a sequence is 2^32 blocks of
 *  four values, and no two sequences share a block. */
#include "eigenstep/rng.h"

#include <math.h>
#include <string.h>

#include "eigenstep/status.h"

enum {
  ROUNDS = 10,
  FEISTEL_ROUNDS = 8,
  TOGETHER = 64 /* blocks of numbers computed in vectors */
};

#define MULTIPLIER_0 UINT64_C(0xD2511F53)
#define MULTIPLIER_1 UINT64_C(0xCD9E8D57)
#define WEYL_0 UINT32_C(0x9E3779B9) /* golden ratio */
#define WEYL_1 UINT32_C(0xBB67AE85) /* sqrt(3) - 1 */

static const double two_pi = 6.283185307179586476925;

void es_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t a = MULTIPLIER_0 * c0;
    const uint64_t b = MULTIPLIER_1 * c2;
    c0 = (uint32_t) (b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t) b;
    c2 = (uint32_t) (a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t) a;
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

es_rng es_rng_at(uint64_t seed, es_stream stream, uint64_t index, uint32_t sub) {
  ES_ASSERT(sub < UINT32_C(1) << 24);
  return (es_rng){.key = {(uint32_t) seed, (uint32_t) (seed >> 32)},
                  .ctr = {0, (uint32_t) index, (uint32_t) (index >> 32),
                          (uint32_t) stream << 24 | sub},
                  .used = 4};
}

uint32_t es_rng_u32(es_rng *r) {
  if (r->used == 4) {
    es_philox(r->ctr, r->key, r->buf);
    r->ctr[0]++;
    r->used = 0;
  }
  return r->buf[r->used++];
}

static uint64_t next_u64(es_rng *r) {
  const uint64_t high = es_rng_u32(r);
  return high << 32 | es_rng_u32(r);
}

/** The upper 53 bits, in [0,1). */
static inline double fraction(uint64_t bits) {
  return (double) (bits >> 11) * 0x1p-53;
}

double es_rng_uniform(es_rng *r) {
  return fraction(next_u64(r));
}

double es_rng_range(es_rng *r, double lo, double hi) {
  const double x = lo + (hi - lo) * es_rng_uniform(r);
  return x < hi || hi <= lo ? x : nextafter(hi, lo); /* the sum may round up to hi */
}

uint64_t es_rng_below(es_rng *r, uint64_t n) {
  ES_ASSERT(n >= 1);
  const uint64_t reject = (UINT64_MAX - n + 1) % n; /* 2^64 mod n: values to reject */
  uint64_t x = next_u64(r);
  while (x < reject) x = next_u64(r);
  return x % n;
}

double es_rng_normal(es_rng *r) {
  const double u = 1.0 - es_rng_uniform(r); /* in (0,1]: its logarithm is finite */
  const double angle = two_pi * es_rng_uniform(r);
  return sqrt(-2.0 * log(u)) * cos(angle);
}

/** es_philox of TOGETHER consecutive blocks: numbers side by side, round by round. */
static void philox_blocks(const es_rng *r, uint32_t c[4][TOGETHER]) {
  uint32_t k0 = r->key[0], k1 = r->key[1];
  for (uint32_t i = 0; i < TOGETHER; i++) {
    c[0][i] = r->ctr[0] + i;
    for (int j = 1; j < 4; j++) c[j][i] = r->ctr[j];
  }
  for (int round = 0; round < ROUNDS; round++, k0 += WEYL_0, k1 += WEYL_1)
#pragma omp simd
    for (int i = 0; i < TOGETHER; i++) {
      const uint64_t a = MULTIPLIER_0 * c[0][i], b = MULTIPLIER_1 * c[2][i];
      c[0][i] = (uint32_t) (b >> 32) ^ c[1][i] ^ k0;
      c[1][i] = (uint32_t) b;
      c[2][i] = (uint32_t) (a >> 32) ^ c[3][i] ^ k1;
      c[3][i] = (uint32_t) a;
    }
}

/** x[i] = the number that es_rng_normal makes of block i from r's position on. */
static void normals_of_blocks(const es_rng *r, int n, double *x) {
  uint32_t c[4][TOGETHER];
  double u[TOGETHER], angle[TOGETHER];
  philox_blocks(r, c);
#pragma omp simd
  for (int i = 0; i < TOGETHER; i++) {
    u[i] = 1.0 - fraction((uint64_t) c[0][i] << 32 | c[1][i]);
    angle[i] = two_pi * fraction((uint64_t) c[2][i] << 32 | c[3][i]);
  }
  for (int i = 0; i < n; i++) x[i] = sqrt(-2.0 * log(u[i])) * cos(angle[i]);
}

void es_rng_normals(es_rng *r, int64_t n, double *x) {
  ES_ASSERT(r->used == 4);
  for (int64_t i = 0; i < n; i += TOGETHER) {
    const int count = n - i < TOGETHER ? (int) (n - i) : TOGETHER;
    normals_of_blocks(r, count, x + i);
    r->ctr[0] += (uint32_t) count;
  }
}

void es_rng_skip(es_rng *r, uint32_t blocks) {
  ES_ASSERT(r->used == 4);
  r->ctr[0] += blocks;
}

/** A keyed permutation of [0, 4^half): a balanced Feistel network of two halves. */
static uint64_t feistel(const uint32_t key[2], uint64_t epoch, int half, uint64_t x) {
  const uint64_t mask = (UINT64_C(1) << half) - 1;
  uint64_t left = x >> half, right = x & mask;
  for (uint32_t round = 0; round < FEISTEL_ROUNDS; round++) {
    const uint32_t ctr[4] = {(uint32_t) right, (uint32_t) epoch, (uint32_t) (epoch >> 32),
                             (uint32_t) ES_STREAM_SHUFFLE << 24 | round};
    uint32_t f[4];
    es_philox(ctr, key, f);
    const uint64_t mixed = (left ^ f[0]) & mask;
    left = right;
    right = mixed;
  }
  return left << half | right;
}

uint64_t es_permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t i) {
  ES_ASSERT(i < n && n <= UINT64_C(1) << 63);
  if (n <= 1) return 0;
  const uint32_t key[2] = {(uint32_t) seed, (uint32_t) (seed >> 32)};
  int half = 1;
  while (half < 32 && (n - 1) >> (2 * half) != 0) half++;
  /* Cycle walking: apply the permutation until the value is in [0, n). The domain is at
   * most 4 n, so this takes fewer than four rounds on average; it remains a bijection. */
  uint64_t x = feistel(key, epoch, half, i);
  while (x >= n) x = feistel(key, epoch, half, x);
  return x;
}
