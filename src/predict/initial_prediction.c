/* SPDX-License-Identifier: BSD-3-Clause */
/** @file initial_prediction.c  The linear theory of the last layer, with the encoder
 *  frozen in its initial state: f(x) = W h(x) with h the features, so Gamma is that of
 *  the features and W(0) is known. The first transitions follow it; then the features
 *  align and later modes are learned sooner (Simon et al., ICML 2023, section 5). */
#include "eigenstep/initial_prediction.h"

#include <math.h>
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"
#include "eigenstep/mode_start.h"
#include "eigenstep/progress.h"
#include "initial_prediction_private.h"

enum { WIDEST = 4096 };

static const char LAST_LAYER[] = "projector.0.weight";

/* A start counts as one point if embeddings vary by less than this share of their mean
 * square: cosines within it are linear in the embeddings to about a tenth. */
#define NEAR 0.01

/* Why there is no prediction, NULL if there is one. */
static const char *obstacle(const es_assembly *p, const es_loss_setup *setup) {
  const char *const why = es_loss_obstacle(p->loss, setup);
  if (why != NULL) return why;
  if (es_net_shape(p->model.net, p->model.features).c > WIDEST)
    return "the features are too wide";
  return es_params_find(es_net_params(p->model.net), LAST_LAYER) < 0 ? "no last layer"
                                                                     : NULL;
}

/* Collective. A value of the network for the probe's pairs, of the rows that the loss
 * takes on this rank. */
static es_status read_rows(const es_settings *s, const es_assembly *p, int value,
                           es_pairs *x) {
  const es_probe_request request = {.mode =
                                        s->spectrum.bn == 0 ? ES_BN_BATCH : ES_BN_RUNNING,
                                    .value = value,
                                    .views = 2};
  *x = (es_pairs){.total = p->probe.pairs,
                  .n = es_probe_data_rows(p->probe.data),
                  .m = es_probe_data_width(p->probe.data, value)};
  es_comm_scan(p->layout.loss_comm, x->n, &x->first, NULL);
  es_status st = ES_NEW(x->n * x->m, &x->x[0]);
  if (st == ES_OK) st = ES_NEW(x->n * x->m, &x->x[1]);
  ES_TRY(es_comm_agree(p->layout.comm, st));
  return es_probe_data_read(p->probe.data, &request, x->x, NULL);
}

/* Collective. Length of the point near which all embeddings of the start are; 0 if they
 * are not. */
static es_status find_point(const es_comm *c, const es_settings *s, const es_assembly *p,
                            double *length) {
  const int d = es_net_dim(p->model.net);
  es_pairs z = {0};
  double *sum = NULL, square = 0;
  es_status st = ES_COMM_NEW(c, d + 1, &sum);
  if (st == ES_OK) st = read_rows(s, p, ES_PROBE_EMBEDDING, &z);
  *length = 0;
  if (st != ES_OK) goto done;
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < z.n * d; i++) {
      sum[i % d] += z.x[v][i];
      sum[d] += z.x[v][i] * z.x[v][i];
    }
  es_comm_sum_f64(p->layout.loss_comm, sum, d + 1);
  const double rows = 2 * (double) z.total;
  for (int j = 0; j < d; j++) square += sum[j] * sum[j] / rows / rows;
  if (sum[d] / rows - square < NEAR * square) *length = sqrt(square);
done:
  es_pairs_free(&z);
  es_free(&sum);
  return st;
}

typedef struct weights {
  const float *w;
  int m;
} weights;

static double entry(void *ctx, int i, int j) {
  const weights *const w = ctx;
  return (double) w->w[(size_t) i * (size_t) w->m + (size_t) j];
}

/* Collective. A loss whose dynamics are known: gammas, and the start of each mode. */
static es_status solve_flow(const es_grid *g, const es_assembly *p, es_pairs *x,
                            const float *w, es_prediction *f) {
  const int d = es_net_dim(p->model.net), wanted = d < x->m ? d : x->m;
  weights first = {w, x->m};
  es_modes *modes = NULL;
  es_mode_start start = {0};
  es_status st = ES_OK;
  if (es_loss_modes_of(p->loss).center) ES_TRY(es_pairs_center(g->comm, x));
  ES_TRY(es_modes_create(g, x, wanted, "auto", &modes));
  ES_TRY_GOTO(es_mode_start_compute(modes, x, d, entry, &first, &start), done);
  st = ES_NEW(start.n, &f->start);
  if (st == ES_OK) st = ES_NEW(start.n, &f->moment);
  ES_TRY_GOTO(es_comm_agree(g->comm, st), done);
  f->modes = start.n;
  for (int j = 0; j < f->modes; j++) {
    f->gamma[j] = start.mode[j].gamma;
    f->moment[j] = start.mode[j].moment;
    f->start[j] = start.amplitude[j];
  }
  st = es_probe_noise_of(g->comm, x, w, d, &f->noise);
done:
  es_mode_start_free(&start);
  es_modes_destroy(&modes);
  return st;
}

