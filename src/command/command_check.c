/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_check.c  eigenstep check: the dry run. Parses, opens the data, plans the
 *  network and says what a run on N ranks would take; trains nothing, writes nothing. */
#include "eigenstep/command.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/linear.h"
#include "eigenstep/mem.h"
#include "eigenstep/linear_model.h"
#include "eigenstep/label_data.h"

static void print_bytes(const char *what, double bytes) {
  es_print("  %-34s %12.1f MB", what, 1e-6 * bytes);
}

static int nearest_square(int ranks) {
  int rows = 1;
  for (int r = 1; r * r <= ranks; r++) {
    if (ranks % r == 0) rows = r;
  }
  return rows;
}

static int moments_of(const es_settings *s) {
  const es_optim_ops *ops = NULL;
  return es_optim_find(&s->optim, &ops) == ES_OK ? es_optim_moments(&s->optim, ops) : 0;
}

/* Ranks among which the pairs that loss and snapshots see are divided. */
static int sharers(const es_settings *s, int ranks) {
  return s->parallel.deterministic ? 1 : ranks;
}

/* The loss of the batch and of the probe: their workspace, and embeddings with gradients
 * in single and double precision. */
static double loss_bytes(const es_settings *s, const es_assembly *p, int ranks) {
  const int dim = es_settings_dim(s), sharing = sharers(s, ranks);
  const int64_t all[] = {s->batch.pairs, p->probe_pairs};
  double bytes = 0;
  for (int i = 0; i < 2; i++) {
    const int64_t n = (all[i] + sharing - 1) / sharing;
    const es_loss_size size = {.n_max = (int) n, .pairs = all[i], .dim = dim};
    const size_t work = es_loss_bytes(&s->selected.loss, &size, all[i]);
    bytes += (double) work + (i == 0 ? 2 * 24.0 : 2 * 8.0) * (double) n * dim;
  }
  return bytes;
}

/* What a run would take, beyond what settings and pipeline say. */
typedef struct bill {
  es_net_cost net;
  double eval_net; /**< activations of the network that measures, where it is another */
  double loss;     /**< loss_bytes */
} bill;

static void print_memory(const es_settings *s, const es_assembly *p, const bill *b,
                         const es_snapshot_options *opt, int ranks) {
  const es_net_cost *const cost = &b->net;
  const int64_t pairs = (s->batch.pairs + ranks - 1) / ranks;
  const double view = 4.0 * p->view.c * p->view.h * p->view.w;
  const double batch = 2 * 2 * (double) pairs * view;
  const double moment = 4.0 * moments_of(s) * (double) cost->parameters;
  const double turn =
      s->precondition.eps > 0 ? (double) es_precondition_bytes(opt->dim) : 0;
  const double snap = (double) es_snapshot_bytes(&s->spectrum, opt, sharers(s, ranks));
  es_print("memory a rank");
  print_bytes("parameters and gradients", (double) cost->parameter_bytes);
  print_bytes("moments of the optimiser", moment);
  print_bytes("activations", (double) cost->activation_bytes);
  print_bytes("gradients and passing activations", (double) cost->passing_bytes);
  if (p->eval_precision != p->precision)
    print_bytes("activations of f32 snapshots", b->eval_net);
  print_bytes("embeddings and loss", b->loss);
  if (s->precondition.eps > 0) print_bytes("preconditioner", turn);
  print_bytes("batches (current and next)", batch);
  print_bytes("snapshot (D x D block-cyclic)", snap);
  print_bytes(
      "together, at least",
      (double) (cost->parameter_bytes + cost->activation_bytes + cost->passing_bytes) +
          moment + b->eval_net + b->loss + turn + batch + snap);
}

