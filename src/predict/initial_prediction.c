/* SPDX-License-Identifier: BSD-3-Clause */
/** @file initial_prediction.c  The linear theory of the last layer, with the encoder
 *  frozen at its
 *  start: f(x) = W h(x) with h the features, so Gamma is theirs and W(0) is known. The
 *  first steps follow it; then the features align and later modes come sooner (Simon et
 *  al., ICML 2023, section 5). */
#include "eigenstep/initial_prediction.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/flow.h"
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/rates.h"
#include "prediction_record.h"

enum { WIDEST = 4096 };

/* A start counts as one point if embeddings vary by less than this share of their mean
 * square: cosines within it are linear in the embeddings to about a tenth. */
#define NEAR 0.01

void es_prediction_print_loss(const es_settings *s, const es_assembly *p) {
  const char *const name = p->loss->ops->name;
  const int d = es_net_dim(p->net);
  if (strcmp(name, "barlow") == 0) {
    const es_barlow_params *const b = p->loss->par;
    char text[160] = "";
    if (b->normalize != 0) return;
    for (int k = 1, used = 0; k <= d && k <= 8; k++)
      used += snprintf(text + used, sizeof text - (size_t) used, "%s%.4g",
                       k > 1 ? ", " : "", b->scale * es_flow_plateau(d, k, b->offdiag));
    es_info("loss to expect: %g at a small start, then %s%s with 1, 2, ... modes learned",
            b->scale * d, text, d > 8 ? ", ..." : "");
    if (b->offdiag == 1)
      es_info("batches of %lld pairs lie (k^2 + k) / B above that with k modes learned: "
              "%.3g at k = 1, %.3g at k = %d",
              (long long) s->batch.pairs,
              b->scale * (es_flow_batch_loss(d, 1, (double) s->batch.pairs) - d + 1),
              b->scale * es_flow_batch_loss(d, d, (double) s->batch.pairs), d);
  } else if (strcmp(name, "simclr") == 0) {
    const es_simclr_params *const o = p->loss->par;
    es_info("loss to expect: ln(2N - 1) = %.4g at a small or collapsed start, less as "
            "views of a pair find each other",
            (o->doubled ? 2 : 1) * es_rates_ntxent_start(s->batch.pairs));
  } else if (strcmp(name, "vicreg") == 0) {
    const es_vicreg_params *const v = p->loss->par;
    const double var = v->var * (v->hinge_half ? 1 : 2);
    es_info("loss to expect: %.4g at a small start, less as directions gain variance",
            es_rates_vicreg_start(var, v->eps));
  }
}

/* Does it divide embeddings by their length? */
static bool by_direction(const es_loss *loss) {
  return strcmp(loss->ops->name, "simclr") == 0 &&
         ((const es_simclr_params *) loss->par)->normalize;
}

/* Why there is no prediction, NULL if there is one. */
static const char *obstacle(const es_settings *s, const es_assembly *p) {
  const char *const name = p->loss->ops->name;
  if (s->projector.widths.n != 1) return "the projector has more than one layer";
  if (es_net_shape(p->net, p->features).c > WIDEST) return "the features are too wide";
  if (strcmp(s->optim.name, "sgd") != 0) return "the optimiser is not plain descent";
  if (s->precondition.eps > 0) return "the gradient is preconditioned";
  if (strcmp(name, "barlow") == 0) {
    const es_barlow_params *const b = p->loss->par;
    if (b->normalize != 0) return "the loss normalises embeddings";
    if (s->projector.bias && !b->center) return "the last layer has a bias";
    return NULL;
  }
  if (strcmp(name, "vicreg") == 0) return NULL;
  if (strcmp(name, "simclr") == 0) {
    const es_simclr_params *const o = p->loss->par;
    if (o->normalize && es_net_dim(p->net) < 2) return "directions on a line are signs";
    return s->projector.bias && !o->normalize ? "the last layer has a bias" : NULL;
  }
  return "none is known for this loss";
}

