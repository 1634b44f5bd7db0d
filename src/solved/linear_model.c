/* SPDX-License-Identifier: BSD-3-Clause */
/** @file linear_model.c  eigenstep linear: f(x) = W x on pairs of views, solved and
 *  simulated. Pairs -> eigenpairs of Gamma -> prediction -> simulation -> comparison. */
#include "eigenstep/linear_model.h"

#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/eig.h"
#include "eigenstep/linear.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/mem.h"
#include "eigenstep/precondition.h"
#include "eigenstep/load_pairs.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_folder.h"
#include "eigenstep/settings.h"
#include "linear_deep.h"
#include "linear_descent.h"
#include "linear_end.h"
#include "linear_growth.h"
#include "record.h"
#include "schedule.h"

/* All that a run works on. */
typedef struct linear {
  const es_comm *comm;
  es_linear_params par;
  uint64_t seed;
  es_shape view;
  es_pairs pairs;
  es_grid *grid;
  es_modes *modes;
  double *w;     /* [d, k] or, direct, [d, m] */
  double *gamma; /* [k], round-off set to zero */
  double lr;     /* of gradient descent */
  es_flow *flow;
  es_crossings *crossings;
  es_schedule plan;
} linear;

static void release(linear *l) {
  es_crossings_destroy(&l->crossings);
  es_flow_destroy(&l->flow);
  es_free(&l->plan.at);
  es_free(&l->gamma);
  es_free(&l->w);
  es_modes_destroy(&l->modes);
  es_grid_destroy(&l->grid);
  es_pairs_free(&l->pairs);
}

/* W(0): entry (i, j) is a function of the seed alone. */
static double start_entry(void *ctx, int i, int j) {
  const linear *l = ctx;
  const uint64_t index = (uint64_t) i * (uint64_t) l->pairs.m + (uint64_t) j;
  es_rng r = es_rng_at(l->seed, ES_STREAM_INIT, index, 0);
  return l->par.alpha * es_rng_normal(&r);
}

/* A solver of eig.h is looked up before Gamma is made. */
static es_status check_solver(const char *name) {
  const char *const own[] = {"auto", "samples", "products"};
  const es_eig_ops *ops;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++)
    if (strcmp(name, own[i]) == 0) return ES_OK;
  return es_eig_find("linear.solver", name, &ops);
}

static es_status check(const es_linear_params *p) {
  ES_TRY(es_theory_check_times("linear", &p->times));
  ES_TRY(check_solver(p->solver));
  ES_CHECK(p->batch <= p->sample, ES_ECONFIG,
           "linear.batch: got %lld pairs, expected at most linear.sample = %lld",
           (long long) p->batch, (long long) p->sample);
  ES_CHECK(p->batch == 0 || p->method == ES_LINEAR_DIRECT, ES_ECONFIG,
           "linear.batch: got %lld, expected 0 unless linear.method = direct",
           (long long) p->batch);
  ES_CHECK(p->modes == 0 || p->modes >= p->dim, ES_ECONFIG,
           "linear.modes: got %lld, expected 0 (all) or at least linear.dim = %lld",
           (long long) p->modes, (long long) p->dim);
  return ES_OK;
}

static es_status decompose(linear *l) {
  const double began = es_now();
  ES_TRY(es_grid_create(l->comm, 0, &l->grid));
  es_progress_begin("eigenpairs of Gamma, %d x %d, from %lld pairs", l->pairs.m,
                    l->pairs.m, (long long) l->pairs.total);
  const es_status st =
      es_modes_create(l->grid, &l->pairs, (int) l->par.modes, l->par.solver, &l->modes);
  es_progress_end();
  ES_TRY(st);
  const es_modes *m = l->modes;
  ES_TRY(ES_COMM_NEW(l->comm, m->k, &l->gamma));
  es_theory_gamma(m->k, m->gamma, l->gamma);
  es_info("%lld pairs of views of %d values (%d x %d x %d)%s, %d rank%s",
          (long long) l->pairs.total, l->pairs.m, l->view.c, l->view.h, l->view.w,
          l->par.center ? ", centred" : "", l->comm->size, l->comm->size == 1 ? "" : "s");
  es_info("Gamma: %d eigenpairs %s in %.2f s, residual %.1e; gamma_1 = %.6g", m->k,
          m->products  ? "from products with the samples"
          : m->samples ? "from the samples"
                       : "from the matrix",
          es_now() - began, m->residual, l->gamma[0]);
  return ES_OK;
}

