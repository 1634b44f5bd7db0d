/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_leading.c  Leading modes of a kernel machine by block Krylov iteration on
 *  A = S K / 2n, which is symmetric in the inner product x'K y.
 *
 *  A x = gamma x with x'K x = 1 is K~ b = gamma b with b = K^(1/2) x: the dual vectors
 *  come without a square root. V is an orthonormal basis of the Krylov space, whose
 *  products K V are kept; Rayleigh-Ritz in the inner product of K needs them alone
 *  (kernel_rayleigh.c). A full basis is replaced by its leading Ritz vectors (thick
 *  restart; Wu, Simon, SIAM J. Matrix Anal. Appl. 22, 2000). A block is wider than the
 *  modes, so that equal eigenvalues are all found.
 *
 *  Start: the modes of an eighth of the pairs, found in the same way, continued to all
 *  points (Nystroem), and random vectors. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/basis.h"
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "kernel_private.h"
#include "kernel_rayleigh.h"

/* SKETCH: one in so many pairs is in the sample of the start; it is left out where it
   would have fewer points than WORTH blocks. MOST: products before giving up. */
enum { SKETCH = 8, WORTH = 4, MOST = 300, USUAL = 10 };

/* |K~ b - gamma b| / gamma_1 at which the iteration ends: where the matrix is stored,
   where each product computes it anew, and for the start's modes. The error of a gamma is
   of second order in it. */
#define CONVERGED 1e-10
#define ANEW 1e-8
#define ROUGH 1e-3

typedef struct leading {
  const es_comm *comm;
  es_tiles *t;
  es_kernel_plan plan;
  double tolerance;
  es_basis q;
  es_rayleigh r;
  int b, last;           /* columns of the last block; its first one */
  double *kv;            /* [most][rows] K V */
  double *y, *next;      /* [block][rows] */
  double *rest;          /* [rests][rows] A x - gamma x of the last Ritz pairs */
  int rests;             /* 0: not known yet */
  double *full, *image;  /* [block][points] replicated, and K times it */
  double *sums, *square; /* [2][block][most]; [most][most] workspace */
  double residual;
  int products, expected; /* so far; in all, as the residual falls */
} leading;

static int ld(const leading *l) {
  return l->q.rows > 0 ? (int) l->q.rows : 1;
}

static double *column(const leading *l, double *of, int j) {
  return of + (size_t) j * (size_t) l->q.rows;
}

/* Collective. full <- `b` columns of rows, on all ranks. */
static void replicate(const leading *l, const double *rows, int b, double *full) {
  const es_tile_table *t = &l->t->table;
  memset(full, 0, sizeof *full * (size_t) b * (size_t) t->points);
  for (int j = 0; j < b; j++)
    memcpy(full + (size_t) j * (size_t) t->points + t->start,
           rows + (size_t) j * (size_t) t->rows, (size_t) t->rows * sizeof *full);
  es_comm_sum_f64(l->comm, full, b * t->points);
}

/* What the next product takes of all of them, in those of a matrix that is there: the
   first one forms it. */
static es_tiles_progress progress_of(const leading *l) {
  const double first = l->plan.entry > 0 ? 1 + l->plan.form / l->plan.product : 1;
  return (es_tiles_progress){.done = l->products > 0 ? first + l->products - 1 : 0,
                             .part = l->products > 0 ? 1 : first,
                             .total = first + l->expected - 1};
}