/* Collective. A value of the network for the probe's pairs (-1: embeddings): of this
 * rank's, in deterministic mode of all. */
static es_status read_rows(const es_comm *c, const es_settings *s, const es_assembly *p,
                           int value, es_pairs *x) {
  const int width = value < 0 ? es_net_dim(p->net) : es_net_shape(p->net, value).c;
  const int64_t chunks = p->probe_pairs / p->probe_chunk;
  const es_bn_mode mode = s->spectrum.bn == 0 ? ES_BN_BATCH : ES_BN_RUNNING;
  int64_t lo, mine;
  double *part = NULL;
  es_comm_local_range(p->loss_comm, p->probe_chunk, &lo, &mine);
  *x = (es_pairs){.total = p->probe_pairs, .n = chunks * mine, .m = width};
  es_comm_scan(p->loss_comm, x->n, &x->first, NULL);
  es_status st = ES_NEW(2 * mine * width, &part);
  for (int v = 0; v < 2 && st == ES_OK; v++) st = ES_NEW(x->n * width, &x->x[v]);
  st = es_comm_agree(c, st);
  for (int64_t k = 0; k < chunks && st == ES_OK; k++) {
    es_batch *b = NULL;
    int n;
    st = es_comm_agree(c, es_loader_get(p->probe_loader, k, &b));
    if (st == ES_OK && value < 0) st = es_train_embed(p->train, b, mode, &n, part);
    if (st == ES_OK && value >= 0)
      st = es_train_features(p->train, b, mode, value, &n, part);
    const int64_t size = mine * width;
    for (int v = 0; v < 2 && st == ES_OK; v++)
      memcpy(x->x[v] + k * size, part + v * size, (size_t) size * sizeof *part);
  }
  es_free(&part);
  return st;
}

/* Collective. Length of the point near which all embeddings of the start are; 0 if they
 * are not. */
static es_status find_point(const es_comm *c, const es_settings *s, const es_assembly *p,
                            double *length) {
  const int d = es_net_dim(p->net);
  es_pairs z = {0};
  double *sum = NULL, square = 0;
  es_status st = es_comm_agree(c, ES_NEW(d + 1, &sum));
  if (st == ES_OK) st = read_rows(c, s, p, -1, &z);
  *length = 0;
  if (st != ES_OK) goto done;
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < z.n * d; i++) {
      sum[i % d] += z.x[v][i];
      sum[d] += z.x[v][i] * z.x[v][i];
    }
  es_comm_sum_f64(p->loss_comm, sum, d + 1);
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

/* Collective. Barlow Twins: the solved dynamics of section 2 of the theory. */
static es_status solve_barlow(const es_grid *g, const es_settings *s,
                              const es_assembly *p, es_pairs *x, const float *w,
                              es_traj *t, es_prediction *f) {
  const es_barlow_params *const b = p->loss->par;
  const int d = es_net_dim(p->net);
  const double fast = es_prediction_speed(s, p);
  weights first = {w, x->m};
  es_modes *modes = NULL;
  es_flow *flow = NULL;
  double *start = NULL;
  es_status st = ES_OK;
  if (b->center) ES_TRY(es_pairs_center(g->comm, x));
  const int wanted = d < x->m ? d : x->m;
  ES_TRY(es_modes_create(g, x, wanted, "auto", &modes));
  ES_TRY_GOTO(es_comm_agree(g->comm, ES_NEW(d * modes->k, &start)), done);
  ES_TRY_GOTO(es_modes_project(modes, d, entry, &first, start), done);
  const es_flow_options o = es_prediction_descent(s, p);
  ES_TRY_GOTO(
      es_comm_agree(g->comm, es_flow_create(d, modes->k, modes->gamma, start, &o, &flow)),
      done);
  f->modes = flow->modes;
  for (int j = 0; j < f->modes; j++) {
    f->gamma[j] = flow->gamma[j];
    f->tau[j] = isfinite(flow->tau[j]) ? flow->tau[j] / fast : NAN;
  }
  st = es_prediction_curves(g->comm, s, p, t, flow, &f->series);
  if (st == ES_OK) st = es_prediction_write_start(t, flow);
done:
  es_flow_destroy(&flow);
  es_free(&start);
  es_modes_destroy(&modes);
  return st;
}

