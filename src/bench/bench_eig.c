/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_eig.c  How long the spectrum of a d x d matrix takes, solver by solver.
 *
 *  A = H3 H2 H1 diag(i^-decay) H1 H2 H3 with Householder reflectors H = I - 2 u u' of
 *  random u: a dense matrix of a spectrum that falls like an embedding covariance. From
 *  one repetition to the next the u turn by `drift`, as a covariance does between two
 *  snapshots. All solvers get the same matrices, one after the other. */
#include <math.h>
#include <string.h>
#include "bench_table.h"
#include "eigenstep/clock.h"
#include "eigenstep/eig.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

typedef struct par {
  es_list n;
  int64_t top;
  double decay, drift;
  es_string solvers;
} par;

static const es_param table[] = {
    ES_LIST(par, n, "512, 1024", 1, 1e6, "1", "orders of the matrices"),
    ES_INT(par, top, "64", 1, 1e6, "1",
           "leading eigenpairs, computed by the solvers that need not compute all"),
    ES_DOUBLE(par, decay, "1", 0, 100, "1", "eigenvalues i^-decay"),
    ES_DOUBLE(par, drift, "1e-3", 0, 1, "1",
              "rotation of the matrix from one repetition to the next; 0 = none"),
    ES_STRING(par, solvers, "syevd, values, syevr, subspace, tracked",
              "any of the solvers; values: all eigenvalues without vectors; tracked: "
              "subspace from the repetition before"),
    ES_PARAM_END};

enum { REFLECTORS = 3, MOST = 8 };

/* One row of the result. */
typedef struct candidate {
  char name[64];
  const char *solver;
  int k;
  bool values, tracked;
  double *seconds;                /* [repeats] */
  es_eigen *last;                 /* of the warm-up or repetition before; tracked */
  double residual, orthogonality; /* the worst */
  size_t peak;                    /* bytes beyond the matrix, the worst rank's */
} candidate;

/* The sequence of matrices. */
typedef struct sequence {
  const es_comm *comm;
  es_dmat *a;
  double decay, drift;
  double *u, *p; /* [n] */
} sequence;

static double diagonal(void *ctx, int i, int j) {
  const sequence *s = ctx;
  return i == j ? pow(i + 1, -s->decay) : 0;
}

/* u of reflector r at time t: u0 + t drift u1, both random; |u| = 1. */
static void direction(sequence *s, int r, double t) {
  const int n = s->a->n;
  double norm = 0;
  for (int i = 0; i < n; i++) {
    es_rng g = es_rng_at(4, ES_STREAM_EIG, (uint64_t) i, (uint32_t) r);
    const double still = es_rng_normal(&g);
    s->u[i] = still + t * s->drift * es_rng_normal(&g);
    norm += s->u[i] * s->u[i];
  }
  for (int i = 0; i < n; i++) s->u[i] /= sqrt(norm);
}

/* Collective. A <- H A H. */
static void reflect(sequence *s) {
  es_dmat *a = s->a;
  double dot = 0;
  memset(s->p, 0, sizeof(double) * (size_t) a->n);
  for (int j = 0; j < a->ln; j++) {
    const double u = s->u[es_dmat_col(a, j)], *col = a->a + (size_t) j * (size_t) a->lld;
    for (int i = 0; i < a->lm; i++) s->p[es_dmat_row(a, i)] += col[i] * u;
  }
  es_comm_sum_f64(s->comm, s->p, a->n);
  for (int i = 0; i < a->n; i++) dot += s->u[i] * s->p[i];
  for (int i = 0; i < a->n; i++) s->p[i] -= dot * s->u[i];
  for (int j = 0; j < a->ln; j++) {
    const int gj = es_dmat_col(a, j);
    double *col = a->a + (size_t) j * (size_t) a->lld;
    for (int i = 0; i < a->lm; i++) {
      const int gi = es_dmat_row(a, i);
      col[i] -= 2 * (s->u[gi] * s->p[gj] + s->p[gi] * s->u[gj]);
    }
  }
}

static void make_matrix(sequence *s, double t) {
  es_dmat_fill(s->a, diagonal, s);
  for (int r = 0; r < REFLECTORS; r++) {
    direction(s, r, t);
    reflect(s);
  }
}

/* Collective. One solution, timed. */
static es_status solve(candidate *x, const sequence *s, int64_t i) {
  es_eigen *e = NULL;
  es_mem_peak_reset();
  const size_t before = es_mem_now();
  es_comm_barrier(s->comm);
  const double start = es_now();
  if (x->values)
    ES_TRY(es_eig_values(x->solver, s->a, &e));
  else
    ES_TRY(es_eig_solve_warm(x->solver, s->a, x->k, x->tracked ? x->last : NULL, &e));
  double seconds = es_now() - start;
  es_comm_max_f64(s->comm, &seconds, 1);
  int64_t bytes = (int64_t) (es_mem_peak() - before);
  es_comm_max_i64(s->comm, &bytes, 1);
  x->peak = (size_t) bytes;
  x->residual = i == 0 ? e->residual : fmax(x->residual, e->residual);
  x->orthogonality = i == 0 ? e->orthogonality : fmax(x->orthogonality, e->orthogonality);
  if (i >= 0) x->seconds[i] = seconds;
  es_eig_destroy(&x->last);
  if (x->tracked)
    x->last = e;
  else
    es_eig_destroy(&e);
  return ES_OK;
}