/* Collective. K V, G and H = (K V)'S K V / 2n of the last block. */
static es_status multiply(leading *l) {
  const es_tile_table *t = &l->t->table;
  const int s = l->q.s, b = l->b, rows = (int) l->q.rows;
  const size_t most = (size_t) l->r.most;
  double *kv = column(l, l->kv, l->last);
  replicate(l, column(l, l->q.v, l->last), b, l->full);
  ES_TRY(es_tiles_apply(l->t, b, l->full, l->image, progress_of(l)));
  l->products++;
  for (int j = 0; j < b; j++)
    memcpy(column(l, kv, j), l->image + (size_t) j * (size_t) t->points + t->start,
           (size_t) rows * sizeof *kv);
  es_tiles_swap(t, b, 1 / (double) t->points, kv, l->y);
  memset(l->sums, 0, sizeof(double) * 2 * (size_t) s * (size_t) b);
  double *g = l->sums, *h = l->sums + (size_t) s * (size_t) b;
  if (rows > 0) {
    es_basis_product((es_product){'T', s, b, rows, 1, l->q.v, ld(l), kv, ld(l), 0, g, s});
    es_basis_product(
        (es_product){'T', s, b, rows, 1, l->kv, ld(l), l->y, ld(l), 0, h, s});
  }
  es_comm_sum_f64(l->comm, l->sums, 2 * (int64_t) s * b);
  for (int j = 0; j < b; j++)
    for (int i = 0; i < s; i++) {
      const size_t at = (size_t) (l->last + j),
                   from = (size_t) j * (size_t) s + (size_t) i;
      l->r.g[at * most + (size_t) i] = l->r.g[(size_t) i * most + at] = g[from];
      l->r.h[at * most + (size_t) i] = l->r.h[(size_t) i * most + at] = h[from];
    }
  return ES_OK;
}

/* Collective. Ritz pairs as rank 0 rounds them. */
static es_status decompose(leading *l) {
  es_rayleigh *r = &l->r;
  const int s = l->q.s, wanted = l->plan.block < s ? l->plan.block : s;
  ES_TRY(es_comm_agree(l->comm,
                       l->comm->rank == 0 ? es_rayleigh_solve(r, s, wanted) : ES_OK));
  es_comm_bcast(l->comm, &r->found, sizeof r->found, 0);
  es_comm_bcast(l->comm, &r->top, sizeof r->top, 0);
  es_comm_bcast(l->comm, r->gamma, (size_t) r->found * sizeof *r->gamma, 0);
  es_comm_bcast(l->comm, r->c, sizeof *r->c * (size_t) r->found * (size_t) s, 0);
  return ES_OK;
}

static int wanted(const leading *l) {
  return l->plan.k < l->r.found ? l->plan.k : l->r.found;
}

/* Products in all, if the residual goes on falling as in the last one. */
static void expect(leading *l, double before) {
  const double fall = fmax(log(before / l->residual), 0.3);
  const double left = ceil(log(l->residual / l->tolerance) / fall);
  l->expected = before > 0 ? l->products + (int) fmin(fmax(left, 1), MOST) : USUAL;
}

/* rest <- A x - gamma x of the wanted pairs. */
static void take_rest(leading *l) {
  const int s = l->q.s, k = wanted(l), rows = (int) l->q.rows;
  double *x = l->next;
  es_basis_product(
      (es_product){'N', rows, k, s, 1, l->kv, ld(l), l->r.c, s, 0, x, ld(l)});
  es_tiles_swap(&l->t->table, k, 1 / (double) l->t->table.points, x, l->rest);
  es_basis_product(
      (es_product){'N', rows, k, s, 1, l->q.v, ld(l), l->r.c, s, 0, x, ld(l)});
  for (int j = 0; j < k; j++)
    for (int i = 0; i < rows; i++)
      column(l, l->rest, j)[i] -= l->r.gamma[j] * column(l, x, j)[i];
  l->rests = k;
}

/* Collective. The residual |rest|_K / gamma_1 of the worst pair. The basis has since got
   the directions in which rest lies, so that this is the norm of a small vector. */
static void weigh(leading *l) {
  const int s = l->q.s, k = l->rests, rows = (int) l->q.rows;
  double *a = l->sums, *ga = l->sums + (size_t) s * (size_t) k, most = 0;
  memset(a, 0, sizeof *a * (size_t) s * (size_t) k);
  if (rows > 0)
    es_basis_product(
        (es_product){'T', s, k, rows, 1, l->q.v, ld(l), l->rest, ld(l), 0, a, s});
  es_comm_sum_f64(l->comm, a, (int64_t) s * k);
  es_basis_product((es_product){'N', s, k, s, 1, l->r.g, l->r.most, a, s, 0, ga, s});
  for (int j = 0; j < k; j++)
    most = fmax(most, cblas_ddot(s, a + j * s, 1, ga + j * s, 1));
  const double before = l->residual;
  l->residual = sqrt(most) / fmax(fabs(l->r.gamma[0]), 1e-300);
  es_comm_bcast(l->comm, &l->residual, sizeof l->residual, 0);
  expect(l, before);
}