static void print_plan(const es_settings *s, const es_assembly *p, const bill *b,
                       int ranks) {
  const es_net_cost *const cost = &b->net;
  const int dim = es_settings_dim(s), rows = nearest_square(ranks);
  const es_snapshot_options opt = {.dim = dim, .samples = p->probe_pairs, .pairs = true};
  es_cadence every;
  const int64_t shots =
      es_cadence_parse(s->spectrum.every, "spectrum.every", &every) == ES_OK
          ? es_cadence_count(&every, s->run.steps)
          : 0;
  es_print("data        %s: %lld records, %s, views %d x %d x %d", s->data.name,
           (long long) p->data->size, p->data->labels > 0 ? "labelled" : "unlabelled",
           p->view.c, p->view.h, p->view.w);
  es_print(
      "network     %s, embedding width %d: %lld parameters, %.3f GFLOP a view forward",
      s->encoder.name, dim, (long long) cost->parameters, 1e-9 * cost->flops);
  es_print("run         %lld steps of %lld pairs on %d ranks (%lld to %lld pairs a rank)",
           (long long) s->run.steps, (long long) s->batch.pairs, ranks,
           (long long) (s->batch.pairs / ranks),
           (long long) ((s->batch.pairs + ranks - 1) / ranks));
  if (s->batch.micro > 0)
    es_print("            at most %lld of them at a time, forward twice",
             (long long) s->batch.micro);
  if (s->parallel.deterministic)
    es_print("            deterministic: %lld shards of %lld pairs",
             (long long) s->parallel.shards,
             (long long) (s->batch.pairs / s->parallel.shards));
  es_print(
      "probe       %lld held-out pairs in forward passes of %lld; about %lld snapshots",
      (long long) p->probe_pairs, (long long) p->probe_chunk, (long long) shots);
  es_print("grid        %d x %d processes, D x D matrices of %.3f MB a rank", rows,
           ranks / rows, 1e-6 * (double) es_dmat_bytes(rows, ranks / rows, dim, dim, 0));
  print_memory(s, p, b, &opt, ranks);
  es_print("output      %.1f MB of numbers in the trajectory (its file is larger), "
           "%.1f MB a "
           "checkpoint",
           1e-6 * ((double) shots * (double) es_snapshot_file_bytes(&s->spectrum, &opt) +
                   48.0 * (double) s->run.steps),
           1e-6 * 4 * (1 + moments_of(s)) * (double) cost->parameters);
}

/* What eigenstep linear would take with these views. */
static es_status print_linear(es_config *cfg, es_shape view, int ranks) {
  es_linear_params p;
  ES_TRY(es_config_get(cfg, "linear", es_linear_table, NULL, sizeof p, &p));
  const int64_t m = (int64_t) view.c * view.h * view.w, n = p.sample;
  const bool automatic = strcmp(p.solver, "auto") == 0;
  const bool samples =
      automatic ? es_linear_uses_samples(m, n) : strcmp(p.solver, "samples") == 0;
  const int64_t order = samples && 2 * n < m ? 2 * n : m;
  const int64_t k = p.modes > 0 && p.modes < order ? p.modes : order;
  es_print("linear      experiment of %lld pairs: Gamma m x m with m = %lld%s, %.1f MB a "
           "rank",
           (long long) n, (long long) m, samples ? " from the samples" : "",
           1e-6 * (double) es_linear_bytes(m, n, p.dim, k, samples, ranks));
  es_print("            at P ranks 8 (%s) bytes",
           samples ? "28 n^2 / P + 4 m n / P + m k / P + 8 n + 3 d k"
                   : "4 m^2 / P + 4 m n / P + 4 m + 3 d k");
  return ES_OK;
}

