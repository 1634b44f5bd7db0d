/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_state.c  Workspace that all plans of a backend share. */
#include "onednn_state.h"

es_status es_onednn_reserve(es_backend *b, size_t bytes) {
  es_onednn *s = b->impl;
  if (bytes <= s->scratch_size) return ES_OK;
  void *grown = NULL;
  ES_TRY(es_blas_alloc(b, bytes, "scratch of the backend", &grown));
  es_blas_release(b, &s->scratch);
  s->scratch = grown;
  s->scratch_size = bytes;
  return ES_OK;
}

es_status es_onednn_reserve_packed(es_backend *b, size_t bytes) {
  es_onednn *s = b->impl;
  if (bytes <= s->packed_size) return ES_OK;
  void *grown = NULL;
  ES_TRY(es_blas_alloc(b, bytes, "packed weights", &grown));
  es_blas_release(b, &s->packed);
  s->packed = grown;
  s->packed_size = bytes;
  s->packed_by = NULL;
  return ES_OK;
}

es_status es_onednn_trim(es_backend *b, size_t scratch, size_t packed) {
  es_onednn *s = b->impl;
  if (s->scratch_size > scratch) {
    es_blas_release(b, &s->scratch);
    s->scratch_size = 0;
  }
  if (s->packed_size > packed) {
    es_blas_release(b, &s->packed);
    s->packed_size = 0;
    s->packed_by = NULL;
  }
  ES_TRY(es_onednn_reserve(b, scratch));
  return es_onednn_reserve_packed(b, packed);
}

void *es_onednn_scratch(const es_backend *b) {
  return ((const es_onednn *) b->impl)->scratch;
}
