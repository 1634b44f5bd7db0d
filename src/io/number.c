/* SPDX-License-Identifier: BSD-3-Clause */
/** @file number.c  Numbers of files as f64. For little-endian machines. */
#include "number.h"

#include <math.h>
#include <string.h>

bool es_number_exists(es_number t) {
  switch (t.class) {
  case ES_NUMBER_FLOAT:
    return t.size == 2 || t.size == 4 || t.size == 8;
  case ES_NUMBER_BFLOAT:
    return t.size == 2;
  default:
    return t.size == 1 || t.size == 2 || t.size == 4 || t.size == 8;
  }
}

/* The bytes of one number, least significant first, in the low bits. */
static uint64_t load(const unsigned char *p, int size, bool swapped) {
  uint64_t x = 0;
  for (int i = 0; i < size; i++) x |= (uint64_t) p[swapped ? size - 1 - i : i] << (8 * i);
  return x;
}

static double from_f32(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* IEEE binary16: sign 1, exponent 5 (bias 15), fraction 10. */
static double from_f16(uint32_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, e = h >> 10 & 31, m = h & 0x3ffu;
  if (e == 31) return from_f32(sign | 0x7f800000u | m << 13);
  if (e > 0) return from_f32(sign | (e + 112) << 23 | m << 13);
  const double tiny = (double) m * 0x1p-24; /* zero and subnormal numbers */
  return sign ? -tiny : tiny;
}

static double from_float(uint64_t bits, int size) {
  double x;
  if (size == 2) return from_f16((uint32_t) bits);
  if (size == 4) return from_f32((uint32_t) bits);
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Two's complement of so many bytes. */
static double from_signed(uint64_t bits, int size) {
  const int unused = 64 - 8 * size;
  return (double) ((int64_t) (bits << unused) >> unused);
}

static double value(es_number t, const unsigned char *p) {
  const uint64_t bits = load(p, t.size, t.swapped);
  switch (t.class) {
  case ES_NUMBER_FLOAT:
    return from_float(bits, t.size);
  case ES_NUMBER_BFLOAT:
    return from_f32((uint32_t) bits << 16);
  case ES_NUMBER_SIGNED:
    return from_signed(bits, t.size);
  case ES_NUMBER_UNSIGNED:
    return (double) bits;
  }
  return NAN;
}

void es_number_to_f64(es_number t, const void *in, int64_t n, double *out) {
  const unsigned char *p = in;
  for (int64_t i = 0; i < n; i++, p += t.size) out[i] = value(t, p);
}
