/* SPDX-License-Identifier: BSD-3-Clause */
/** @file number.c  Numbers of the types that products and convolutions take. */
#include <math.h>
#include <string.h>
#include "host.h"

static uint32_t bits_of(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

static float from_bits(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

/** Without its last `drop` bits, to nearest, ties to even; a NaN stays one. */
static uint32_t rounded(float v, int drop) {
  const uint32_t bits = bits_of(v), half = (uint32_t) 1 << (drop - 1);
  if (isnan(v)) return bits | (uint32_t) 1 << 22;
  return (bits + half - 1 + (bits >> drop & 1)) & ~(2 * half - 1);
}

float cuda_host_tf32(float v) {
  return from_bits(rounded(v, 13));
}

float cuda_host_load(cudaDataType type, const void *p, int64_t i) {
  if (type == CUDA_R_32F) return ((const float *) p)[i];
  return from_bits((uint32_t) ((const uint16_t *) p)[i] << 16);
}

void cuda_host_store(cudaDataType type, void *p, int64_t i, float v) {
  if (type == CUDA_R_32F)
    ((float *) p)[i] = v;
  else
    ((uint16_t *) p)[i] = (uint16_t) (rounded(v, 16) >> 16);
}