/* Collective. The linearised flows of section 5: rates alone. length: of the point that
 * cosines are taken about, along which nothing moves; 0 for other losses. */
static es_status solve_rates(const es_grid *g, const es_assembly *p, double length,
                             es_pairs *x, es_prediction *f) {
  const int d = es_net_dim(p->net), across = length > 0 ? d - 1 : d;
  const int wanted = across < x->m ? across : x->m;
  es_dmat *flow = NULL;
  es_eigen *e = NULL;
  double unit = 1;
  if (strcmp(p->loss->ops->name, "vicreg") == 0) {
    const es_vicreg_params *const v = p->loss->par;
    ES_TRY(es_rates_vicreg(g, x, d, v->inv, v->var * (v->hinge_half ? 1 : 2), v->eps,
                           &flow));
  } else {
    const es_simclr_params *const o = p->loss->par;
    unit = o->temperature / 2; /* gamma is of Gamma_eff */
    ES_TRY(es_rates_ntxent(g, x, o->temperature, length, &flow));
  }
  const es_status st = es_eig_solve("auto", flow, wanted, &e);
  es_dmat_destroy(&flow);
  ES_TRY(st);
  f->modes = e->k;
  for (int j = 0; j < f->modes; j++) {
    f->gamma[j] = unit * e->value[j];
    f->tau[j] = NAN;
  }
  es_eig_destroy(&e);
  return ES_OK;
}

static void print(const es_prediction *f, int width) {
  char text[200] = "";
  for (int j = 0, used = 0; j < f->modes && j < 6; j++)
    used += snprintf(text + used, sizeof text - (size_t) used, "%s%.4g", j ? ", " : "",
                     f->gamma[j]);
  es_info("features of the start, %d wide: gamma = %s%s", width, text,
          f->modes > 6 ? ", ..." : "");
}

es_status es_prediction_make(const es_comm *c, const es_grid *g, const es_settings *s,
                             const es_assembly *p, es_traj *t, es_prediction *f) {
  const char *const why = obstacle(s, p);
  const int d = es_net_dim(p->net);
  const es_params *const par = es_net_params(p->net);
  const int tensor = es_params_find(par, "projector.0.weight");
  es_pairs x = {0};
  float *w = NULL;
  double length = 0;
  f->series = -1;
  if (es_traj_resumed(t)) return es_prediction_read(c, s, p, t, f);
  if (why != NULL || tensor < 0) {
    es_info("no prediction from the features of the start: %s",
            why ? why : "no last layer");
    return ES_OK;
  }
  if (by_direction(p->loss)) {
    ES_TRY(find_point(c, s, p, &length));
    if (length == 0) {
      es_info("no prediction from the features of the start: the loss sees directions of "
              "embeddings, and those of the start are not near one");
      return ES_OK;
    }
  }
  es_status st = ES_NEW(d, &f->gamma);
  if (st == ES_OK) st = ES_NEW(d, &f->tau);
  if (st == ES_OK) st = ES_NEW(par->tensor[tensor].count, &w);
  if (st == ES_OK) st = es_params_get(par, tensor, w);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  ES_TRY_GOTO(read_rows(c, s, p, p->features, &x), done);
  if (strcmp(p->loss->ops->name, "barlow") == 0)
    st = solve_barlow(g, s, p, &x, w, t, f);
  else
    st = solve_rates(g, p, length, &x, f);
  if (st == ES_OK) st = es_prediction_write(t, f);
  if (st == ES_OK) print(f, x.m);
done:
  es_pairs_free(&x);
  es_free(&w);
  return st;
}

void es_prediction_free(es_prediction *f) {
  es_free(&f->gamma);
  es_free(&f->tau);
  f->modes = 0;
}
