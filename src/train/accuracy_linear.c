/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy_linear.c  Linear classifier: softmax regression on the frozen features
 *  of the bank, (1/N) sum of cross-entropies + decay/2 |W|^2 (no decay on the bias),
 *  features standardised by the bank's mean and deviation. The problem is convex and is
 *  solved from zero at each snapshot by L-BFGS with backtracking, on the whole bank: no
 *  random numbers, no learning rate. This is the linear evaluation of Kornblith, Shlens
 *  and Le, "Do Better ImageNet Models Transfer Better?", CVPR 2019. L-BFGS: Liu and
 *  Nocedal, Math. Program. 45 (1989).
 *
 *  Rows stay distributed over the ranks; value and gradient are sums over them. Rank 0
 *  alone keeps the last steps and chooses the direction. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include "eigenstep/accuracy.h"
#include "eigenstep/mem.h"

enum { MEMORY = 10, HALVINGS = 30 };
#define TOLERANCE 1e-5 /* of the gradient at the start */

typedef struct par {
  double decay;
  int64_t iterations;
} par;

static const es_param params[] = {
    ES_DOUBLE(par, decay, "1e-3", 0, ES_INF, "1",
              "weight decay of the linear classifier"),
    ES_INT(par, iterations, "100", 1, 1e6, "1", "maximum number of L-BFGS iterations"),
    ES_PARAM_END};

typedef struct regression {
  const es_comm *c;
  const par *p;
  int dim, classes, size; /* size = (dim + 1) classes: weights, then biases */
  int64_t n, total;
  const int *label;
  double *mean, *scale; /* [2 dim] owned: scale after mean */
  double *x, *out;      /* [n, dim] standardised; [n, classes]; owned */
  double *w, *next;     /* [size] owned */
  double *g, *gnext;    /* [size], then the value; owned */
  double *dir;          /* [size], then its slope and the first length to try; owned */
  double *ds[MEMORY], *dg[MEMORY], rho[MEMORY]; /* rank 0: the last steps; owned */
  int kept;
} regression;

static es_status allocate(regression *s) {
  ES_TRY(ES_NEW(2 * (size_t) s->dim, &s->mean));
  ES_TRY(ES_NEW(s->n * s->dim, &s->x));
  ES_TRY(ES_NEW(s->n * s->classes, &s->out));
  double **const v[] = {&s->w, &s->g, &s->next, &s->gnext, &s->dir};
  for (int i = 0; i < 5; i++) ES_TRY(ES_NEW((size_t) s->size + 2, v[i]));
  for (int i = 0; i < MEMORY && s->c->rank == 0; i++) {
    ES_TRY(ES_NEW(s->size, &s->ds[i]));
    ES_TRY(ES_NEW(s->size, &s->dg[i]));
  }
  s->scale = s->mean + s->dim;
  return ES_OK;
}

static void release(regression *s) {
  double **const v[] = {&s->mean, &s->x,    &s->out,   &s->w,
                        &s->g,    &s->next, &s->gnext, &s->dir};
  for (size_t i = 0; i < sizeof v / sizeof *v; i++) es_free(v[i]);
  for (int i = 0; i < MEMORY; i++) {
    es_free(&s->ds[i]);
    es_free(&s->dg[i]);
  }
}

/* Collective. Mean and 1 / deviation of the bank's features; 0 where they do not vary. */
static void measure_scale(regression *s, const es_labelled *bank) {
  const int d = s->dim;
  for (int64_t i = 0; i < bank->n; i++)
    for (int j = 0; j < d; j++)
      s->mean[j] += (double) bank->x[i * d + j] / (double) s->total;
  es_comm_sum_f64(s->c, s->mean, d);
  for (int64_t i = 0; i < bank->n; i++)
    for (int j = 0; j < d; j++) {
      const double off = (double) bank->x[i * d + j] - s->mean[j];
      s->scale[j] += off * off / (double) s->total;
    }
  es_comm_sum_f64(s->c, s->scale, d);
  for (int j = 0; j < d; j++) {
    const double least = 1e-6 * fabs(s->mean[j]); /* round-off of single precision */
    s->scale[j] = sqrt(s->scale[j]) > least ? 1 / sqrt(s->scale[j]) : 0;
  }
}