/* Collective. Remove from the new block what is not orthogonal to the basis in the inner
   product of K: what is left of A times the basis once most of this is dropped. */
static es_status detach(leading *l) {
  const int s = l->q.s, b = l->b, rows = (int) l->q.rows;
  double *h = l->sums;
  memset(h, 0, sizeof *h * (size_t) s * (size_t) b);
  if (rows > 0)
    es_basis_product(
        (es_product){'T', s, b, rows, 1, l->kv, ld(l), l->next, ld(l), 0, h, s});
  es_comm_sum_f64(l->comm, h, (int64_t) s * b);
  ES_TRY(es_comm_agree(l->comm,
                       l->comm->rank == 0 ? es_rayleigh_inverse(&l->r, s, b, h) : ES_OK));
  es_comm_bcast(l->comm, h, sizeof *h * (size_t) s * (size_t) b, 0);
  es_basis_product(
      (es_product){'N', rows, b, s, -1, l->q.v, ld(l), h, s, 1, l->next, ld(l)});
  return ES_OK;
}

/* Replace the basis by the span of its leading Ritz vectors. */
static void restart(leading *l) {
  const int s = l->q.s, rows = (int) l->q.rows;
  double *q = l->square, *of[] = {l->q.v, l->kv};
  int kept = es_rayleigh_span(&l->r, s, l->r.found, q);
  es_comm_bcast(l->comm, &kept, sizeof kept, 0);
  es_comm_bcast(l->comm, q, sizeof *q * (size_t) kept * (size_t) s, 0);
  for (int i = 0; i < 2; i++) {
    es_basis_product(
        (es_product){'N', rows, kept, s, 1, of[i], ld(l), q, s, 0, l->y, ld(l)});
    memcpy(of[i], l->y, sizeof(double) * (size_t) kept * (size_t) rows);
  }
  es_rayleigh_restrict(&l->r, s, kept, q, l->sums);
  l->q.s = kept;
}

/* Append the part of A times the last block that is new. */
static es_status extend(leading *l) {
  const es_tile_table *t = &l->t->table;
  const int b = l->b;
  double scale = 0;
  es_tiles_swap(t, b, 1 / (double) t->points, column(l, l->kv, l->last), l->next);
  for (int64_t i = 0; i < b * l->q.rows; i++) scale += l->next[i] * l->next[i];
  es_comm_sum_f64(l->comm, &scale, 1);
  es_basis_project(&l->q, b, l->next);
  es_basis_project(&l->q, b, l->next);
  if (l->q.s + b > l->r.most && l->r.most < t->points) {
    ES_TRY(detach(l));
    restart(l);
    es_basis_project(&l->q, b, l->next);
    es_basis_project(&l->q, b, l->next);
  }
  l->last = l->q.s;
  l->b = es_basis_append(&l->q, b, l->next, sqrt(scale / b), NULL);
  return ES_OK;
}

static es_status iterate(leading *l, const double *start) {
  const int b = l->plan.block;
  memcpy(l->next, start, sizeof *start * (size_t) b * (size_t) l->q.rows);
  l->b = es_basis_append(&l->q, b, l->next, 1, NULL);
  while (l->b > 0 && l->products < MOST) {
    ES_TRY(multiply(l));
    if (l->rests > 0) weigh(l);
    ES_TRY(decompose(l));
    if (l->rests > 0 && l->residual <= l->tolerance) return ES_OK;
    take_rest(l);
    ES_TRY(extend(l));
  }
  ES_CHECK(
      l->b == 0, ES_EMATH,
      "leading modes of the kernel: got a residual of %.3g after %d products, expected "
      "at most %g; take fewer kernel.modes, or kernel.solver=full",
      l->residual, l->products, l->tolerance);
  weigh(l); /* the basis is whole */
  return ES_OK;
}

