/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_linear.c  eigenstep linear: f(x) = W x on pairs of views, solved and
 *  simulated. Pairs -> eigenpairs of Gamma -> prediction -> simulation -> comparison. */
#include "exp_linear.h"

#include <math.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/linear.h"
#include "eigenstep/loss.h"
#include "eigenstep/mem.h"
#include "exp_linear_rates.h"
#include "load_pairs.h"
#include "output.h"
#include "settings.h"
#include "theory_record.h"

typedef es_linear_params par;
const es_param es_linear_table[] = {
    ES_INT(par, dim, "10", 1, 4096, "1", "outputs d of the model"),
    ES_DOUBLE(par, alpha, "1e-7", 1e-150, 1e6, "1",
              "standard deviation of the entries of W(0)"),
    ES_DOUBLE(par, lr, "0", 0, ES_INF, "1",
              "learning rate; 0 = 1 / (16 gamma_1); stable below 1 / (4 gamma_1)"),
    ES_INT(par, steps, "0", 0, 1e12, "steps",
           "length of gradient descent; 0 = until all modes are learned"),
    ES_LIST(par, times, "", 0, ES_INF, "lr steps",
            "rising effective times to record, the last ends the run; empty = automatic"),
    ES_CHOICE(
        par, method, "gd", "gd|flow|direct",
        "gradient descent in the eigenvectors of Gamma, gradient flow by an adaptive "
        "integrator, or gradient descent on the samples"),
    ES_INT(par, sample, "500", 1, 1e9, "pairs", "pairs of views"),
    ES_BOOL(par, center, "false", "subtract from each view its mean over the pairs"),
    ES_INT(par, batch, "0", 0, 1e9, "pairs",
           "minibatch of direct descent, drawn anew each step; 0 = all pairs"),
    ES_DOUBLE(par, offdiag, "1", 0, 1e6, "1", "weight of the off-diagonal terms"),
    ES_DOUBLE(par, weight_decay, "0", 0, 1e6, "1", "weight decay: gradient + wd W"),
    ES_INT(par, modes, "0", 0, 1e6, "1",
           "eigenpairs of Gamma to compute and simulate; 0 = all"),
    ES_STRING(par, solver, "auto",
              "eigenpairs: auto, samples (of the 2n x 2n matrix), or a spectrum.solver"),
    ES_INT(par, rows, "2000", 4, 1000000, "1", "moments to record, about"),
    ES_DOUBLE(par, tol, "1e-9", 1e-13, 1e-2, "1", "error of a step of the flow"),
    ES_PARAM_END};

/* Eigenvalues of Gamma below this of the largest are zero to round-off. */
#define ROUND_OFF 1e-12

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
  double *at;    /* [n] moments */
  int n;
  double lr, limit; /* of gradient descent; 1 / (4 gamma_1 - wd) */
  es_flow *flow;
  es_watch *watch;
  double seconds;
} linear;