static void print(const sequence *s, candidate *x, int count, int64_t repeats) {
  const double n = s->a->n;
  es_print("n = %d, %d rank%s as %d x %d, blocks of %d; GFLOP/s of the direct method's "
           "4/3 n^3 "
           "+ 2 n^2 k",
           s->a->n, s->comm->size, s->comm->size == 1 ? "" : "s", s->a->grid->rows,
           s->a->grid->cols, s->a->nb);
  es_print("%-10s %6s %10s %10s %10s %9s %9s %9s %8s %8s", "solver", "k", "min ms",
           "median ms", "max ms", "GFLOP/s", "residual", "orthog.", "MB/rank", "speed");
  double first = 0;
  for (int i = 0; i < count; i++) {
    const es_bench_times t = es_bench_summarise(x[i].seconds, repeats);
    const double work = 4 * n * n * n / 3 + (x[i].values ? 0 : 2 * n * n * x[i].k);
    char orthogonality[32] = "-"; /* without vectors */
    if (!isnan(x[i].orthogonality))
      snprintf(orthogonality, sizeof orthogonality, "%.1e", x[i].orthogonality);
    if (i == 0) first = t.median;
    es_print("%-10s %6d %10.1f %10.1f %10.1f %9.1f %9.1e %9s %8.1f %7.2fx", x[i].name,
             x[i].k, 1e3 * t.min, 1e3 * t.median, 1e3 * t.max, 1e-9 * work / t.median,
             x[i].residual, orthogonality, 1e-6 * (double) x[i].peak, first / t.median);
  }
}

/* Rows of the result from the names of the solvers. Finding few pairs is what syevr and
   subspace are for. */
static es_status choose(const par *p, int n, int64_t repeats, candidate *x, int *count) {
  char item[MOST][64];
  size_t items = 0;
  ES_TRY(es_split("bench.eig.solvers", p->solvers, MOST, item, &items));
  ES_CHECK(items > 0, ES_ECONFIG, "bench.eig.solvers: got none, expected at least one");
  for (size_t i = 0; i < items; i++) {
    candidate *c = &x[i];
    memcpy(c->name, item[i], sizeof c->name);
    c->tracked = strcmp(c->name, "tracked") == 0;
    c->values = strcmp(c->name, "values") == 0;
    c->solver = c->tracked ? "subspace" : c->values ? "auto" : c->name;
    const bool few = c->tracked || strcmp(c->solver, "subspace") == 0 ||
                     strcmp(c->solver, "syevr") == 0;
    c->k = few && p->top < n ? (int) p->top : n;
    ES_TRY(ES_NEW(repeats, &c->seconds));
  }
  *count = (int) items;
  return ES_OK;
}

static es_status bench_order(const es_comm *c, const es_grid *g, const par *p, int n,
                             const es_bench_params *b) {
  candidate x[MOST] = {{.k = 0}};
  sequence s = {.comm = c, .decay = p->decay, .drift = p->drift};
  int count = 0;
  es_status st = choose(p, n, b->repeats, x, &count);
  if (st == ES_OK) st = ES_NEW(n, &s.u);
  if (st == ES_OK) st = ES_NEW(n, &s.p);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  ES_TRY_GOTO(es_dmat_create(g, n, n, 0, &s.a), done);
  for (int64_t i = -b->warmup; i < b->repeats; i++) {
    make_matrix(&s, (double) i);
    for (int k = 0; k < count; k++) ES_TRY_GOTO(solve(&x[k], &s, i), done);
  }
  print(&s, x, count, b->repeats);
done:
  for (int k = 0; k < MOST; k++) {
    es_eig_destroy(&x[k].last);
    es_free(&x[k].seconds);
  }
  es_dmat_destroy(&s.a);
  es_free(&s.p);
  es_free(&s.u);
  return st;
}

static es_status run(const es_job *job, es_config *cfg) {
  par p;
  es_bench_params b;
  es_grid *g = NULL;
  ES_TRY(es_config_get(cfg, "bench.eig", table, NULL, sizeof p, &p));
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  ES_TRY(es_grid_create(job->comm, 0, &g));
  es_status st = ES_OK;
  for (int i = 0; st == ES_OK && i < p.n.n; i++)
    st = bench_order(job->comm, g, &p, (int) p.n.v[i], &b);
  es_grid_destroy(&g);
  return st;
}

const es_bench_ops es_bench_eig = {.name = "eig",
                                   .doc = "eigensolvers: all pairs of a matrix, leading "
                                          "pairs, leading pairs from a warm start",
                                   .params = table,
                                   .run = run};
