/* SPDX-License-Identifier: BSD-3-Clause */
/** @file packed.c  Packing: see packed.h. A word is 32 bits of a column: two
 *  elements of bf16, the even row in the lower half, or one of f32. */
#include "packed.h"

#include "onednn_type.h"

enum { ROWS = 16 }; /* of words, filled up together */

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

/** Elements of a column in a word. */
static int together(const es_packed *p) {
  return p->bf16 ? 2 : 1;
}

/** Rows of words of a block. */
static int64_t height(const es_packed *p) {
  return up(p->rows, ROWS * together(p)) / together(p);
}

/** row[at ...], 0 from `end` on. */
ES_BODY es_vec load_part(const float *row, int64_t at, int64_t end) {
  const int64_t n = end - at;
  if (n >= ES_LANES) return es_get(false, row, at, ES_LANES);
  return n > 0 ? es_get(false, row, at, (int) n) : (es_vec){0};
}

/** Two rows side by side: a word for each column. */
ES_BODY es_words paired(es_vec even, es_vec odd) {
  const es_words low = __builtin_convertvector(es_narrowed(even), es_words);
  return low | __builtin_convertvector(es_narrowed(odd), es_words) << 16;
}

/** Consecutive elements of a column: its words. */
ES_BODY es_words joined(es_vec first, es_vec second) {
  const es_halves half[2] = {es_narrowed(first), es_narrowed(second)};
  es_words w;
  memcpy(&w, half, sizeof w);
  return w;
}

/** Transpose in place. Swaps ever larger squares about the diagonal. */
ES_BODY void transpose(es_words m[ES_LANES]) {
#ifdef __AVX512F__
  const es_words c = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#pragma GCC unroll 4
  for (uint32_t d = 1; d < ES_LANES; d *= 2) {
    const es_words right = (es_words) ((c & d) != 0);
    const es_words upper = (c & ~right) | (((c ^ d) + ES_LANES) & right);
    const es_words lower = ((c ^ d) & ~right) | ((c + ES_LANES) & right);
#pragma GCC unroll 16
    for (uint32_t i = 0; i < ES_LANES; i++) {
      if ((i & d) != 0) continue;
      const __m512i a = (__m512i) m[i], b = (__m512i) m[i + d];
      m[i] = (es_words) _mm512_permutex2var_epi32(a, (__m512i) upper, b);
      m[i + d] = (es_words) _mm512_permutex2var_epi32(a, (__m512i) lower, b);
    }
  }
#else
  uint32_t from[ES_LANES][ES_LANES], to[ES_LANES][ES_LANES];
  for (int i = 0; i < ES_LANES; i++) memcpy(from[i], &m[i], sizeof from[i]);
  for (int i = 0; i < ES_LANES; i++)
    for (int j = 0; j < ES_LANES; j++) to[j][i] = from[i][j];
  for (int i = 0; i < ES_LANES; i++) memcpy(&m[i], to[i], sizeof to[i]);
#endif
}

/** The row of words `at` of all blocks, from the one or two rows that begin at `from`. */
ES_BODY void put_row(const bool bf16, const es_packed *p, int64_t at, const float *from,
                     uint32_t *to) {
  const int64_t first = bf16 ? 2 * at : at, size = height(p) * p->width;
  const int64_t even = first < p->rows ? p->cols : 0;
  const int64_t odd = bf16 && first + 1 < p->rows ? p->cols : 0;
  to += at * p->width;
  for (int64_t begin = 0; begin < p->cols; begin += p->width, to += size)
    for (int64_t c = 0; c < p->width; c += ES_LANES) {
      const es_vec a = load_part(from, begin + c, even);
      const es_words w =
          bf16 ? paired(a, load_part(from + p->cols, begin + c, odd)) : (es_words) a;
      memcpy(to + c, &w, sizeof w);
    }
}

static void put_rows(const es_packed *p, int64_t first, const float *from, uint32_t *to) {
  const int64_t at = first / together(p);
  for (int64_t i = 0; i < ROWS; i++)
    ES_EITHER_TYPE(p->bf16, put_row(T, p, at + i, from + i * together(p) * p->cols, to));
}

/** As many columns of a block as a register has lanes, from rows that begin at `from`. */
ES_BODY void put_columns(const bool bf16, const es_packed *p, int64_t count,
                         const float *from, uint32_t *to) {
  const int64_t end = height(p);
  for (int64_t at = 0; at < end; at += ES_LANES) {
    es_words m[ES_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < ES_LANES; i++) {
      const float *row = from + i * p->rows;
      const int64_t k = bf16 ? 2 * at : at, last = i < count ? p->rows : 0;
      const es_vec a = load_part(row, k, last);
      m[i] = bf16 ? joined(a, load_part(row, k + ES_LANES, last)) : (es_words) a;
    }
    transpose(m);
#pragma GCC unroll 16
    for (int i = 0; i < ES_LANES; i++) memcpy(to + (at + i) * p->width, &m[i], sizeof *m);
  }
}

/** One block. */
static void put_block(const es_packed *p, int64_t first, const float *from,
                      uint32_t *to) {
  const int64_t count = least(p->width, p->cols - first);
  to += first * height(p);
  for (int64_t c = 0; c < p->width; c += ES_LANES)
    ES_EITHER_TYPE(p->bf16, put_columns(T, p, count - c, from + c * p->rows, to + c));
}

int es_packed_strip(const es_packed *p) {
  return p->transposed ? p->width : ROWS * together(p);
}

void es_packed_put(const es_packed *p, int64_t first, const float *from, void *to) {
  if (p->transposed)
    put_block(p, first, from, to);
  else
    put_rows(p, first, from, to);
}

void es_packed_pack(const es_packed *p, int threads, const float *from, void *to) {
  (void) threads; /* without OpenMP */
  const int64_t given = p->transposed ? p->cols : p->rows;
  const int64_t length = p->transposed ? p->rows : p->cols;
  const int64_t strip = es_packed_strip(p);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t first = 0; first < given; first += strip)
    es_packed_put(p, first, from + first * length, to);
}
