/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_algo_registry.c  The algorithms of this build. */
#include "conv_algo.h"

static const es_conv_algo_ops *const algos[] = {
#define ES_CONV_ALGO(n) &es_conv_algo_##n,
#include "conv_algo_list.h"
#undef ES_CONV_ALGO
};

size_t es_conv_algo_list(const es_conv_algo_ops *const **list) {
  *list = algos;
  return sizeof algos / sizeof algos[0];
}