/* W(0) in the eigenvectors, for the prediction and, unless direct, for the simulation. */
static es_status prepare_start(linear *l) {
  const size_t d = (size_t) l->par.dim, k = (size_t) l->modes->k, m = (size_t) l->pairs.m;
  const es_flow_options opt = {.lr = l->par.method == ES_LINEAR_FLOW ? 0 : l->lr,
                               .offdiag = l->par.offdiag,
                               .decay = l->par.weight_decay};
  double *w = NULL;
  ES_TRY(ES_COMM_NEW(l->comm, d * k, &w));
  es_status st = es_modes_project(l->modes, (int) d, start_entry, l, w);
  if (st == ES_OK)
    st = es_theory_predict(
        &(es_theory_start){
            .d = (int) d, .k = (int) k, .gamma = l->gamma, .w = w, .alpha = l->par.alpha},
        opt, &l->flow, &l->crossings);
  if (st == ES_OK && l->par.method == ES_LINEAR_DIRECT) {
    es_free(&w);
    st = ES_NEW(d * m, &w);
    for (size_t i = 0; st == ES_OK && i < d * m; i++)
      w[i] = start_entry(l, (int) (i / m), (int) (i % m));
  }
  l->w = w;
  return es_comm_agree(l->comm, st);
}

static void announce(const linear *l) {
  const int d = l->flow->d, growing = es_flow_growing(l->flow);
  const double batch = (double) l->par.batch;
  es_theory_announce(&l->plan);
  if (l->par.batch > 0)
    es_info("minibatches of %.0f: the loss on a batch stays near %.4g, eigenvalues near "
            "%.4g (Gaussian embeddings)",
            batch, es_flow_batch_loss(d, growing, batch),
            es_flow_batch_eigenvalue(growing, batch));
}

static es_status prepare(linear *l) {
  const es_linear_params *p = &l->par;
  ES_TRY(decompose(l));
  const es_theory_scale scale = {l->gamma, l->modes->k, (int) p->dim, p->offdiag};
  l->lr = es_theory_rate(p->lr, &scale);
  ES_TRY(prepare_start(l));
  l->plan = (es_schedule){.section = "linear",
                          .flow = l->flow,
                          .lr = l->lr,
                          .alpha = p->alpha,
                          .limit = es_theory_limit(&scale, p->weight_decay),
                          .steps = p->steps,
                          .rows = p->rows,
                          .times = &p->times};
  ES_TRY(es_comm_agree(l->comm, es_theory_moments(&l->plan)));
  announce(l);
  return ES_OK;
}

/* Collective. *reached: the step of the end. */
static es_status simulate(linear *l, es_run_folder *out, int64_t *reached) {
  es_record *record = NULL;
  ES_TRY(es_record_create(l->comm, out->traj, l->flow, out->dir,
                          l->plan.at[l->plan.n - 1], &record));
  es_descent o = {.comm = l->comm,
                  .d = (int) l->par.dim,
                  .m = l->par.method == ES_LINEAR_DIRECT ? l->pairs.m : l->modes->k,
                  .w = l->w,
                  .lr = l->lr,
                  .offdiag = l->par.offdiag,
                  .decay = l->par.weight_decay,
                  .observer = {.n = l->plan.n,
                               .at = l->plan.at,
                               .crossings = l->crossings,
                               .record = es_record_see,
                               .ctx = record,
                               .stop = &out->stop}};
  const double began = es_now();
  es_status st;
  es_progress_begin("simulation to t = %.4g", es_theory_end(&l->plan));
  if (l->par.method == ES_LINEAR_GD)
    st = es_descent_modes(&o, l->gamma);
  else if (l->par.method == ES_LINEAR_FLOW)
    st = es_descent_flow(&o, l->gamma, l->par.tol);
  else
    st = es_descent_pairs(&o, &l->pairs, l->par.batch, l->seed);
  es_progress_end();
  st = es_theory_finish(&l->plan, &o, st, es_now() - began, &record);
  *reached = es_theory_step(&l->plan, &o);
  ES_TRY(st);
  const es_linear_end end = {.comm = l->comm,
                             .pairs = &l->pairs,
                             .modes = l->modes,
                             .flow = l->flow,
                             .w = l->w,
                             .direct = l->par.method == ES_LINEAR_DIRECT,
                             .lr = l->lr,
                             .time = o.observer.at[o.observer.n - 1] *
                                     (l->flow->opt.lr > 0 ? l->lr : 1)};
  return es_linear_compare(&end, out->traj);
}