static void standardise(const regression *s, int64_t n, const float *from, double *to) {
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < s->dim; j++)
      to[i * s->dim + j] = ((double) from[i * s->dim + j] - s->mean[j]) * s->scale[j];
}

/* out[n, classes] = x W + b */
static void logits(const regression *s, int64_t n, const double *x, const double *w,
                   double *out) {
  const double *const bias = w + (size_t) s->dim * (size_t) s->classes;
  for (int64_t i = 0; i < n; i++)
    memcpy(out + i * s->classes, bias, (size_t) s->classes * sizeof *out);
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) n, s->classes, s->dim, 1,
                x, s->dim, w, s->classes, 1, out, s->classes);
}

/* Row of logits -> (softmax - one-hot label) / N in place; returns cross-entropy / N. */
static double softmax_gradient(const regression *s, double *row, int label) {
  double most = row[0], sum = 0;
  for (int j = 1; j < s->classes; j++) most = fmax(most, row[j]);
  for (int j = 0; j < s->classes; j++) sum += exp(row[j] - most);
  const double loss = most + log(fmax(sum, 1)) - row[label]; /* sum >= 1 */
  for (int j = 0; j < s->classes; j++)
    row[j] = (exp(row[j] - most) / sum - (j == label)) / (double) s->total;
  return loss / (double) s->total;
}

/* Collective. Value and gradient g of the whole bank at w, in one reduction. */
static double value_and_gradient(regression *s, const double *w, double *g) {
  const int weights = s->dim * s->classes;
  double *const value = g + s->size;
  logits(s, s->n, s->x, w, s->out);
  memset(g, 0, ((size_t) s->size + 1) * sizeof *g);
  for (int64_t i = 0; i < s->n; i++)
    *value += softmax_gradient(s, s->out + i * s->classes, s->label[i]);
  if (s->n > 0)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, s->dim, s->classes, (int) s->n,
                1, s->x, s->dim, s->out, s->classes, 0, g, s->classes);
  for (int64_t i = 0; i < s->n; i++)
    cblas_daxpy(s->classes, 1, s->out + i * s->classes, 1, g + weights, 1);
  if (s->c->rank == 0) *value += s->p->decay / 2 * cblas_ddot(weights, w, 1, w, 1);
  es_comm_sum_f64(s->c, g, (int64_t) s->size + 1);
  cblas_daxpy(weights, s->p->decay, w, 1, g, 1);
  return *value;
}

/* Rank 0. dir = -H g with the two-loop recursion; the latest step is at
 * (kept - 1) % MEMORY. */
static void direction(regression *s) {
  const int n = s->size, used = s->kept < MEMORY ? s->kept : MEMORY;
  double a[MEMORY] = {0};
  for (int i = 0; i < n; i++) s->dir[i] = -s->g[i];
  for (int k = 1; k <= used; k++) {
    const int m = (s->kept - k) % MEMORY;
    a[m] = s->rho[m] * cblas_ddot(n, s->ds[m], 1, s->dir, 1);
    cblas_daxpy(n, -a[m], s->dg[m], 1, s->dir, 1);
  }
  if (used > 0) {
    const int m = (s->kept - 1) % MEMORY;
    cblas_dscal(n, 1 / (s->rho[m] * cblas_ddot(n, s->dg[m], 1, s->dg[m], 1)), s->dir, 1);
  }
  for (int k = used; k >= 1; k--) {
    const int m = (s->kept - k) % MEMORY;
    const double b = s->rho[m] * cblas_ddot(n, s->dg[m], 1, s->dir, 1);
    cblas_daxpy(n, a[m] - b, s->ds[m], 1, s->dir, 1);
  }
}

/* Rank 0. Store the step from w to next; its curvature is positive, as the problem is
 * convex. */
static void store_step(regression *s) {
  const int m = s->kept % MEMORY;
  for (int i = 0; i < s->size; i++) {
    s->ds[m][i] = s->next[i] - s->w[i];
    s->dg[m][i] = s->gnext[i] - s->g[i];
  }
  const double curvature = cblas_ddot(s->size, s->ds[m], 1, s->dg[m], 1);
  if (!(curvature > 0)) return;
  s->rho[m] = 1 / curvature;
  s->kept++;
}

