/* SPDX-License-Identifier: BSD-3-Clause */
/** @file reference_tensor.h  Tensors of a reference that a generator in data/ wrote. */
#ifndef ES_TESTS_REFERENCE_TENSOR_H
#define ES_TESTS_REFERENCE_TENSOR_H

#include <stdio.h>
#include "eigenstep/mem.h"
#include "eigenstep/safetensors.h"

/** Tensor "<name>.<key>", which has `count` values; free with es_free. */
static float *reference_tensor(const es_safetensors *f, const char *name, const char *key,
                               int64_t count) {
  char full[128];
  es_st_tensor t;
  float *x;
  snprintf(full, sizeof full, "%s.%s", name, key);
  const int64_t at = es_safetensors_find(f, full);
  assert_true(at >= 0);
  es_safetensors_info(f, (size_t) at, &t);
  int64_t have = 1;
  for (int i = 0; i < t.ndim; i++) have *= t.dim[i];
  assert_true(have == count);
  assert_int_equal(ES_NEW(count, &x), ES_OK);
  assert_int_equal(es_safetensors_read(f, (size_t) at, x), ES_OK);
  return x;
}

#endif
