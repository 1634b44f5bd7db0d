/* SPDX-License-Identifier: BSD-3-Clause */
/** @file predictor.c  The predictor in closed form, and the loss of both its methods. */
#include "predictor.h"

#include <math.h>
#include <string.h>
#include "rows.h"
#include "symmetric.h"

const es_param es_predictor_table[] = {
    ES_DOUBLE(es_predictor_params, exponent, "0.5", 1e-3, 8, "1",
              "power of the correlation's eigenvalues in the predictor"),
    ES_DOUBLE(es_predictor_params, eps, "0", 0, ES_INF, "1",
              "added to the predictor's eigenvalues, in units of the largest (0.1 in "
              "DirectPred's networks)"),
    ES_DOUBLE(es_predictor_params, keep, "0.3", 0, 0.999999, "1",
              "part of the running correlation that a step keeps; the rest is the "
              "batch's"),
    ES_BOOL(es_predictor_params, center, "false",
            "subtract each view's batch mean from its embeddings"),
    ES_PARAM_END};

/** The workspace by name. Evaluations that changed F come first. */
typedef struct parts {
  double *evaluations; /**< [1] */
  double *sums;        /**< [1 + 2 D] pairs, means */
  double *value;       /**< [D] eigenvalues */
  double *off[2];      /**< [n, D] P u - v */
  double *u[2];        /**< [n, D] embeddings, centred; in the memory of the node */
  double *f, *c, *p;   /**< [D, D] running correlation, that of the batch, predictor; of
                            the node */
} parts;

size_t es_predictor_workspace(const void *par, int n_max, int64_t all, int dim) {
  const size_t d = (size_t) dim;
  (void) par;
  (void) all;
  return (2 + 3 * d + 2 * (size_t) n_max * d) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t d = (size_t) l->dim;
  parts p = {.evaluations = l->work, .sums = l->work + 1};
  p.value = p.sums + 1 + 2 * d;
  for (int a = 0; a < 2; a++) {
    p.off[a] = p.value + d + (size_t) a * (size_t) l->n_max * d;
    p.u[a] = es_gram_rows(l->gram, a);
  }
  p.f = es_gram_matrix(l->gram, 0);
  p.c = es_gram_matrix(l->gram, 1);
  p.p = es_gram_matrix(l->gram, 2);
  return p;
}

es_status es_predictor_check(const char *loss, const es_predictor_params *o,
                             int64_t pairs) {
  return o->center ? es_rows_check_pairs(loss, pairs, "no deviation from its mean")
                   : ES_OK;
}

es_status es_predictor_visit(es_loss *l, es_visitor *v) {
  es_item count = {"loss/evaluations", ES_ITEM_F64, 1, {1}, layout(l).evaluations};
  es_item f = {"loss/correlation", ES_ITEM_F64, 2, {l->dim, l->dim}, layout(l).f};
  ES_TRY(v->item(v, &count));
  return v->item(v, &f);
}

void es_predictor_modes(const void *par, int dim, es_loss_modes *m) {
  (void) dim;
  m->center = ((const es_predictor_params *) par)->center;
}

/** Collective. u and C of the batch. @return pairs of all ranks */
static double correlate(const es_loss *l, const es_loss_batch *b, const parts *p) {
  const es_predictor_params *const o = l->par;
  const int d = l->dim;
  const double pairs = es_rows_average(l, b->n, b->z, p->sums);
  if (!o->center) memset(p->sums + 1, 0, 2 * (size_t) d * sizeof *p->sums);
  for (int a = 0; a < 2; a++)
    es_rows_center(b->n, d, b->z[a], p->sums + 1 + (size_t) a * (size_t) d, p->u[a]);
  es_gram_publish(l->gram, b->n);
  es_gram_product(l->gram, ES_GRAM_BOTH, ES_GRAM_BOTH, 0.5 / pairs, true, p->c);
  if (l->decide != l->comm) es_gram_spread(l->gram, p->c); /* replicas keep it */
  return pairs;
}

/** Of P to an eigenvalue s of F: s^exponent + floor. */
typedef struct power {
  double exponent, floor;
} power;

