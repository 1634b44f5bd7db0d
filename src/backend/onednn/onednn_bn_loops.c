/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_bn_loops.c  The passes of batch normalisation over [rows, C].
 *
 *  They are bound by memory, so they move little: no pass reads the output again for the
 *  gate of the ReLU. Memory is read in its order, row by row: with several rows at once
 *  the processor's prefetcher does not recognise the pattern, which halves the speed.
 *  Where columns are summed in registers, down the rows of a run, the next run is read
 *  ahead in its order meanwhile.
 *
 *  Sums: f32 over runs of at most RUN rows, then double. Moments are taken relative to
 *  the first row of the run, so a mean far from zero costs no digits; what is left is the
 *  f32 rounding of a run, below 64 x 2^-24 = 4e-6 of a standard deviation at worst.
 *  Threads take pieces of rows and columns; each adds the runs of its piece to the sums
 *  when those before it are added: no result depends on the number of threads. */
#include "onednn_bn.h"
#include "onednn_type.h"

enum {
  STRIP = 4,           /* vectors whose moments are taken at once */
  CACHE = 4 << 20,     /* bytes of x and dy that a cache surely holds */
  RUN = 64,            /* rows summed in f32, and rows of a thread */
  LINE = 64,           /* bytes of memory that are cached together, at least */
  WIDE = 2048,         /* columns at a time; sums of a thread, on the stack */
  PIECE = 1024,        /* the same of several runs together */
  SHARE = 4,           /* pieces of a thread, at least, where columns can be divided */
  BLOCK = 8 * ES_LANES /* columns whose gates are one vector of bytes */
};

static int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/** Rows [first, end) and n columns from c on, which one thread sums. */
typedef struct piece {
  int64_t first, end;
  int c, n;
} piece;

/** Pieces of a matrix: `height` rows of `width` columns each, whole runs. */
typedef struct pieces {
  int64_t rows, height, down, count; /**< down: of the same columns */
  int columns, width;
} pieces;

/** Whole rows are in the order of memory: columns are divided where runs are few. */
static pieces divided(int threads, int64_t rows, int columns) {
  const int widest = (int) least(columns, WIDE);
  pieces p = {.rows = rows, .columns = columns, .width = WIDE};
  p.height = RUN * (widest < PIECE ? PIECE / widest : 1);
  p.down = (rows + p.height - 1) / p.height;
  const int64_t wanted = threads > 1 ? SHARE * threads : 1;
  while (p.width > BLOCK && p.down * ((columns + p.width - 1) / p.width) < wanted)
    p.width /= 2;
  p.count = p.down * ((columns + p.width - 1) / p.width);
  return p;
}

static piece piece_of(const pieces *p, int64_t i) {
  const int64_t first = i % p->down * p->height;
  const int c = (int) (i / p->down) * p->width;
  return (piece){first, least(first + p->height, p->rows), c,
                 (int) least(p->width, p->columns - c)};
}

/** Call for all of n columns: V vectors from column c on, of N columns each; V is STRIP,
 *  at last 1. */
#define BY_STRIPS(n, call)                                                               \
  do {                                                                                   \
    const int strips_ = (n) / (STRIP * ES_LANES) * (STRIP * ES_LANES);                   \
    for (int c = 0; c < strips_; c += STRIP * ES_LANES) {                                \
      enum { V = STRIP, N = ES_LANES };                                                  \
      call;                                                                              \
    }                                                                                    \
    ES_BY_VECTORS(strips_, n, {                                                          \
      enum { V = 1 };                                                                    \
      call;                                                                              \
    });                                                                                  \
  } while (0)

/* --- moments ------------------------------------------------------------------------ */

/** Bring n bytes into the cache. */
ES_BODY void read_ahead(const char *from, const int n) {
  for (int i = 0; i < n; i += LINE) (void) *(const volatile char *) (from + i);
}

/** s1 = sum (x - origin), s2 = sum (x - origin)^2 of `vectors` <= STRIP vectors of n
 *  columns, origin = row 0. Sums stay in registers. `next`: as many bytes, which will be
 *  read after these; or NULL. */
ES_BODY void moments_of_strip(int64_t rows, int64_t width, const void *x,
                              const char *next, float *origin, float *s1, float *s2,
                              const int vectors, const int n, const bool bf16) {
  const int bytes = ((vectors - 1) * ES_LANES + n) * (bf16 ? 2 : 4);
  es_vec o[STRIP], a[STRIP] = {{0}}, b[STRIP] = {{0}};
  for (int v = 0; v < vectors; v++) o[v] = es_get(bf16, x, v * ES_LANES, n);
  for (int64_t r = 1; r < rows; r++) {
    if (next != NULL) read_ahead(next + r * bytes, bytes);
    for (int v = 0; v < vectors; v++) {
      const es_vec d = es_get(bf16, x, r * width + v * ES_LANES, n) - o[v];
      a[v] += d;
      b[v] += d * d;
    }
  }
  for (int v = 0; v < vectors; v++) {
    es_put(false, origin, v * ES_LANES, o[v], n);
    es_put(false, s1, v * ES_LANES, a[v], n);
    es_put(false, s2, v * ES_LANES, b[v], n);
  }
}