/* Plan the network: for training, or for measuring only. */
static es_status network_cost(const es_settings *s, const es_assembly *p, int ranks,
                              bool forward_only, es_net_cost *cost) {
  const int64_t most = s->batch.pairs > p->probe_chunk ? s->batch.pairs : p->probe_chunk;
  es_net_options o = es_settings_net(s, (most + ranks - 1) / ranks, ranks);
  es_net *net = NULL;
  o.plan_only = true;
  o.forward_only = forward_only;
  o.precision = forward_only ? p->eval_precision : p->precision;
  const es_model_desc m = es_settings_model(s, p->view);
  ES_TRY(es_model_build(p->backend, &o, &m, &net, NULL));
  es_net_cost_of(net, cost);
  es_net_destroy(&net);
  return ES_OK;
}

static es_status make_bill(const es_settings *s, const es_assembly *p, int ranks,
                           bill *b) {
  es_net_cost eval_net = {0};
  ES_TRY(network_cost(s, p, ranks, false, &b->net));
  if (p->eval_precision != p->precision)
    ES_TRY(network_cost(s, p, ranks, true, &eval_net));
  b->eval_net = (double) (eval_net.activation_bytes + eval_net.passing_bytes);
  b->loss = loss_bytes(s, p, ranks);
  return ES_OK;
}

static es_status plan(const es_job *job, es_config *cfg, int ranks) {
  es_settings s;
  es_assembly p = {0};
  bill b;
  es_status st;
  ES_TRY(es_settings_read(cfg, ranks, &s));
  ES_TRY_GOTO(es_comm_agree(job->comm, es_assembly_check(&s)), done);
  ES_TRY_GOTO(es_assembly_open_backend(job->comm, &s, &p), done);
  ES_TRY_GOTO(es_assembly_open_data(job->comm, &s, &p), done);
  ES_TRY_GOTO(es_comm_agree(job->comm, es_assembly_check_data(&s, &p)), done);
  ES_TRY_GOTO(es_label_data_check(job->comm, &s, &p), done);
  st = make_bill(&s, &p, ranks, &b);
  ES_TRY_GOTO(es_comm_agree(job->comm, st), done);
  print_plan(&s, &p, &b, ranks);
  st = print_linear(cfg, p.view, ranks);
done:
  es_augment_destroy(&p.augment);
  es_dataset_close(&p.held_out);
  es_dataset_close(&p.data);
  es_backend_close(&p.backend);
  es_settings_free(&s);
  return st;
}

/* "--ranks N" anywhere behind the file; the rest are overrides, moved together in
 * `rest`. */
static es_status take_ranks(int argc, char *const *argv, int *ranks, char **rest,
                            int *n) {
  *n = 0;
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "--ranks") != 0) {
      rest[(*n)++] = argv[i];
      continue;
    }
    char *end = NULL;
    errno = 0;
    const long v = i + 1 < argc ? strtol(argv[i + 1], &end, 10) : 0;
    ES_CHECK(v >= 1 && v <= 10000000 && errno == 0 && *end == '\0', ES_ECONFIG,
             "--ranks: got '%s', expected a number of ranks >= 1",
             i + 1 < argc ? argv[i + 1] : "nothing");
    *ranks = (int) v;
    i++;
  }
  return ES_OK;
}

static es_status run(const es_job *job, int argc, char *const *argv) {
  ES_CHECK(argc >= 1, ES_ECONFIG, "check: got no input file, expected RUN.ini or '-'");
  int ranks = job->comm->size, n = 0;
  char **rest = NULL;
  es_config *cfg = NULL;
  es_status st;
  ES_TRY(es_comm_agree(job->comm, ES_NEW(argc, &rest)));
  ES_TRY_GOTO(take_ranks(argc - 1, argv + 1, &ranks, rest, &n), done);
  ES_TRY_GOTO(es_config_load(job, argv[0], n, rest, &cfg), done);
  st = plan(job, cfg, ranks);
done:
  es_config_destroy(&cfg);
  es_free(&rest);
  return st;
}

const es_command_ops es_command_check = {
    .name = "check",
    .doc = "dry run: parameters, memory a rank, process grid, output size",
    .usage = "RUN.ini [--ranks N] [section.key=value ...]",
    .run = run};
