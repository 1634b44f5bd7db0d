/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_type.h  Elements of activations: f32 or bf16 in memory, f32 in registers.
 *
 *  Loops over activations are written once, with vectors of the compiler (GNU C, any
 *  processor), as inlined bodies whose element type and flags are constants of the
 *  caller. Only the two conversions of bf16 have a second form, for AVX-512. */
#ifndef ES_ONEDNN_TYPE_H
#define ES_ONEDNN_TYPE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

/** Elements of a vector: what one register of this processor holds. */
#if defined __AVX512F__
#define ES_LANES 16
#elif defined __AVX__
#define ES_LANES 8
#else
#define ES_LANES 4
#endif

typedef float es_vec __attribute__((vector_size(4 * ES_LANES)));
typedef int32_t es_ints __attribute__((vector_size(4 * ES_LANES))); /* of comparisons */
typedef uint32_t es_words __attribute__((vector_size(4 * ES_LANES)));
typedef uint16_t es_halves __attribute__((vector_size(2 * ES_LANES)));
typedef uint8_t es_bytes __attribute__((vector_size(ES_LANES)));

/** A body: with constant flags and counts, every call becomes its own loop. */
#define ES_BODY static inline __attribute__((always_inline))

/** Call with the constant `T` true or false, as the variable `bf16` is. */
#define ES_EITHER_TYPE(bf16, call)                                                       \
  do {                                                                                   \
    if (bf16) {                                                                          \
      enum { T = true };                                                                 \
      call;                                                                              \
    } else {                                                                             \
      enum { T = false };                                                                \
      call;                                                                              \
    }                                                                                    \
  } while (0)

/** Call for every vector of [first, end): it begins at c and has N elements, the constant
 *  ES_LANES but for a rest. */
#define ES_BY_VECTORS(first, end, call)                                                  \
  do {                                                                                   \
    const int64_t end_ = (end);                                                          \
    int64_t c = (first);                                                                 \
    for (; c + ES_LANES <= end_; c += ES_LANES) {                                        \
      enum { N = ES_LANES };                                                             \
      call;                                                                              \
    }                                                                                    \
    if (c < end_) {                                                                      \
      const int N = (int) (end_ - c);                                                    \
      call;                                                                              \
    }                                                                                    \
  } while (0)

ES_BODY es_vec es_widened(es_halves h) {
#if ES_LANES == 16
  return (es_vec) _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i) h), 16);
#else
  return (es_vec) (__builtin_convertvector(h, es_words) << 16);
#endif
}

/** To nearest, ties to even: the added half may carry up to infinity, as it should. A NaN
 *  could carry to any value: it is truncated, and its quiet bit set so that it stays a
 *  NaN. The instruction does the same, but values below 2^-126 become 0. */
ES_BODY es_halves es_narrowed(es_vec v) {
#ifdef __AVX512BF16__
  return (es_halves) _mm512_cvtneps_pbh((__m512) v);
#else
  const es_words u = (es_words) v, rounded = u + 0x7fffu + (u >> 16 & 1u);
  const es_words nan = (es_words) (v != v), quiet = u | 0x400000u;
  return __builtin_convertvector(((rounded & ~nan) | (quiet & nan)) >> 16, es_halves);
#endif
}

/** p[i ...] of a type; lanes from n on are 0. */
ES_BODY es_vec es_get(const bool bf16, const void *p, int64_t i, const int n) {
  if (bf16) {
    es_halves h = {0};
    memcpy(&h, (const uint16_t *) p + i, (size_t) n * sizeof(uint16_t));
    return es_widened(h);
  }
  es_vec v = {0};
  memcpy(&v, (const float *) p + i, (size_t) n * sizeof(float));
  return v;
}

/** p[i ... i + n - 1] = v */
ES_BODY void es_put(const bool bf16, void *p, int64_t i, es_vec v, const int n) {
  if (bf16) {
    const es_halves h = es_narrowed(v);
    memcpy((uint16_t *) p + i, &h, (size_t) n * sizeof(uint16_t));
  } else
    memcpy((float *) p + i, &v, (size_t) n * sizeof(float));
}

/** A byte a lane. In two steps, each of which is one instruction. */
ES_BODY es_words es_get_bytes(const unsigned char *p) {
  es_bytes b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(__builtin_convertvector(b, es_halves), es_words);
}

ES_BODY void es_put_bytes(unsigned char *p, es_words v) {
  const es_bytes b =
      __builtin_convertvector(__builtin_convertvector(v, es_halves), es_bytes);
  memcpy(p, &b, sizeof b);
}

/** v where `yes` (a comparison), else 0. */
ES_BODY es_vec es_where(es_ints yes, es_vec v) {
  return (es_vec) (yes & (es_ints) v);
}

/** A NaN stays a NaN. */
ES_BODY es_vec es_relu(es_vec v) {
  return es_where(~(v < 0.0f), v);
}

/** p + i of elements of a type. */
static inline const void *es_from(bool bf16, const void *p, int64_t i) {
  return (const char *) p + i * (bf16 ? 2 : 4);
}

static inline void *es_to(bool bf16, void *p, int64_t i) {
  return (char *) p + i * (bf16 ? 2 : 4);
}

#endif