/** Sums of runs of a piece, one run after the other. */
typedef struct run_sums {
  _Alignas(64) float s1[WIDE], s2[WIDE], origin[WIDE];
} run_sums;

/** Rows [r, end) of a piece; its sums begin at `to`. */
ES_BODY void moments_of_run(const pieces *p, const piece *q, int64_t r, int64_t end,
                            const void *all, run_sums *sums, int to, const bool bf16) {
  const int64_t rows = end - r, width = p->columns;
  const void *const x = es_from(bf16, all, r * width + q->c);
  float *const origin = sums->origin + to, *const s1 = sums->s1 + to,
               *const s2 = sums->s2 + to;
  /* one or two strips, and those of f32, are nearly in the order of memory anyhow */
  const bool ahead =
      bf16 && p->rows - end >= rows && q->n == width && q->n > 2 * STRIP * ES_LANES;
  BY_STRIPS(q->n, moments_of_strip(rows, width, es_from(bf16, x, c),
                                   ahead ? es_from(bf16, x, rows * (width + (int64_t) c))
                                         : NULL,
                                   origin + c, s1 + c, s2 + c, V, N, bf16));
}

/** What a run of so many rows adds to sums of n columns. */
static void add_moments(int64_t rows, int n, const run_sums *sums, int from, double *sum,
                        double *square) {
  for (int c = 0; c < n; c++) {
    const double shift = sums->origin[from + c], first = sums->s1[from + c];
    sum[c] += first + (double) rows * shift;
    square[c] += sums->s2[from + c] + shift * (2.0 * first + (double) rows * shift);
  }
}

void es_onednn_moments(int threads, bool bf16, int64_t rows, int width, const void *x,
                       double *moments) {
  const pieces p = divided(threads, rows, width);
#pragma omp parallel for ordered num_threads(threads) schedule(static, 1)
  for (int64_t i = 0; i < p.count; i++) {
    const piece q = piece_of(&p, i);
    double *const sum = moments + q.c;
    run_sums sums;
    int at = 0;
    for (int64_t r = q.first; r < q.end; r += RUN, at += q.n)
      ES_EITHER_TYPE(bf16,
                     moments_of_run(&p, &q, r, least(r + RUN, q.end), x, &sums, at, T));
    at = 0;
#pragma omp ordered
    for (int64_t r = q.first; r < q.end; r += RUN, at += q.n)
      add_moments(least(RUN, q.end - r), q.n, &sums, at, sum, sum + width);
  }
}

/* --- gates -------------------------------------------------------------------------- */

size_t es_onednn_bn_mask_bytes(int width) {
  return (size_t) ((width + BLOCK - 1) / BLOCK) * ES_LANES;
}

/** Call for every vector of columns [first, end) as in ES_BY_VECTORS; `bit` is its bit in
 *  the bytes of the block. */
#define BY_GATED_VECTORS(first, end, call)                                               \
  do {                                                                                   \
    es_words bit = (es_words){0} + 1u;                                                   \
    ES_BY_VECTORS(first, end, {                                                          \
      call;                                                                              \
      bit += bit;                                                                        \
    });                                                                                  \
  } while (0)

/* --- forward ------------------------------------------------------------------------ */

/** Returns where the output is positive. */
ES_BODY es_ints apply_vector(const es_bn_pass *p, int64_t row, int64_t c, const int n,
                             const bool bf16, const bool residual, const bool relu) {
  const int64_t at = row + c;
  es_vec v = es_get(bf16, p->x, at, n) - es_get(false, p->of.mean, c, n);
  v = v * es_get(false, p->of.scale, c, n) + es_get(false, p->of.bias, c, n);
  if (residual) v += es_get(bf16, p->front.residual, at, n);
  es_put(bf16, p->front.y, at, relu ? es_relu(v) : v, n);
  return v > 0.0f;
}

