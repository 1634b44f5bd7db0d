/* SPDX-License-Identifier: BSD-3-Clause */
/** @file visit.c  Sizes of the items of a state visitor. */
#include "eigenstep/visit.h"

int64_t es_item_size(es_item_type t) {
  return t == ES_ITEM_F32 ? 4 : 8;
}

int64_t es_item_count(const es_item *item) {
  int64_t n = 1;
  for (int i = 0; i < item->ndim; i++) n *= item->dim[i];
  return n;
}