static void release(linear *l) {
  es_watch_destroy(&l->watch);
  es_flow_destroy(&l->flow);
  es_free(&l->at);
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

static es_status check(const es_linear_params *p) {
  for (int i = 1; i < p->times.n; i++)
    ES_CHECK(p->times.v[i] > p->times.v[i - 1], ES_ECONFIG,
             "linear.times: got %g after %g, expected rising times", p->times.v[i],
             p->times.v[i - 1]);
  ES_CHECK(p->times.n == 0 || p->times.v[p->times.n - 1] > 0, ES_ECONFIG,
           "linear.times: got 0 alone, expected a time to run to");
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
  ES_TRY(
      es_modes_create(l->grid, &l->pairs, (int) l->par.modes, l->par.solver, &l->modes));
  const es_modes *m = l->modes;
  ES_TRY(es_comm_agree(l->comm, ES_NEW(m->k, &l->gamma)));
  const double top = fmax(fabs(m->gamma[0]), fabs(m->gamma[m->k - 1]));
  for (int j = 0; j < m->k; j++)
    l->gamma[j] = fabs(m->gamma[j]) > ROUND_OFF * top ? m->gamma[j] : 0;
  es_info("%lld pairs of views of %d values (%d x %d x %d)%s, %d ranks",
          (long long) l->pairs.total, l->pairs.m, l->view.c, l->view.h, l->view.w,
          l->par.center ? ", centred" : "", l->comm->size);
  es_info("Gamma: %d eigenpairs %s in %.2f s, residual %.1e; gamma_1 = %.6g", m->k,
          m->samples ? "from the samples" : "from the matrix", es_now() - began,
          m->residual, l->gamma[0]);
  return ES_OK;
}

/* The prediction from W(0) in the leading eigenvectors; w: [d, k] W(0) V. */
static es_status predict(linear *l, const double *w) {
  const int d = (int) l->par.dim, k = l->modes->k, modes = d < k ? d : k;
  const es_flow_options opt = {.lr = l->par.method == ES_LINEAR_FLOW ? 0 : l->lr,
                               .offdiag = l->par.offdiag,
                               .decay = l->par.weight_decay,
                               .next = modes < k ? fmax(l->gamma[modes], 0) : 0,
                               .next_start = l->par.alpha};
  double *leading = NULL, *threshold = NULL;
  es_status st = ES_NEW((size_t) d * (size_t) modes, &leading);
  if (st == ES_OK) st = ES_NEW(d, &threshold);
  if (st == ES_OK) {
    for (int i = 0; i < d; i++)
      for (int j = 0; j < modes; j++)
        leading[i * modes + j] = w[(size_t) i * (size_t) k + (size_t) j];
    st = es_flow_create(d, modes, l->gamma, leading, &opt, &l->flow);
  }
  for (int i = 0; i < d && st == ES_OK; i++) {
    const double end = i < modes ? es_flow_final(l->flow, l->flow->order[i]) : 0;
    threshold[i] = end > 0 ? 0.5 * end : INFINITY;
  }
  if (st == ES_OK) st = es_watch_create(d, threshold, &l->watch);
  es_free(&threshold);
  es_free(&leading);
  return st;
}

/* W(0) in the eigenvectors, for the prediction and, unless direct, for the simulation. */
static es_status prepare_start(linear *l) {
  const size_t d = (size_t) l->par.dim, k = (size_t) l->modes->k, m = (size_t) l->pairs.m;
  double *w = NULL;
  ES_TRY(es_comm_agree(l->comm, ES_NEW(d * k, &w)));
  es_status st = es_modes_rotate(l->modes, (int) d, start_entry, l, w);
  if (st == ES_OK) st = predict(l, w);
  if (st == ES_OK && l->par.method == ES_LINEAR_DIRECT) {
    es_free(&w);
    st = ES_NEW(d * m, &w);
    for (size_t i = 0; st == ES_OK && i < d * m; i++)
      w[i] = start_entry(l, (int) (i / m), (int) (i % m));
  }
  l->w = w;
  return es_comm_agree(l->comm, st);
}

static void choose_rate(linear *l) {
  const double steepest = 4 * l->gamma[0] - l->par.weight_decay;
  l->limit = steepest > 0 ? 1 / steepest : INFINITY;
  l->lr = l->par.lr;
  if (l->lr == 0) l->lr = l->gamma[0] > 0 ? 1 / (16 * l->gamma[0]) : 1;
}

/* End and moments of the run, in steps (descent) or times (flow). */
static es_status plan(linear *l) {
  const es_linear_params *p = &l->par;
  const es_flow *f = l->flow;
  const double unit = p->method == ES_LINEAR_FLOW ? 1 : l->lr;
  double first = INFINITY, last = 0;
  for (int j = 0; j < f->modes; j++) {
    if (!isfinite(f->tau[j])) continue;
    last = fmax(last, f->tau[j]);
    if (f->tau[j] > 0) first = fmin(first, f->tau[j]);
  }
  double end = last > 0 ? 1.25 * last / unit : 1000;
  if (p->steps > 0) end = (double) p->steps * (l->lr / unit);
  if (unit != 1) end = ceil(end);
  ES_CHECK(
      end <= 1e12, ES_ECONFIG,
      "linear.steps: got 0 (automatic), which would be %.3g steps; expected a number",
      end);
  ES_TRY(ES_NEW(p->rows + ES_LIST_MAX + 2, &l->at));
  if (p->times.n > 0) {
    for (int i = 0; i < p->times.n; i++) {
      const double at = unit == 1 ? p->times.v[i] : round(p->times.v[i] / unit);
      if (l->n == 0 || at > l->at[l->n - 1]) l->at[l->n++] = at;
    }
    return ES_OK;
  }
  const double begin = isfinite(first) ? 0.03 * first / unit : 1;
  l->n = es_record_schedule(unit == 1 ? begin : fmax(begin, 1), end, (int) p->rows,
                            unit != 1, l->at);
  return ES_OK;
}

/* What the user should know before the run. */
static void announce(const linear *l) {
  const es_flow *f = l->flow;
  const es_linear_params *p = &l->par;
  const int d = f->d, growing = es_flow_growing(f);
  const double end = l->at[l->n - 1];
  double of_time, of_value;
  if (p->method == ES_LINEAR_FLOW)
    es_info("gradient flow to t = %.6g", end);
  else
    es_info("gradient descent: lr = %.6g (stable below %.6g), %.0f steps to t = %.6g",
            l->lr, l->limit, end, end * l->lr);
  if (growing < d)
    es_warn("only %d of %d modes can grow (positive eigenvalues of Gamma%s): expect the "
            "loss to end on the plateau %.6g",
            growing, d, p->weight_decay > 0 ? " above the weight decay" : "",
            es_flow_plateau(d, growing, p->offdiag));
  es_flow_error(f, &of_time, &of_value);
  es_info("estimated error of the small-start theory at alpha = %g: step times %.1e, "
          "eigenvalues %.1e, W %.1e",
          p->alpha, of_time, of_value, sqrt(of_value));
  if (of_time > 0.1)
    es_warn("alpha = %g is too large for the small-start theory: estimated error of the "
            "step times %.2g",
            p->alpha, of_time);
  if (p->method != ES_LINEAR_FLOW && l->lr >= l->limit)
    es_warn("lr = %g is above the stability limit 1 / (4 gamma_1) = %g: the run must "
            "diverge",
            l->lr, l->limit);
  if (p->batch > 0)
    es_info("minibatches of %lld: the loss on a batch stays near %.4g, eigenvalues near "
            "%.4g (Gaussian embeddings)",
            (long long) p->batch, es_flow_floor(d, growing, (double) p->batch),
            es_flow_shrunk(growing, (double) p->batch));
}

static es_status prepare(linear *l) {
  ES_TRY(decompose(l));
  choose_rate(l);
  ES_TRY(prepare_start(l));
  ES_TRY(es_comm_agree(l->comm, plan(l)));
  announce(l);
  return ES_OK;
}

/* Why a run has no end, once, the same on all ranks. */
static es_status explain(const linear *l, double at) {
  if (l->lr >= l->limit && l->par.method != ES_LINEAR_FLOW)
    es_error("diverged: lr = %g is above the stability limit 1 / (4 gamma_1) = %g (step "
             "%.0f); choose linear.lr below it, 0 = automatic",
             l->lr, l->limit, at);
  else
    es_error("diverged at %g: alpha = %g is too large a start for lr = %g", at,
             l->par.alpha, l->lr);
  return es_comm_agree(l->comm, ES_EMATH);
}

/* Above the limit descent may stay finite and oscillate: it does not end in a minimum. */
static bool settled(const linear *l, const es_descent *o, const es_record_summary *s) {
  const bool stable = l->par.method == ES_LINEAR_FLOW || l->lr < l->limit;
  return stable || s->learned == 0 || o->ended < 1;
}

static es_status simulate(linear *l, const es_output *out) {
  es_record *record = NULL;
  es_record_summary s;
  ES_TRY(es_record_create(l->comm, out->traj, l->flow, out->dir, &record));
  es_descent o = {.comm = l->comm,
                  .d = (int) l->par.dim,
                  .m = l->par.method == ES_LINEAR_DIRECT ? l->pairs.m : l->modes->k,
                  .w = l->w,
                  .lr = l->lr,
                  .offdiag = l->par.offdiag,
                  .decay = l->par.weight_decay,
                  .n = l->n,
                  .at = l->at,
                  .watch = l->watch,
                  .see = es_record_see,
                  .ctx = record};
  const double began = es_now();
  es_status st;
  if (l->par.method == ES_LINEAR_GD)
    st = es_descent_rotated(&o, l->gamma);
  else if (l->par.method == ES_LINEAR_FLOW)
    st = es_descent_flow(&o, l->gamma, l->par.tol);
  else
    st = es_descent_pairs(&o, &l->pairs, l->par.batch, l->seed);
  const double seconds = es_now() - began;
  if (st == ES_EMATH) st = explain(l, o.ended);
  const es_status written = es_record_finish(record, l->watch, &s);
  if (st == ES_OK) st = written;
  if (st == ES_OK && !settled(l, &o, &s)) st = explain(l, o.ended);
  if (st == ES_OK) {
    es_print("modes learned: %d of %d; loss %.6g", s.learned, o.d, s.loss);
    es_print("step times: median relative error %.2e; modes with gap ratios up to 0.75: "
             "%.2e (0: within a step)",
             s.median, s.separated);
    es_print("eigenvalues between steps: within %.2e of the prediction", s.between);
    es_print("simulated in %.2f s", seconds);
  }
  es_record_destroy(&record);
  return st;
}

static es_status linear_into(const es_job *job, es_config *cfg, linear *l) {
  es_run_params run;
  es_output_params dir;
  es_loss_params loss;
  es_output o = {0};
  ES_TRY(es_config_get(cfg, "linear", es_linear_table, NULL, sizeof l->par, &l->par));
  ES_TRY(es_config_get(cfg, "run", es_run_table, NULL, sizeof run, &run));
  ES_TRY(es_config_get(cfg, "output", es_output_table, NULL, sizeof dir, &dir));
  ES_TRY(es_config_get(cfg, "loss", es_loss_table, NULL, sizeof loss, &loss));
  ES_TRY(check(&l->par));
  ES_TRY(es_output_check(job, dir.dir));
  l->seed = (uint64_t) run.seed;
  ES_TRY(es_pairs_defaults(cfg));
  ES_TRY(es_pairs_load(l->comm, cfg, l->seed, l->par.sample, &l->pairs, &l->view));
  if (l->par.center) ES_TRY(es_pairs_center(l->comm, &l->pairs));
  if (strcmp(loss.name, "barlow") != 0)
    return es_linear_rates(job, cfg, loss.name, &l->par, l->seed, &l->pairs, dir.dir);
  ES_TRY(prepare(l));
  ES_TRY(es_output_open(job, cfg, dir.dir, &o));
  const es_status st = simulate(l, &o);
  return es_output_close(job, &o, st, 0);
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG, "linear: got no input file, expected RUN.ini or '-'");
  es_config *cfg = NULL;
  linear l = {.comm = job->comm};
  ES_TRY(es_config_load(job, argv[0], argc - 1, argv + 1, &cfg));
  const es_status st = linear_into(job, cfg, &l);
  release(&l);
  es_config_destroy(&cfg);
  return st;
}

const es_experiment_ops es_experiment_linear = {
    .name = "linear",
    .doc = "exact theory of a linear model beside its simulation",
    .usage = "RUN.ini [section.key=value ...]",
    .run = run};