/* Collective. Search direction, slope along it and initial step length, all of rank 0:
 * rounding differs between unlike processors, and all ranks must take the same steps. */
static void choose_direction(regression *s, double *slope, double *length) {
  double *const search = s->dir + s->size;
  if (s->c->rank == 0) {
    direction(s);
    search[0] = cblas_ddot(s->size, s->g, 1, s->dir, 1);
    search[1] = s->kept > 0 ? 1 : 1 / cblas_dnrm2(s->size, s->g, 1);
  }
  es_comm_bcast(s->c, s->dir, ((size_t) s->size + 2) * sizeof *s->dir, 0);
  *slope = search[0];
  *length = search[1];
}

/* Collective. One iteration; false if the line search finds no lower value. */
static bool iterate(regression *s, double *value) {
  double slope, length, at = INFINITY;
  choose_direction(s, &slope, &length);
  int tries = 0;
  for (; tries < HALVINGS; tries++, length /= 2) {
    for (int i = 0; i < s->size; i++) s->next[i] = s->w[i] + length * s->dir[i];
    at = value_and_gradient(s, s->next, s->gnext);
    if (at <= *value + 1e-4 * length * slope) break;
  }
  if (tries == HALVINGS) return false;
  if (s->c->rank == 0) store_step(s);
  memcpy(s->w, s->next, (size_t) s->size * sizeof *s->w);
  memcpy(s->g, s->gnext, (size_t) s->size * sizeof *s->g);
  *value = at;
  return true;
}

/* Collective. */
static void solve(regression *s) {
  double value = value_and_gradient(s, s->w, s->g);
  const double enough = TOLERANCE * cblas_dnrm2(s->size, s->g, 1);
  for (int64_t i = 0; i < s->p->iterations; i++) {
    int64_t proceed = cblas_dnrm2(s->size, s->g, 1) > enough;
    es_comm_bcast(s->c, &proceed, sizeof proceed, 0);
    if (!proceed || !iterate(s, &value)) break;
  }
}

/* Collective. */
static es_status score(const regression *s, const es_labelled *test, double *value) {
  double *x = NULL, *out = NULL;
  int64_t hits = 0;
  es_status st = ES_NEW(test->n * s->dim, &x);
  if (st == ES_OK) st = ES_NEW(test->n * s->classes, &out);
  st = es_comm_agree(s->c, st);
  if (st == ES_OK) {
    standardise(s, test->n, test->x, x);
    logits(s, test->n, x, s->w, out);
    for (int64_t i = 0; i < test->n; i++) {
      const double *const row = out + i * s->classes;
      int best = 0;
      for (int j = 1; j < s->classes; j++)
        if (row[j] > row[best]) best = j;
      hits += best == test->label[i];
    }
    es_comm_sum_i64(s->c, &hits, 1);
    *value = (double) hits / (double) test->total;
  }
  es_free(&x);
  es_free(&out);
  return st;
}

static es_status eval(const es_comm *c, const void *p, const es_labelled *bank,
                      const es_labelled *test, double *value) {
  const int64_t size = ((int64_t) bank->dim + 1) * bank->classes;
  ES_CHECK(size <= INT_MAX, ES_ECONFIG,
           "accuracy.list: got linear with %d features and labels 0 to %d, %lld weights, "
           "expected at most %d: leave linear out",
           bank->dim, bank->classes - 1, (long long) size, INT_MAX);
  regression s = {.c = c,
                  .p = p,
                  .dim = bank->dim,
                  .classes = bank->classes,
                  .size = (int) size,
                  .n = bank->n,
                  .total = bank->total,
                  .label = bank->label};
  es_status st = es_comm_agree(c, allocate(&s));
  if (st == ES_OK) {
    measure_scale(&s, bank);
    standardise(&s, bank->n, bank->x, s.x);
    solve(&s);
    st = score(&s, test, value);
  }
  release(&s);
  return st;
}

const es_accuracy_ops es_accuracy_linear = {
    .name = "linear",
    .doc = "accuracy of a linear classifier on the frozen features",
    .params = params,
    .size = sizeof(par),
    .eval = eval};
