/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_type.c  Types of safetensors files and their conversion to f32. */
#include "safetensors_private.h"

#include <string.h>

#define CONVERT(name, type)                                                              \
  static void convert_##name(const void *in, int64_t n, float *out) {                    \
    const unsigned char *p = in;                                                         \
    for (int64_t i = 0; i < n; i++) {                                                    \
      type x;                                                                            \
      memcpy(&x, p + i * (int64_t) sizeof x, sizeof x);                                  \
      out[i] = (float) x;                                                                \
    }                                                                                    \
  }
CONVERT(f64, double)
CONVERT(f32, float)
CONVERT(i64, int64_t)
CONVERT(i32, int32_t)
CONVERT(i16, int16_t)
CONVERT(i8, int8_t)
CONVERT(u8, uint8_t)

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* The upper half of an f32. */
static void convert_bf16(const void *in, int64_t n, float *out) {
  const unsigned char *p = in;
  for (int64_t i = 0; i < n; i++) {
    out[i] = from_bits((uint32_t) p[2 * i] << 16 | (uint32_t) p[2 * i + 1] << 24);
  }
}

/* IEEE binary16: sign 1, exponent 5 (bias 15), fraction 10. */
static float half(uint32_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 0x3ffu;
  if (e == 31) return from_bits(sign | 0x7f800000u | m << 13);
  if (e > 0) return from_bits(sign | (e + 112) << 23 | m << 13);
  const float tiny = (float) m * 0x1p-24f; /* zero and subnormal numbers */
  return sign ? -tiny : tiny;
}

static void convert_f16(const void *in, int64_t n, float *out) {
  const unsigned char *p = in;
  for (int64_t i = 0; i < n; i++) out[i] = half(p[2 * i] | (uint32_t) p[2 * i + 1] << 8);
}

static const es_st_type types[] = {
    {"F32", 4, convert_f32},   {"F64", 8, convert_f64}, {"F16", 2, convert_f16},
    {"BF16", 2, convert_bf16}, {"I64", 8, convert_i64}, {"I32", 4, convert_i32},
    {"I16", 2, convert_i16},   {"I8", 1, convert_i8},   {"U8", 1, convert_u8},
    {"BOOL", 1, convert_u8},
};

const es_st_type *es_st_type_find(const char *name) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!strcmp(types[i].name, name)) return &types[i];
  }
  return NULL;
}