static double power_of(double s, const void *ctx) {
  const power *const p = ctx;
  return pow(fmax(s, 0), p->exponent) + p->floor;
}

/** Collective. P of a correlation. */
static es_status make_predictor(const es_loss *l, const double *f, const parts *p) {
  const es_predictor_params *const o = l->par;
  power of = {o->exponent, 0};
  ES_TRY(es_symmetric_eigen(l->gram, f, p->value));
  of.floor = o->eps * power_of(p->value[l->dim - 1], &of);
  es_symmetric_rebuild(l->gram, p->value, (es_symmetric_map){power_of, &of}, p->p);
  return ES_OK;
}

/** F takes in C. */
typedef struct memory {
  const parts *p;
  size_t d;
  double keep;
} memory;

static void take_in(void *ctx, int first, int last, double *sums) {
  const memory *const m = ctx;
  double *const f = m->p->f;
  (void) sums;
  for (size_t i = (size_t) first * m->d; i < (size_t) last * m->d; i++)
    f[i] = m->keep * f[i] + (1 - m->keep) * m->p->c[i];
}

/** Collective. */
static void remember(const es_loss *l, const parts *p) {
  const es_predictor_params *const o = l->par;
  memory m = {p, (size_t) l->dim, *p->evaluations > 0 ? o->keep : 0};
  double none[2];
  es_gram_each(l->gram, take_in, &m, none);
  *p->evaluations += 1;
}

/** Not finite: neither is the loss; the running correlation stays as it was. */
static void spoil(const es_loss *l, const es_loss_batch *b, double *value) {
  *value = NAN;
  for (int a = 0; a < 2 && b->dz[a] != NULL; a++)
    for (size_t i = 0; i < (size_t) b->n * (size_t) l->dim; i++) b->dz[a][i] = NAN;
}

es_loss_exchange es_predictor_exchange(const void *par, int64_t pairs, int dim) {
  const double d = dim;
  (void) par;
  (void) pairs;
  return (es_loss_exchange){.sums = 2,
                            .summed = 1 + 2 * d + 1,
                            .by_node = d * (d + 1) / 2,
                            .broadcast = d,
                            .spread = d * d,
                            .alone = ES_SYMMETRIC_DECOMPOSE * d * d * d};
}

es_status es_predictor_eval(es_loss *l, const es_loss_batch *b, bool through_predictor,
                            double *value) {
  const parts p = layout(l);
  const int d = l->dim;
  const bool training = b->dz[0] != NULL;
  const double pairs = correlate(l, b, &p);
  ES_CHECK(pairs >= 1, ES_EARG, "loss: got %.0f pairs on all ranks, expected at least 1",
           pairs);
  if (!es_symmetric_finite(l->gram, p.c)) {
    spoil(l, b, value);
    return ES_OK;
  }
  if (training) remember(l, &p);
  ES_TRY(make_predictor(l, training ? p.f : p.c, &p));
  double sum = 0;
  for (int a = 0; a < 2; a++) {
    es_rows_times(b->n, d, 1, p.u[a], p.p, p.off[a]);
    for (size_t i = 0; i < (size_t) b->n * (size_t) d; i++) {
      p.off[a][i] -= p.u[1 - a][i];
      sum += p.off[a][i] * p.off[a][i];
    }
  }
  es_comm_sum_f64(l->comm, &sum, 1);
  *value = sum / (4 * pairs);
  for (int a = 0; a < 2 && training; a++)
    if (through_predictor)
      es_rows_times(b->n, d, 0.5 / pairs, p.off[a], p.p, b->dz[a]);
    else
      for (size_t i = 0; i < (size_t) b->n * (size_t) d; i++)
        b->dz[a][i] = p.off[a][i] * 0.5 / pairs;
  return ES_OK;
}

double es_predictor_velocity(const es_predictor_params *o, const es_loss_mode *mode,
                             bool through_predictor, double amplitude, double *value) {
  *value = mode->moment * amplitude * amplitude;
  if (o->eps > 0) return NAN;
  const double p = pow(*value, o->exponent);
  return (through_predictor ? p : 1) * amplitude * (mode->gamma - p * mode->moment);
}