/** A pass by value: the compiler knows that no store changes it. */
ES_BODY void apply_rows(const es_bn_pass p, int64_t first, int64_t end, const bool bf16,
                        const bool residual, const bool relu) {
  const size_t stride = es_onednn_bn_mask_bytes(p.width);
  for (int64_t r = first; r < end; r++) {
    unsigned char *mask = p.mask + (residual && relu ? (size_t) r * stride : 0);
    for (int c0 = 0; c0 < p.width; c0 += BLOCK, mask += ES_LANES) {
      es_words open = {0};
      BY_GATED_VECTORS(c0, least(c0 + BLOCK, p.width),
                       open |= bit & (es_words) apply_vector(&p, r * p.width, c, N, bf16,
                                                             residual, relu));
      if (residual && relu) es_put_bytes(mask, open);
    }
  }
}

ES_BODY void apply_block(const es_bn_pass *p, int64_t first, int64_t end,
                         const bool bf16) {
  if (p->front.residual != NULL && p->relu)
    apply_rows(*p, first, end, bf16, true, true);
  else if (p->front.residual != NULL)
    apply_rows(*p, first, end, bf16, true, false);
  else if (p->relu)
    apply_rows(*p, first, end, bf16, false, true);
  else
    apply_rows(*p, first, end, bf16, false, false);
}

void es_onednn_bn_apply(const es_bn_pass *p) {
#pragma omp parallel for num_threads(p->threads) schedule(static)
  for (int64_t r = 0; r < p->rows; r += RUN) {
    const int64_t end = least(r + RUN, p->rows);
    ES_EITHER_TYPE(p->bf16, apply_block(p, r, end, T));
  }
}

/* --- backward ----------------------------------------------------------------------- */

/** x - mean, and dy where the gate is open, else 0. */
typedef struct centred {
  es_vec d, g;
} centred;

ES_BODY centred centred_vector(const es_bn_pass *p, int64_t row, int64_t c, const int n,
                               es_words open, const bool bf16, const es_bn_gate gate) {
  centred v = {es_get(bf16, p->x, row + c, n) - es_get(false, p->of.mean, c, n),
               es_get(bf16, p->back.dy, row + c, n)};
  if (gate == ES_GATE_X) {
    const es_vec scale = es_get(false, p->of.scale, c, n);
    v.g = es_where(v.d * scale + es_get(false, p->of.bias, c, n) > 0.0f, v.g);
  }
  if (gate == ES_GATE_MASK) v.g = es_where(open != 0, v.g);
  return v;
}

/** s1 += sum g, s2 += sum g (x - mean) over rows [first, end) of `vectors` <= STRIP
 *  vectors of n columns from c on. */
ES_BODY void sums_of_strip(const es_bn_pass p, int64_t first, int64_t end, int64_t c,
                           float *s1, float *s2, const int vectors, const int n,
                           const bool bf16, const es_bn_gate gate) {
  const bool masked = gate == ES_GATE_MASK;
  const int64_t stride = (int64_t) es_onednn_bn_mask_bytes(p.width);
  const unsigned char *mask = masked ? p.mask + c / BLOCK * ES_LANES : NULL;
  const unsigned bit = 1u << c % BLOCK / ES_LANES;
  es_vec a[STRIP], b[STRIP];
  for (int v = 0; v < vectors; v++) {
    a[v] = es_get(false, s1, v * ES_LANES, n);
    b[v] = es_get(false, s2, v * ES_LANES, n);
  }
  for (int64_t r = first; r < end; r++) {
    const es_words open = masked ? es_get_bytes(mask + r * stride) : (es_words){0};
    for (int v = 0; v < vectors; v++) {
      const centred q = centred_vector(&p, r * p.width, c + v * ES_LANES, n,
                                       open & bit << v, bf16, gate);
      a[v] += q.g;
      b[v] += q.g * q.d;
    }
  }
  for (int v = 0; v < vectors; v++) {
    es_put(false, s1, v * ES_LANES, a[v], n);
    es_put(false, s2, v * ES_LANES, b[v], n);
  }
}

/** Strips of all rows keep their sums in registers: best where the rows are in the cache.
 *  Otherwise row by row, in the order of memory. */
ES_BODY void sums_through(const es_bn_pass *p, int64_t first, int64_t end, int c0, int n,
                          float *s1, float *s2, const bool bf16, const es_bn_gate gate) {
  const int64_t bytes = 2 * p->rows * p->width * (bf16 ? 2 : 4);
  const int64_t height = bytes <= CACHE || n <= STRIP * ES_LANES ? end - first : 1;
  for (int64_t r = first; r < end; r += height)
    BY_STRIPS(n,
              sums_of_strip(*p, r, r + height, c0 + c, s1 + c, s2 + c, V, N, bf16, gate));
}