/* Collective. A loss whose growth matrix G is known: gammas alone. length: of the point
 * near which the embeddings are, if G is about one; the direction of that point is no
 * mode. */
static es_status solve_growth(const es_grid *g, const es_loss *l, const es_loss_setup *s,
                              double length, es_pairs *x, es_prediction *f) {
  const int moving = length > 0 ? s->dim - 1 : s->dim;
  const int wanted = moving < x->m ? moving : x->m;
  es_loss_linear linear;
  es_dmat *growth = NULL;
  es_eigen *e = NULL;
  l->ops->theory->linear(l->par, s, &linear);
  ES_TRY(l->ops->theory->growth_matrix(l->par, s, g, x, length, &growth));
  const es_status st = es_eig_solve("auto", growth, wanted, &e);
  es_dmat_destroy(&growth);
  ES_TRY(st);
  f->modes = e->k;
  for (int j = 0; j < f->modes; j++) f->gamma[j] = linear.unit * e->value[j];
  es_eig_destroy(&e);
  return ES_OK;
}

/* Collective. What the layer's weights are on this rank; room for the results. */
static es_status prepare(const es_comm *c, const es_assembly *p, es_prediction *f,
                         float **w) {
  const int d = es_net_dim(p->model.net);
  const es_params *const par = es_net_params(p->model.net);
  const int layer = es_params_find(par, LAST_LAYER);
  es_status st = ES_NEW(d, &f->gamma);
  if (st == ES_OK) st = ES_NEW(par->tensor[layer].count, w);
  if (st == ES_OK) st = es_params_get(par, layer, *w);
  return es_comm_agree(c, st);
}

es_status es_prediction_make(const es_comm *c, const es_grid *g, const es_settings *s,
                             const es_assembly *p, es_prediction *f) {
  const es_loss_setup setup = es_settings_loss_setup(s);
  const bool solved =
      es_loss_has_flow(p->loss->ops) || es_loss_modes_move_alone(p->loss, &setup);
  es_pairs x = {0};
  float *w = NULL;
  double length = 0;
  es_status st;
  f->why = obstacle(p, &setup);
  f->noise = (es_probe_noise){-1, NAN, NAN};
  if (f->why == NULL && !solved && es_loss_is_linear_at_point(p->loss, &setup)) {
    ES_TRY(find_point(c, s, p, &length));
    if (length == 0)
      f->why = "the loss depends on directions of embeddings, and the initial ones are "
               "not near one point";
  }
  if (f->why != NULL) return ES_OK;
  ES_TRY_GOTO(prepare(c, p, f, &w), done);
  es_progress_begin("initial prediction: features of %lld pairs",
                    (long long) p->probe.pairs);
  st = read_rows(s, p, p->model.features, &x);
  es_progress_end();
  ES_TRY_GOTO(st, done);
  f->width = x.m;
  es_log_mute(true); /* it is no part of training: what fails here is no error of that */
  es_progress_begin("initial prediction: eigenvalues of features %d wide", x.m);
  if (solved)
    st = solve_flow(g, p, &x, w, f);
  else
    st = solve_growth(g, p->loss, &setup, length, &x, f);
  es_progress_end();
  es_log_mute(false);
  if (st != ES_OK) {
    f->modes = 0;
    f->why = st == ES_EMATH    ? "the eigensolver failed on their second moments"
             : st == ES_ENOMEM ? "there is not enough memory for their second moments"
                               : "their second moments could not be computed";
    st = ES_OK;
  }
done:
  es_pairs_free(&x);
  es_free(&w);
  return st;
}

void es_prediction_free(es_prediction *f) {
  es_free(&f->gamma);
  es_free(&f->start);
  es_free(&f->moment);
  es_free(&f->tau);
  es_free(&f->step);
  f->modes = 0;
}