/* What the configuration says of a run. */
typedef struct settings {
  es_output_params output;
  es_pairs_source source; /* owned */
  bool descent;           /* each mode alone, on the samples: under this loss */
  bool growth;            /* growth rates of a small start alone, likewise */
  es_loss_choice loss;    /* of both; owned */
  double eps;             /* of the preconditioned gradient */
  es_surgery_params surgery;
} settings;

static void release_settings(settings *s) {
  es_pairs_source_free(&s->source);
  es_free(&s->loss.par);
}

/* Does the update need the prediction of each mode alone? */
static bool updates_differ(const es_linear_params *p, const settings *s) {
  return p->method == ES_LINEAR_MUON || p->momentum > 0 || s->eps > 0 ||
         es_surgery_is_wanted(&s->surgery);
}

static es_status check_descent(const es_linear_params *p, const es_loss_ops *loss) {
  ES_CHECK(
      es_loss_has_velocity(loss), ES_ECONFIG,
      "linear.method = muon, linear.momentum, precondition.eps and surgery need a "
      "loss whose modes move alone: got loss.name = %s, expected barlow, barlow_logdet, "
      "directpred or isoloss",
      loss->name);
  ES_CHECK(p->method == ES_LINEAR_GD || p->method == ES_LINEAR_MUON, ES_ECONFIG,
           "linear.method: got flow or direct, expected gd or muon with this loss, "
           "linear.momentum, precondition.eps or surgery");
  ES_CHECK(
      p->batch == 0 && p->weight_decay == 0 && p->offdiag == 1 && p->times.n == 0 &&
          p->modes == 0,
      ES_ECONFIG,
      "linear.batch, weight_decay, offdiag, times or modes: got a value other than 0, "
      "0, 1, none and 0, expected these where each mode is predicted alone");
  return ES_OK;
}

/* Where the dynamics are not solved there is gradient descent on all pairs alone. */
static es_status check_growth(const es_linear_params *p, const es_loss_ops *loss) {
  ES_TRY(es_linear_growth_check(loss));
  ES_CHECK(p->steps != 1, ES_ECONFIG,
           "linear.steps: got 1, expected 0 (automatic) or at least 2 to see a rate");
  ES_CHECK(p->method == ES_LINEAR_GD && p->batch == 0 && p->weight_decay == 0, ES_ECONFIG,
           "linear.method, batch or weight_decay: got a value other than gd, 0, 0, "
           "expected these with loss.name = %s",
           loss->name);
  return ES_OK;
}

/* Encoder and predictor have weights of their own and no loss section. */
static es_status check_deep(const es_linear_params *p, const settings *s) {
  const bool plain =
      p->momentum == 0 && s->eps == 0 && !es_surgery_is_wanted(&s->surgery);
  ES_CHECK(p->method == ES_LINEAR_GD || p->method == ES_LINEAR_FLOW, ES_ECONFIG,
           "linear.method: got direct or muon, expected gd or flow with linear.model = "
           "jepa or mae");
  ES_CHECK(plain && p->batch == 0 && p->weight_decay == 0 && p->offdiag == 1 &&
               p->times.n == 0,
           ES_ECONFIG,
           "linear.batch, weight_decay, offdiag, times, momentum, precondition.eps or "
           "surgery: got other values than the defaults, expected these with "
           "linear.model = jepa or mae");
  return ES_OK;
}

static es_status read_settings(es_config *cfg, es_linear_params *values, settings *s) {
  es_loss_params loss;
  es_precondition_params plain;
  const es_loss_ops *ops;
  ES_TRY(es_config_get(cfg, "linear", es_linear_table, NULL, sizeof *values, values));
  ES_TRY(
      es_config_get(cfg, "output", es_output_table, NULL, sizeof s->output, &s->output));
  ES_TRY(es_config_get(cfg, "loss", es_loss_table, NULL, sizeof loss, &loss));
  ES_TRY(es_loss_find(loss.name, &ops));
  ES_TRY(es_config_get(cfg, "precondition", es_precondition_table, NULL, sizeof plain,
                       &plain));
  ES_TRY(check(values));
  ES_TRY(es_config_get(cfg, "surgery", es_surgery_table, NULL, sizeof s->surgery,
                       &s->surgery));
  ES_TRY(es_surgery_check(&s->surgery, (int) values->dim, values->steps));
  s->eps = plain.eps;
  if (values->model != ES_LINEAR_OF_LOSS) {
    ES_TRY(check_deep(values, s));
    return es_pairs_source_read(cfg, &s->source);
  }
  s->descent =
      updates_differ(values, s) || (es_loss_has_velocity(ops) && !es_loss_has_flow(ops));
  s->growth = !s->descent && !es_loss_has_flow(ops);
  if (s->descent) ES_TRY(check_descent(values, ops));
  if (s->growth) ES_TRY(check_growth(values, ops));
  if (s->growth || s->descent) ES_TRY(es_select_loss(cfg, loss.name, &s->loss));
  return es_pairs_source_read(cfg, &s->source);
}