ES_BODY void sums_of_run(const es_bn_pass *p, int64_t first, int64_t end, int c0, int n,
                         float *s1, float *s2, const bool bf16) {
  memset(s1, 0, (size_t) n * sizeof *s1);
  memset(s2, 0, (size_t) n * sizeof *s2);
  if (p->gate == ES_GATE_X)
    sums_through(p, first, end, c0, n, s1, s2, bf16, ES_GATE_X);
  else if (p->gate == ES_GATE_MASK)
    sums_through(p, first, end, c0, n, s1, s2, bf16, ES_GATE_MASK);
  else
    sums_through(p, first, end, c0, n, s1, s2, bf16, ES_GATE_OPEN);
}

static void add_sums(int n, const float *s1, const float *s2, double *sum,
                     double *product) {
  for (int c = 0; c < n; c++) {
    sum[c] += s1[c];
    product[c] += s2[c];
  }
}

void es_onednn_bn_sums(const es_bn_pass *p) {
  const pieces all = divided(p->threads, p->rows, p->width);
#pragma omp parallel for ordered num_threads(p->threads) schedule(static, 1)
  for (int64_t i = 0; i < all.count; i++) {
    const piece q = piece_of(&all, i);
    double *const sum = p->sum + q.c;
    run_sums sums;
    int at = 0;
    for (int64_t r = q.first; r < q.end; r += RUN, at += q.n)
      ES_EITHER_TYPE(p->bf16, sums_of_run(p, r, least(r + RUN, q.end), q.c, q.n,
                                          sums.s1 + at, sums.s2 + at, T));
    at = 0;
#pragma omp ordered
    for (int64_t r = q.first; r < q.end; r += RUN, at += q.n)
      add_sums(q.n, sums.s1 + at, sums.s2 + at, sum, sum + p->width);
  }
}

/** `to` [+]= v */
ES_BODY void give(const bool bf16, void *to, int64_t at, es_vec v, const int n,
                  bool add) {
  es_put(bf16, to, at, add ? es_get(bf16, to, at, n) + v : v, n);
}

ES_BODY void back_vector(const es_bn_pass *p, int64_t row, int64_t c, const int n,
                         es_words open, const bool bf16, const es_bn_gate gate,
                         const bool to_x, const bool to_residual) {
  const centred v = centred_vector(p, row, c, n, open, bf16, gate);
  const es_vec offset = es_get(false, p->of.offset, c, n);
  const es_vec dx = es_get(false, p->of.scale, c, n) * v.g - offset -
                    es_get(false, p->of.slope, c, n) * v.d;
  if (to_x) give(bf16, p->back.dx, row + c, dx, n, p->back.add_dx);
  if (to_residual) give(bf16, p->back.dresidual, row + c, v.g, n, p->back.add_dresidual);
}

ES_BODY void back_rows(const es_bn_pass p, int64_t first, int64_t end, const bool bf16,
                       const es_bn_gate gate, const bool to_x, const bool to_residual) {
  const bool masked = gate == ES_GATE_MASK;
  const size_t stride = es_onednn_bn_mask_bytes(p.width);
  for (int64_t r = first; r < end; r++) {
    const unsigned char *mask = masked ? p.mask + (size_t) r * stride : NULL;
    for (int c0 = 0; c0 < p.width; c0 += BLOCK, mask += masked ? ES_LANES : 0) {
      const es_words gates = masked ? es_get_bytes(mask) : (es_words){0};
      BY_GATED_VECTORS(
          c0, least(c0 + BLOCK, p.width),
          back_vector(&p, r * p.width, c, N, gates & bit, bf16, gate, to_x, to_residual));
    }
  }
}

/** Through a gate that is a constant of the caller. */
ES_BODY void back_through(const es_bn_pass *p, int64_t first, int64_t end,
                          const bool bf16, const es_bn_gate gate) {
  if (p->back.dx != NULL && p->back.dresidual != NULL)
    back_rows(*p, first, end, bf16, gate, true, true);
  else if (p->back.dx != NULL)
    back_rows(*p, first, end, bf16, gate, true, false);
  else if (p->back.dresidual != NULL)
    back_rows(*p, first, end, bf16, gate, false, true);
}

ES_BODY void back_block(const es_bn_pass *p, int64_t first, int64_t end,
                        const bool bf16) {
  if (p->gate == ES_GATE_X)
    back_through(p, first, end, bf16, ES_GATE_X);
  else if (p->gate == ES_GATE_MASK)
    back_through(p, first, end, bf16, ES_GATE_MASK);
  else
    back_through(p, first, end, bf16, ES_GATE_OPEN);
}

void es_onednn_bn_back(const es_bn_pass *p) {
#pragma omp parallel for num_threads(p->threads) schedule(static)
  for (int64_t r = 0; r < p->rows; r += RUN) {
    const int64_t end = least(r + RUN, p->rows);
    ES_EITHER_TYPE(p->bf16, back_block(p, r, end, T));
  }
}