static es_status allocate(leading *l) {
  const size_t b = (size_t) l->plan.block, most = (size_t) l->plan.most;
  const size_t rows = (size_t) l->t->table.rows, points = (size_t) l->t->table.points;
  l->r.most = l->plan.most;
  ES_TRY(ES_NEW(most * rows, &l->kv));
  ES_TRY(ES_NEW(b * rows, &l->y));
  ES_TRY(ES_NEW(b * rows, &l->next));
  ES_TRY(ES_NEW(b * rows, &l->rest));
  ES_TRY(ES_NEW(b * points, &l->full));
  ES_TRY(ES_NEW(b * points, &l->image));
  ES_TRY(ES_NEW(2 * b * most, &l->sums));
  ES_TRY(ES_NEW(most * most, &l->square));
  ES_TRY(ES_NEW(most * most, &l->r.g));
  ES_TRY(ES_NEW(most * most, &l->r.h));
  ES_TRY(ES_NEW(b, &l->r.gamma));
  return ES_NEW(b * most, &l->r.c);
}

static void release(leading *l) {
  double *owned[] = {l->kv,   l->y,   l->next,   l->rest, l->full, l->image,
                     l->sums, l->r.g, l->square, l->r.h,  l->r.c,  l->r.gamma};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  es_basis_free(&l->q);
  es_tiles_destroy(&l->t);
}

static es_status find(const es_comm *c, const es_kernel_sample *s, int share,
                      const es_kernel_plan *plan, leading *l);

/* Collective. y [block][rows]: random, or modes of the sketch continued to all points. */
static es_status start(leading *l, const es_kernel_sample *s, int share, double *y) {
  const es_tile_table *t = &l->t->table;
  const int64_t few = t->points / SKETCH;
  es_kernel_plan plan = l->plan;
  leading sketch = {.tolerance = ROUGH};
  es_basis_randomise(&l->q, 0, l->plan.block, y);
  if (few < WORTH * (int64_t) l->plan.block) return ES_OK;
  plan.entry = plan.entry > 0 ? plan.entry : (int) sizeof(float);
  es_progress_begin("leading modes of a sample of %lld points", (long long) few);
  es_status st = find(l->comm, s, SKETCH * share, &plan, &sketch);
  if (st == ES_OK) es_progress_end();
  const int k = st == ES_OK ? wanted(&sketch) : 0, n = sketch.q.s;
  if (k > 0) {
    es_basis_product((es_product){'N', (int) sketch.q.rows, k, n, 1, sketch.q.v,
                                  ld(&sketch), sketch.r.c, n, 0, sketch.y, ld(&sketch)});
    replicate(&sketch, sketch.y, k, sketch.full);
    st = es_tiles_extend(l->t, &sketch.t->table, k, sketch.full, l->full);
  }
  for (int j = 0; j < k && st == ES_OK; j++)
    memcpy(l->y + (size_t) j * (size_t) t->rows,
           l->full + (size_t) j * (size_t) t->points + t->start,
           (size_t) t->rows * sizeof *y);
  if (st == ES_OK) es_tiles_swap(t, k, 1, l->y, y);
  release(&sketch);
  return st;
}

/* Collective. Ritz pairs of the pairs that `share` leaves, to l->tolerance; the caller
   releases l. */
static es_status find(const es_comm *c, const es_kernel_sample *s, int share,
                      const es_kernel_plan *plan, leading *l) {
  double *first = NULL;
  l->comm = c;
  l->plan = *plan;
  l->expected = USUAL;
  ES_TRY(es_tiles_create(c, s, share, plan->entry, &l->t));
  const es_tile_table *t = &l->t->table;
  if (l->plan.most > t->points) l->plan.most = (int) t->points;
  if (l->plan.block > t->points) l->plan.block = (int) t->points;
  ES_TRY(es_basis_create(c, t->rows, l->plan.most, l->plan.block, &l->q));
  ES_TRY(es_comm_agree(c, allocate(l)));
  ES_TRY(ES_COMM_NEW(c, (int64_t) l->plan.block * t->rows, &first));
  es_status st = start(l, s, share, first);
  if (st == ES_OK) st = iterate(l, first);
  es_free(&first);
  return st;
}

