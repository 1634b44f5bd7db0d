/* SPDX-License-Identifier: BSD-3-Clause */
/** @file predictor.c  The predictor in closed form, and the loss of both its methods. */
#include "predictor.h"

#include <cblas.h>
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

/** The workspace by name. The running state comes first. */
typedef struct parts {
  double *f;      /**< [D, D] running correlation */
  double *sums;   /**< [1 + 2 D] pairs, means */
  double *c;      /**< [D, D] correlation of the batch */
  double *p;      /**< [D, D] predictor */
  double *value;  /**< [D] eigenvalues */
  double *work;   /**< of es_symmetric_eigen */
  double *u[2];   /**< [n, D] embeddings, centred */
  double *off[2]; /**< [n, D] P u - v */
} parts;

static size_t head_of(int dim) {
  const size_t d = (size_t) dim;
  return 3 * d * d + 1 + 3 * d + es_symmetric_work(dim);
}

size_t es_predictor_workspace(const void *par, int n_max, int64_t all, int dim) {
  (void) par;
  (void) all;
  return (head_of(dim) + 4 * (size_t) n_max * (size_t) dim + 1) * sizeof(double);
}

static parts layout(const es_loss *l) {
  const size_t d = (size_t) l->dim, rows = (size_t) l->n_max * d;
  parts p;
  p.f = l->work + 1;
  p.c = p.f + d * d;
  p.p = p.c + d * d;
  p.sums = p.p + d * d;
  p.value = p.sums + 1 + 2 * d;
  p.work = p.value + d;
  p.u[0] = l->work + 1 + head_of(l->dim);
  p.u[1] = p.u[0] + rows;
  p.off[0] = p.u[1] + rows;
  p.off[1] = p.off[0] + rows;
  return p;
}

/** Evaluations that changed F; in the first number of the workspace. */
static double *evaluations(const es_loss *l) {
  return l->work;
}

es_status es_predictor_check(const char *loss, const es_predictor_params *o,
                             int64_t pairs) {
  return o->center ? es_rows_check_pairs(loss, pairs, "no deviation from its mean")
                   : ES_OK;
}

es_status es_predictor_visit(es_loss *l, es_visitor *v) {
  es_item count = {"loss/evaluations", ES_ITEM_F64, 1, {1}, evaluations(l)};
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
  const size_t square = (size_t) d * (size_t) d;
  const double pairs = es_rows_average(l, b->n, b->z, p->sums);
  if (!o->center) memset(p->sums + 1, 0, 2 * (size_t) d * sizeof *p->sums);
  memset(p->c, 0, square * sizeof *p->c);
  for (int a = 0; a < 2; a++) {
    es_rows_center(b->n, d, b->z[a], p->sums + 1 + (size_t) a * (size_t) d, p->u[a]);
    if (b->n > 0)
      cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, b->n, 0.5 / pairs,
                  p->u[a], d, p->u[a], d, 1.0, p->c, d);
  }
  es_symmetric_sum(l->comm, 0, 1, d, p->c);
  if (l->decide != l->comm) /* replicas keep it: with the bits of one */
    es_comm_bcast(l->decide, p->c, square * sizeof *p->c, 0);
  return pairs;
}

/** The eigenvalue of P to one of F: s^exponent, without the part of eps. */
static double power_of(double s, const void *ctx) {
  return pow(fmax(s, 0), *(const double *) ctx);
}

/** P of a correlation. */
static es_status make_predictor(const es_loss *l, const double *f, const parts *p) {
  const es_predictor_params *const o = l->par;
  const int d = l->dim;
  ES_TRY(es_symmetric_eigen(l->decide, d, f, p->value, p->work));
  es_symmetric_rebuild(l->decide, d, p->value, (es_symmetric_map){power_of, &o->exponent},
                       p->work, p->p);
  const double floor = o->eps * power_of(p->value[d - 1], &o->exponent);
  for (size_t j = 0; j < (size_t) d; j++) p->p[j * (size_t) d + j] += floor;
  return ES_OK;
}

/** F takes in C. */
static void remember(const es_loss *l, const parts *p) {
  const es_predictor_params *const o = l->par;
  const double keep = *evaluations(l) > 0 ? o->keep : 0;
  const size_t square = (size_t) l->dim * (size_t) l->dim;
  for (size_t i = 0; i < square; i++) p->f[i] = keep * p->f[i] + (1 - keep) * p->c[i];
  *evaluations(l) += 1;
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
  return (es_loss_exchange){
      .sums = 3, .summed = 1 + 2 * d + d * (d + 1) / 2 + 1, .broadcast = d + d * d};
}

es_status es_predictor_eval(es_loss *l, const es_loss_batch *b, bool through_predictor,
                            double *value) {
  const parts p = layout(l);
  const int d = l->dim;
  const bool training = b->dz[0] != NULL;
  const double pairs = correlate(l, b, &p);
  ES_CHECK(pairs >= 1, ES_EARG, "loss: got %.0f pairs on all ranks, expected at least 1",
           pairs);
  if (!es_symmetric_finite(l->decide, d, p.c)) {
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
