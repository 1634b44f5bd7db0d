/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_vec.c  Plain f32 vectors, the orthogonal factor of a matrix. */
#include "cuda_state.h"

static es_status products(es_backend *b, es_cuda_gram a) {
  const es_cuda *s = es_cuda_of(b);
  a.parts = s->parts;
  return es_cuda_ok(es_cuda_sum_products(s->stream, &a), "product of vectors");
}

es_status es_cuda_dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                      es_buf64 r) {
  return products(b, (es_cuda_gram){.n = n, .x = x, .y = y, .dot = true, .r = r});
}

es_status es_cuda_gram_of(es_backend *b, size_t n, const es_buf x, const es_buf y,
                          es_buf64 r) {
  return products(b, (es_cuda_gram){.n = n, .x = x, .y = y, .r = r});
}

es_status es_cuda_scale_by(es_backend *b, size_t n, double alpha, es_buf x) {
  return es_cuda_ok(es_cuda_scale(es_cuda_of(b)->stream, n, (float) alpha, x), "scaling");
}

es_status es_cuda_add_to(es_backend *b, size_t n, const es_buf x, es_buf y) {
  return es_cuda_ok(es_cuda_add(es_cuda_of(b)->stream, n, x, y), "sum of vectors");
}

/* --- orthogonal factor: es_orthogonal_args ----------------------------------------- */

static const float linear = 3.4445f, cubic = -4.7750f, quintic = 2.0315f;

/** x / (|x|_F + 1e-7), without the host. */
static es_status normalize(es_backend *b, size_t n, es_buf x) {
  const es_cuda *s = es_cuda_of(b);
  double *const square = s->parts + 3 * ES_CUDA_PARTS;
  ES_TRY(es_cuda_zero(b, square, sizeof *square));
  ES_TRY(es_cuda_dot(b, n, x, x, square));
  return es_cuda_ok(es_cuda_normalize(s->stream, n, square, x), "scaling");
}

es_status es_cuda_orthogonalize(es_backend *b, const es_orthogonal_args *a, es_buf x,
                                es_buf work) {
  const bool tall = a->rows > a->cols;
  const int64_t m = tall ? a->cols : a->rows, n = tall ? a->rows : a->cols;
  const size_t count = (size_t) (m * n), square = (size_t) (m * m);
  float *const y = work, *const s = y + count, *const p = s + square;
  const es_cuda_product gram = {.m = m,
                                .n = m,
                                .k = n,
                                .a = x,
                                .b = x,
                                .c = s,
                                .a_transposed = tall,
                                .b_transposed = !tall};
  const es_cuda_product squared = {.m = m, .n = m, .k = m, .a = s, .b = s, .c = p};
  const es_cuda_product next = {.m = a->rows,
                                .n = a->cols,
                                .k = m,
                                .a = tall ? y : p,
                                .b = tall ? p : y,
                                .c = x,
                                .beta = linear};
  const es_cuda_axpby mix = {square, cubic, quintic, s, p};
  ES_TRY(normalize(b, count, x));
  for (int k = 0; k < a->iterations; k++) {
    ES_TRY(es_cuda_multiply(b, &gram));
    ES_TRY(es_cuda_multiply(b, &squared));
    ES_TRY(es_cuda_ok(es_cuda_combine(es_cuda_of(b)->stream, &mix), "sum of matrices"));
    ES_TRY(es_cuda_copy(b, y, x, count));
    ES_TRY(es_cuda_multiply(b, &next));
  }
  return ES_OK;
}
