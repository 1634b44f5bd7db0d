/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_rates.c  What each augmentation does to the growth rates of the start.
 *  Modes keep their identity: the change of gamma_j is that of v_j' Gamma v_j, which is
 *  exact to first order in the strength. Errors: bootstrap of the images, each drawn with
 *  its views at both strengths; the modes stay. */
#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/rng.h"
#include "last_step.h"

#define LESS 0.25     /* of the strength, for the derivative */
enum { DRAWS = 200 }; /* samples of images for an error */

/* The start, its modes of one kind, and what is compared with them. */
typedef struct study {
  const es_comm *comm;
  const es_held_out *start;
  es_stop *stop;
  bool pixels;  /* the views themselves; false: features */
  double *v;    /* [m, k] eigenvectors of Gamma, on all ranks; owned */
  double *full; /* [pairs, k] v' x of one view times that of the other, at full strength,
                   on all ranks: gamma is their mean; owned */
  double *less; /* [pairs, k] the same of a weaker augmentation; owned */
} study;

/* Collective. The centred views of this rank's pairs, or their features. */
static es_status load(const study *s, const es_augment_steps *steps, es_pairs *p) {
  const es_held_out *const h = s->start;
  const int64_t n = h->points.n, pairs = h->points.pairs;
  const int features = h->run->parts->model.features;
  es_study_views v = {.x = NULL};
  double *z = NULL;
  es_status st = es_study_views_make(h, steps, &v);
  *p = (es_pairs){.total = pairs, .n = n, .first = h->points.first};
  p->m = s->pixels ? v.shape.c * v.shape.h * v.shape.w
                   : es_probe_data_width(h->run->parts->probe.data, features);
  if (st == ES_OK) st = ES_NEW(n * p->m, &p->x[0]);
  if (st == ES_OK) st = ES_NEW(n * p->m, &p->x[1]);
  if (st == ES_OK && !s->pixels) st = ES_NEW(2 * pairs * p->m, &z);
  st = es_comm_agree(s->comm, st);
  es_held_out_points points = h->points;
  points.x = v.x;
  if (st == ES_OK && !s->pixels) st = es_held_out_read(s->comm, h, &points, features, z);
  for (int view = 0; view < 2 && st == ES_OK; view++)
    for (int64_t i = 0; i < n * p->m; i++)
      p->x[view][i] = s->pixels ? (double) v.x[view * n * p->m + i]
                                : z[(view * pairs + h->points.first) * p->m + i];
  if (st == ES_OK) st = es_pairs_center(s->comm, p);
  es_free(&z);
  es_study_views_free(&v);
  return st;
}

/* Collective. product [pairs, k], the mean of which is v' Gamma v. */
static es_status measure(const study *s, const es_pairs *p, int k, double *product) {
  double *u = NULL;
  ES_TRY(ES_COMM_NEW(s->comm, 2 * p->n * k, &u));
  memset(product, 0, (size_t) (p->total * k) * sizeof *product);
  for (int view = 0; view < 2 && p->n > 0; view++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) p->n, k, p->m, 1,
                p->x[view], p->m, s->v, k, 0, u + view * p->n * k, k);
  for (int64_t i = 0; i < p->n * k; i++)
    product[p->first * k + i] = u[i] * u[p->n * k + i];
  es_comm_sum_f64(s->comm, product, p->total * k);
  es_free(&u);
  return ES_OK;
}

/* Collective. The same with augmentation i `strength` times as strong; *known: it can be
 * made weaker. */
static es_status measure_weaker(const study *s, int i, double strength, int k,
                                bool *known, double *product) {
  const es_augment_steps *const run = &s->start->run->settings.selected.augment;
  const es_augment_ops *const ops = run->step[i].ops;
  es_augment_steps steps = {0};
  es_pairs p = {0};
  es_status st = es_comm_agree(s->comm, es_augment_steps_copy(run, &steps));
  *known = false;
  for (int view = 0; view < ES_VIEWS && st == ES_OK && ops->weaken != NULL; view++) {
    ops->weaken(steps.step[i].par[view], strength);
    *known =
        *known || memcmp(steps.step[i].par[view], run->step[i].par[view], ops->size) != 0;
  }
  if (st == ES_OK && *known) st = load(s, &steps, &p);
  if (st == ES_OK && *known) st = measure(s, &p, k, product);
  es_pairs_free(&p);
  es_augment_steps_free(&steps);
  return st;
}

/* Sum of column j of [pairs, k]: over all pairs, or over a sample of them with the same
 * seed for any column. */
static double sum_of(const double *x, int64_t pairs, int k, int j, const es_rng *draw) {
  es_rng r = draw != NULL ? *draw : (es_rng){0};
  double sum = 0;
  for (int64_t i = 0; i < pairs; i++) {
    const int64_t at = draw != NULL ? (int64_t) es_rng_below(&r, (uint64_t) pairs) : i;
    sum += x[at * k + j];
  }
  return sum;
}