/* Collective. rows <- V c (or K V c) of the wanted modes, on all ranks in `full`. */
static void gather(leading *l, const double *of, double *rows, double *full) {
  const int k = wanted(l), s = l->q.s, here = (int) l->q.rows;
  es_basis_product(
      (es_product){'N', here, k, s, 1, of, ld(l), l->r.c, s, 0, rows, ld(l)});
  replicate(l, rows, k, full);
}

/* Collective. ||X'K X - I||_F / sqrt(k) of the rows of X in y, of K X in next. */
static double orthogonality(leading *l) {
  const int k = wanted(l), rows = (int) l->q.rows;
  double *g = l->sums;
  memset(g, 0, sizeof *g * (size_t) k * (size_t) k);
  if (rows > 0)
    es_basis_product(
        (es_product){'T', k, k, rows, 1, l->y, ld(l), l->next, ld(l), 0, g, k});
  es_comm_sum_f64(l->comm, g, (int64_t) k * k);
  for (int i = 0; i < k; i++) g[i * (k + 1)] -= 1;
  return cblas_dnrm2(k * k, g, 1) / sqrt(k);
}

/* Collective. X, K X and the values at fresh points. work: [k][the larger number of
   points]; sign: [k]. */
static es_status take(leading *l, const es_grid *g, const es_kernel_sample *s,
                      double *work, double *sign, es_kernel_modes *out) {
  const es_tile_table *t = &l->t->table;
  const int k = wanted(l);
  const int64_t first = s->trained.first, n = t->points, fresh = 2 * s->fresh.n;
  gather(l, l->q.v, l->y, l->full);
  gather(l, l->kv, l->next, l->image);
  out->basis.orthogonality = orthogonality(l);
  es_tiles_order(t, first, k, l->full, work);
  es_kernel_signs(n, k, work, sign);
  ES_TRY(es_kernel_columns(g, n, k, work, sign, &out->dual));
  es_tiles_order(t, first, k, l->image, work);
  ES_TRY(es_kernel_columns(g, n, k, work, sign, &out->value[0]));
  if (fresh == 0) return ES_OK;
  ES_TRY(es_tiles_at(l->t, s->fresh, k, l->full, work));
  return es_kernel_columns(g, fresh, k, work, sign, &out->value[1]);
}

static es_status solve(const es_grid *g, const es_kernel_sample *s,
                       const es_kernel_plan *plan, leading *l, es_kernel_modes *out) {
  double *work = NULL, *sign = NULL;
  ES_TRY(find(g->comm, s, 1, plan, l));
  const int k = wanted(l);
  const int64_t n = s->trained.n > s->fresh.n ? s->trained.n : s->fresh.n;
  es_status st = ES_NEW(2 * n * k, &work);
  if (st == ES_OK) st = ES_NEW(k, &sign);
  if (st == ES_OK) st = ES_NEW(k, &out->basis.gamma);
  st = es_comm_agree(g->comm, st);
  if (st == ES_OK) {
    memcpy(out->basis.gamma, l->r.gamma, (size_t) k * sizeof *l->r.gamma);
    out->basis.m = (int) l->t->table.points;
    out->basis.k = k;
    out->basis.samples = true;
    out->basis.residual = l->residual;
    st = take(l, g, s, work, sign, out);
  }
  es_free(&sign);
  es_free(&work);
  return st;
}

es_status es_kernel_leading(const es_grid *g, const es_kernel_sample *s,
                            const es_kernel_plan *plan, es_kernel_modes **modes) {
  leading l = {.tolerance = plan->entry > 0 ? CONVERGED : ANEW};
  es_kernel_modes *made = NULL;
  ES_TRY(ES_COMM_NEW(g->comm, 1, &made));
  const es_status st = es_comm_agree(g->comm, solve(g, s, plan, &l, made));
  release(&l);
  if (st == ES_OK)
    *modes = made;
  else
    es_kernel_modes_destroy(&made);
  return st;
}
