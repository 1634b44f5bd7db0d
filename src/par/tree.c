/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tree.c  Sums over ranks in the order of a binary tree; see tree.h. */
#include "eigenstep/tree.h"

enum { PIECE_BYTES = 1 << 16 }; /* received at a time, on the stack */

/** Operations of an element type. */
typedef struct kind {
  MPI_Datatype type;
  size_t size;
  void (*add)(int n, const void *from, void *to); /**< to += from */
} kind;

static void add_f32(int n, const void *from, void *to) {
  const float *x = from;
  float *y = to;
  for (int i = 0; i < n; i++) y[i] += x[i];
}

static void add_f64(int n, const void *from, void *to) {
  const double *x = from;
  double *y = to;
  for (int i = 0; i < n; i++) y[i] += x[i];
}

bool es_tree_supports(int64_t n) {
  return n >= 1 && (n & (n - 1)) == 0;
}

int es_tree_merges(int leaf) {
  int n = 0;
  for (; leaf & 1; leaf >>= 1) n++;
  return n;
}

int es_tree_stack_size(int leaves) {
  int n = 1;
  for (; leaves > 1; leaves >>= 1) n++;
  return n;
}

/** Elements [first, first + n). */
typedef struct span {
  int64_t first, n;
} span;

static int piece_of(int64_t left, int most) {
  return left <= 0 ? 0 : (int) (left < most ? left : most);
}

/** Send the elements `give` to the partner and receive its elements `keep`, which are
 *  added to ours (`add`) or replace them. In pieces; one side may have one piece more. */
static void exchange(const es_comm *c, const kind *k, int partner, bool add, char *x,
                     span give, span keep) {
  char piece[PIECE_BYTES];
  const int most = (int) (PIECE_BYTES / k->size);
  for (int64_t at = 0; at < give.n || at < keep.n; at += most) {
    const int out = piece_of(give.n - at, most), in = piece_of(keep.n - at, most);
    char *const to = x + (size_t) (keep.first + at) * k->size;
    MPI_Sendrecv(x + (size_t) (give.first + at) * k->size, out, k->type, partner, 0,
                 add ? piece : to, in, k->type, partner, 0, c->mpi, MPI_STATUS_IGNORE);
    if (add) k->add(in, piece, to);
  }
}

static void halves(span s, bool upper, span *mine, span *other) {
  const span low = {s.first, s.n / 2}, high = {s.first + s.n / 2, s.n - s.n / 2};
  *mine = upper ? high : low;
  *other = upper ? low : high;
}

/** Recursive halving over ranks at distance `mask`, nearest ranks first: each level
 *  halves the elements of a rank. Then recursive doubling: it receives the
 *  other half, completely summed. */
static void sum(const es_comm *c, const kind *k, char *x, span s, int mask) {
  if (mask >= c->size) return;
  const int partner = c->rank ^ mask;
  span mine, other;
  halves(s, (c->rank & mask) != 0, &mine, &other);
  exchange(c, k, partner, true, x, other, mine);
  sum(c, k, x, mine, 2 * mask);
  exchange(c, k, partner, false, x, mine, other);
}

void es_tree_sum_f32(const es_comm *c, float *x, int64_t n) {
  const kind k = {MPI_FLOAT, sizeof *x, add_f32};
  sum(c, &k, (char *) x, (span){0, n}, 1);
}

void es_tree_sum_f64(const es_comm *c, double *x, int64_t n) {
  const kind k = {MPI_DOUBLE, sizeof *x, add_f64};
  sum(c, &k, (char *) x, (span){0, n}, 1);
}