static double change_of(const study *s, int64_t pairs, int k, int j, const es_rng *draw) {
  const double full = sum_of(s->full, pairs, k, j, draw);
  return full > 0 ? (1 - sum_of(s->less, pairs, k, j, draw) / full) / LESS : NAN;
}

/* Standard deviation of the change over samples of images. */
static double error_of(const study *s, int64_t pairs, int k, int j) {
  double sum = 0, squares = 0;
  int n = 0;
  for (int d = 0; d < DRAWS; d++) {
    const es_rng draw = es_rng_at(1, ES_STREAM_BOOTSTRAP, (uint64_t) d, 0);
    const double x = change_of(s, pairs, k, j, &draw);
    if (isnan(x)) continue;
    sum += x;
    squares += x * x;
    n++;
  }
  return n < 2 ? NAN : sqrt(fmax(squares - sum * sum / n, 0) / (n - 1));
}

/* Collective. Column i of the table. */
static es_status vary(const study *s, int i, es_study_rates *r) {
  const int k = r->modes, all = r->augmentations;
  const int64_t pairs = s->start->points.pairs;
  bool known;
  ES_TRY(measure_weaker(s, i, 1 - LESS, k, &known, s->less));
  for (int j = 0; j < k; j++) {
    r->change[j * all + i] = known ? change_of(s, pairs, k, j, NULL) : NAN;
    r->error[j * all + i] = known ? error_of(s, pairs, k, j) : NAN;
  }
  ES_TRY(measure_weaker(s, i, 0, k, &known, s->less));
  for (int j = 0; j < k; j++)
    r->without[j * all + i] =
        known ? sum_of(s->less, pairs, k, j, NULL) / (double) pairs : NAN;
  return ES_OK;
}

static es_status allocate(study *s, const es_modes *m, es_study_rates *r) {
  const es_augment_steps *const steps = &s->start->run->settings.selected.augment;
  *r = (es_study_rates){.modes = m->k, .augmentations = 0};
  for (int i = 0; i < steps->n && !steps->step[i].ops->last; i++)
    r->name[r->augmentations++] = steps->step[i].ops->name;
  ES_TRY(ES_NEW(m->k, &r->gamma));
  ES_TRY(ES_NEW(m->k * r->augmentations, &r->change));
  ES_TRY(ES_NEW(m->k * r->augmentations, &r->error));
  ES_TRY(ES_NEW(m->k * r->augmentations, &r->without));
  ES_TRY(ES_NEW((int64_t) m->k * m->m, &s->v));
  ES_TRY(ES_NEW(s->start->points.pairs * m->k, &s->full));
  return ES_NEW(s->start->points.pairs * m->k, &s->less);
}

/* Collective. One kind of features: modes at full strength, then each augmentation. */
static es_status measure_kind(study *s, const es_grid *g, int modes, es_study_rates *r) {
  const es_augment_steps *const steps = &s->start->run->settings.selected.augment;
  es_pairs p = {0};
  es_modes *m = NULL;
  es_status st = load(s, steps, &p);
  const int64_t rank = p.m < 2 * p.total - 2 ? p.m : 2 * p.total - 2;
  if (st == ES_OK)
    st = es_modes_create(g, &p, modes < rank ? modes : (int) rank, "auto", &m);
  if (st == ES_OK) st = es_comm_agree(s->comm, allocate(s, m, r));
  if (st == ES_OK) {
    const es_dmat v = es_dmat_first_cols(m->vector, m->k);
    memcpy(r->gamma, m->gamma, (size_t) m->k * sizeof *r->gamma);
    st = es_dmat_gather(&v, s->v);
    if (st == ES_OK) st = measure(s, &p, m->k, s->full);
  }
  es_pairs_free(&p);
  for (int i = 0; st == ES_OK && i < r->augmentations; i++) {
    st = es_stop_between(s->stop, s->comm, "the next augmentation");
    if (st == ES_OK) st = vary(s, i, r);
    es_progress_at(i + 1, r->augmentations);
  }
  es_modes_destroy(&m);
  es_free(&s->v);
  es_free(&s->less);
  es_free(&s->full);
  return st;
}

es_status es_study_measure_rates(const es_comm *c, const es_held_out *start, int modes,
                                 es_stop *stop, es_study_rates rates[ES_RATES]) {
  es_grid *g = NULL;
  if (!es_study_is_augmented(start)) {
    es_warn("modes.augment: the data are pairs of views, which nothing augments");
    return ES_OK;
  }
  es_status st = es_grid_create(c, 0, &g);
  for (int kind = 0; kind < ES_RATES && st == ES_OK; kind++) {
    study s = {.comm = c, .start = start, .stop = stop, .pixels = kind == ES_OF_PIXELS};
    es_progress_begin("growth rates of %s and augmentations",
                      s.pixels ? "pixels" : "features");
    st = measure_kind(&s, g, modes, &rates[kind]);
    es_progress_end();
  }
  es_grid_destroy(&g);
  return st;
}