static es_status simulate_growth(const es_job *job, es_config *cfg, const linear *l,
                                 const settings *s) {
  const es_linear_growth o = {.loss = &s->loss,
                              .pairs = &l->pairs,
                              .dir = s->output.dir,
                              .seed = l->seed,
                              .dim = (int) l->par.dim,
                              .alpha = l->par.alpha,
                              .lr = l->par.lr,
                              .steps = l->par.steps,
                              .rows = l->par.rows};
  return es_linear_growth_run(job, cfg, &o);
}

static es_status simulate_descent(const es_job *job, es_config *cfg, const linear *l,
                                  const settings *s) {
  const es_linear_descent o = {.loss = &s->loss,
                               .pairs = &l->pairs,
                               .dir = s->output.dir,
                               .solver = l->par.solver,
                               .seed = l->seed,
                               .dim = (int) l->par.dim,
                               .alpha = l->par.alpha,
                               .update = {.lr = l->par.lr,
                                          .momentum = l->par.momentum,
                                          .eps = s->eps,
                                          .orthogonal = l->par.method == ES_LINEAR_MUON,
                                          .surgery = &s->surgery},
                               .steps = l->par.steps,
                               .rows = l->par.rows};
  return es_linear_descent_run(job, cfg, &o);
}

static es_status simulate_deep(const es_job *job, es_config *cfg, const linear *l,
                               const settings *s) {
  const es_linear_deep o = {.pairs = &l->pairs,
                            .dir = s->output.dir,
                            .solver = l->par.solver,
                            .jepa = l->par.model == ES_LINEAR_JEPA,
                            .flow = l->par.method == ES_LINEAR_FLOW,
                            .dim = (int) l->par.dim,
                            .depth = (int) l->par.depth,
                            .alpha = l->par.alpha,
                            .lr = l->par.lr,
                            .modes = l->par.modes,
                            .steps = l->par.steps,
                            .rows = l->par.rows};
  return es_linear_deep_run(job, cfg, &o);
}

/* Does the loss remove the batch means? Then so do the modes. */
static bool centres(const settings *s, int dim) {
  es_loss_modes m = {.center = false};
  if (s->descent && s->loss.ops->modes != NULL) s->loss.ops->modes(s->loss.par, dim, &m);
  return m.center;
}

static es_status run(const es_job *job, es_config *cfg, linear *l, settings *s) {
  es_run_folder o = {0};
  ES_TRY(es_comm_agree(l->comm, read_settings(cfg, &l->par, s)));
  ES_TRY(es_run_folder_check(job, s->output.dir));
  l->seed = s->source.seed;
  s->source.keys = "linear.sample";
  es_stop_install();
  ES_TRY(es_pairs_load(l->comm, &s->source, l->par.sample, &l->pairs, &l->view));
  ES_TRY(es_stop_between(NULL, l->comm, "the eigenpairs of Gamma"));
  if (l->par.center || centres(s, (int) l->par.dim))
    ES_TRY(es_pairs_center(l->comm, &l->pairs));
  if (l->par.model != ES_LINEAR_OF_LOSS) return simulate_deep(job, cfg, l, s);
  if (s->descent) return simulate_descent(job, cfg, l, s);
  if (s->growth) return simulate_growth(job, cfg, l, s);
  ES_TRY(prepare(l));
  ES_TRY(es_stop_between(NULL, l->comm, "the simulation"));
  ES_TRY(es_run_folder_open(job, cfg, s->output.dir, &o));
  int64_t reached = 0;
  const es_status st = simulate(l, &o, &reached);
  if (st == ES_STOPPED) es_run_folder_say_stopped(&o, reached, es_theory_last(&l->plan));
  return es_run_folder_close(job, &o, st, reached);
}

es_status es_linear_model_reads(es_config *cfg) {
  es_linear_params values;
  settings s = {.growth = false};
  const es_status st = read_settings(cfg, &values, &s);
  release_settings(&s);
  return st;
}

es_status es_linear_model_run(const es_job *job, es_config *cfg) {
  linear l = {.comm = job->comm};
  settings s = {.growth = false};
  const es_status st = run(job, cfg, &l, &s);
  release(&l);
  release_settings(&s);
  return st;
}
