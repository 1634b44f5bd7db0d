/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_bf16.c  Elements of the `onednn` backend: bf16 to f32 is exact, f32 to bf16
 *  goes to the nearest, ties to even, and a NaN stays one. Values below 2^-126 may become
 *  0 on the way to bf16, as the instruction of some processors has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include "backend/onednn/onednn_type.h"

static float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static uint16_t narrowed(float f) {
  uint16_t h = 0;
  es_put(true, &h, 0, (es_vec){0} + f, 1);
  return h;
}

static float widened(uint16_t h) {
  float f = 0.0f;
  es_put(false, &f, 0, es_get(true, &h, 0, 1), 1);
  return f;
}

static void there_and_back(void **state) {
  (void) state;
  for (uint32_t h = 0; h <= 0xffffu; h++) {
    const float want = float_of(h << 16), got = widened((uint16_t) h);
    if (isnan(want)) {
      assert_true(isnan(got));
      assert_true(isnan(widened(narrowed(got))));
      continue;
    }
    assert_memory_equal(&got, &want, sizeof got);
    if (fabsf(want) >= 0x1p-126f) assert_int_equal(narrowed(got), h);
  }
}

/** Between two neighbours h and h + 1: less than half, a tie, more than half. */
static void nearest(void **state) {
  (void) state;
  for (uint32_t h = 0x0080; h < 0x7f80; h++)
    for (uint32_t sign = 0; sign <= 0x8000u; sign += 0x8000u) {
      const uint32_t low = h | sign;
      assert_int_equal(narrowed(float_of(low << 16 | 0x7fffu)), low);
      assert_int_equal(narrowed(float_of(low << 16 | 0x8000u)), low + (low & 1u));
      assert_int_equal(narrowed(float_of(low << 16 | 0x8001u)), low + 1);
    }
}

/** NaNs whose upper half alone would be infinite, or that would carry into the sign. */
static void nans(void **state) {
  (void) state;
  const uint32_t bits[] = {0x7f800001u, 0x7fffffffu, 0xff800001u,
                           0xffffffffu, 0x7f808000u, 0x7fc00000u};
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
    assert_true(isnan(widened(narrowed(float_of(bits[i])))));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(there_and_back),
      cmocka_unit_test(nearest),
      cmocka_unit_test(nans),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
