/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cost.c  Memory a rank and bytes of output of a training run, from its plan. */
#include "eigenstep/cost.h"

#include <math.h>
#include <stdio.h>

#include "eigenstep/path.h"

/* Losses of batch and probe: their workspace, and embeddings with gradients in single and
 * double precision. */
static void add_loss(const es_settings *s, const es_assembly *p, int ranks,
                     es_run_cost *c) {
  const int dim = es_settings_dim(s), shares = es_settings_loss_ranks(s, ranks);
  const int64_t all[] = {s->batch.pairs, p->probe.pairs};
  const int node = shares > 1 ? c->node : 1;
  for (int i = 0; i < 2; i++) {
    const int64_t n = (all[i] + shares - 1) / shares;
    const es_loss_size size = {.n_max = (int) n, .pairs = all[i], .dim = dim};
    c->loss += es_loss_bytes(&s->selected.loss, &size, all[i], node) +
               (i == 0 ? 2 * 24.0 : 2 * 8.0) * (double) n * dim;
    c->matrices += es_loss_shared(&s->selected.loss, &size, node);
  }
  if (s->precondition.eps > 0) {
    c->preconditioner = es_precondition_bytes(dim, c->node);
    c->matrices += es_precondition_shared(dim, c->node);
  }
}

/* A planned network. */
typedef struct plan {
  es_net_cost cost;
  size_t work; /* numbers of workspace of its optimiser */
  es_optim_work update;
  int features; /* how many the encoder has */
} plan;

/* Plan the network: for training, or for evaluation alone. */
static es_status network_cost(const es_settings *s, const es_assembly *p, int ranks,
                              bool forward_only, plan *out) {
  const es_optim_ops *optim;
  ES_TRY(es_optim_find(&s->optim, &optim));
  const int64_t most = s->batch.pairs > p->probe.chunk ? s->batch.pairs : p->probe.chunk;
  es_net_options o = es_settings_net(s, (most + ranks - 1) / ranks, ranks);
  es_net *net = NULL;
  int features;
  o.plan_only = true;
  o.forward_only = forward_only;
  o.precision = forward_only ? p->model.eval_precision : p->model.precision;
  const es_model_desc m = es_settings_model(s, p->input.view);
  ES_TRY(es_model_build(p->model.backend, &o, &m, &net, &features));
  es_net_cost_of(net, &out->cost);
  out->work = optim->workspace != NULL ? optim->workspace(es_net_params(net)) : 0;
  if (optim->finish != NULL)
    out->update = optim->finishes(s->selected.optim, es_net_params(net));
  out->features = es_net_shape(net, features).c;
  es_net_destroy(&net);
  return ES_OK;
}

static double shared_bytes(int64_t parameters, int moments, int ranks) {
  es_shared_request want[ES_TRAIN_SHARED];
  const int n = es_train_shared_memory(parameters, moments, want);
  return es_shared_bytes(want, n, ranks);
}

static int64_t count_snapshots(const es_settings *s) {
  es_cadence every;
  if (es_cadence_parse(s->spectrum.every, "spectrum.every", &every) != ES_OK) return 0;
  return es_cadence_count(&every, s->run.steps);
}

/* Times that something is kept after step `first`, or from the start on. */
static int64_t count_keeps(const es_settings *s, int64_t first) {
  es_spectrum_kept kept;
  es_cadence every;
  if (es_spectrum_keeps(&s->spectrum, &kept) != ES_OK || !(kept.z || kept.vectors) ||
      es_cadence_parse(s->spectrum.keep_every, "spectrum.keep_every", &every) != ES_OK)
    return 0;
  const int64_t last = s->run.steps, due = es_cadence_count(&every, last);
  const int64_t ends = (first == 0 && !es_cadence_due(&every, 0)) +
                       (last > 0 && !es_cadence_due(&every, last));
  return due + ends - (first > 0 ? es_cadence_count(&every, first) : 0);
}

/* Bytes that the features add. */
static void add_features(const es_settings *s, const es_assembly *p, int width, int ranks,
                         es_run_cost *c) {
  es_spectrum_params par;
  if (!es_settings_wants_features(s)) return;
  const es_snapshot_options o = es_settings_features(s, p->probe.pairs, width, &par);
  const int shares = es_settings_loss_ranks(s, ranks);
  const double rows = (double) es_snapshot_views(&par, &o) * (double) p->probe.pairs;
  c->loss += 8 * rows * width / shares;
  c->snapshot += (double) es_snapshot_bytes(&par, &o, shares);
  c->output.trajectory +=
      (double) c->output.snapshots * (double) es_snapshot_file_bytes(&par, &o);
  c->output.kept += (double) c->output.keeps * (double) es_snapshot_kept_bytes(&par, &o);
}

/* Two batches of so many pairs: two views of each, or its record with their recipes. */
static double batch_bytes(const es_settings *s, const es_assembly *p, int64_t pairs) {
  const double view = 4.0 * p->input.view.c * p->input.view.h * p->input.view.w;
  const double records = (double) es_augment_record_bytes(p->input.augment) +
                         2.0 * (double) sizeof(es_view_recipe);
  return 2 * (double) pairs * (es_assembly_has_recipes(s, p) ? records : 2 * view);
}

/* Records and views in the making: of training, and of the probe. */
static double rooms_bytes(const es_settings *s, const es_assembly *p, int64_t pairs) {
  const int threads = (int) s->backend.threads;
  const int64_t training = es_assembly_has_recipes(s, p) ? 1 : pairs;
  return (double) es_loader_rooms(p->input.data, p->input.augment, training, threads) +
         (double) es_loader_rooms(es_assembly_probe_set(p), p->input.augment, pairs,
                                  threads);
}

es_status es_run_cost_of(const es_settings *s, const es_assembly *p, int ranks, int node,
                         es_run_cost *c) {
  const es_snapshot_options opt = es_settings_snapshot(s, p->probe.pairs);
  const int64_t pairs = (s->batch.pairs + ranks - 1) / ranks;
  plan net, eval_net = {.features = 0};
  const es_optim_ops *optim;
  *c = (es_run_cost){.output.keeps = count_keeps(s, 0),
                     .node = node < ranks ? node : ranks};
  c->output.snapshots = count_snapshots(s) + c->output.keeps;
  ES_TRY(es_optim_find(&s->optim, &optim));
  ES_TRY(network_cost(s, p, ranks, false, &net));
  if (p->model.eval_precision != p->model.precision)
    ES_TRY(network_cost(s, p, ranks, true, &eval_net));
  c->net = net.cost;
  c->update = net.update;
  const int moments = es_optim_moments(&s->optim, optim);
  const double parameters = (double) c->net.parameters;
  c->moments = 4.0 * (moments * parameters + (double) net.work);
  if (!s->parallel.deterministic && p->model.backend->ops->host)
    c->shared = shared_bytes(c->net.parameters, moments, c->node);
  c->eval_net = (double) (eval_net.cost.activation_bytes + eval_net.cost.passing_bytes);
  add_loss(s, p, ranks, c);
  c->batches = batch_bytes(s, p, pairs) + rooms_bytes(s, p, pairs);
  c->snapshot =
      (double) es_snapshot_bytes(&s->spectrum, &opt, es_settings_loss_ranks(s, ranks));
  c->output.trajectory =
      (double) c->output.snapshots * (double) es_snapshot_file_bytes(&s->spectrum, &opt) +
      48.0 * (double) s->run.steps;
  c->output.kept =
      (double) c->output.keeps * (double) es_snapshot_kept_bytes(&s->spectrum, &opt);
  c->output.checkpoint = 4.0 * (1 + moments) * parameters;
  add_features(s, p, net.features, ranks, c);
  return ES_OK;
}

/* Bytes kept from step `first` on, of a network that is built. */
static double kept_bytes(const es_settings *s, const es_assembly *p, int64_t first) {
  const es_snapshot_options o = es_settings_snapshot(s, p->probe.pairs);
  const int width = es_net_shape(p->model.net, p->model.features).c;
  es_spectrum_params par;
  double one = (double) es_snapshot_kept_bytes(&s->spectrum, &o);
  if (es_settings_wants_features(s)) {
    const es_snapshot_options f = es_settings_features(s, p->probe.pairs, width, &par);
    one += (double) es_snapshot_kept_bytes(&par, &f);
  }
  return one * (double) count_keeps(s, first);
}

enum { COPIES = 3 };

es_status es_run_cost_check_room(const es_comm *c, const es_settings *s,
                                 const es_assembly *p, const char *dir, int64_t first) {
  const double need = COPIES * kept_bytes(s, p, first);
  double room = c->rank == 0 ? es_path_room(dir) : 0;
  es_comm_bcast(c, &room, sizeof room, 0);
  ES_CHECK(
      room < 0 || need <= room, ES_ECONFIG,
      "spectrum.keep: got %.1f GB to store, up to %d times that on disk, expected at "
      "most the %.1f GB that are free for output.dir; take a larger interval in "
      "spectrum.keep_every, fewer pairs in spectrum.probe, or spectrum.keep=none",
      1e-9 * need / COPIES, COPIES, 1e-9 * room);
  return ES_OK;
}

double es_run_cost_memory(const es_run_cost *c) {
  const double net =
      (double) (c->net.parameter_bytes + c->net.activation_bytes + c->net.passing_bytes);
  return net + c->moments + c->eval_net + c->loss + c->preconditioner + c->batches +
         c->snapshot;
}

double es_run_cost_device(const es_run_cost *c) {
  return (double) (c->net.parameter_bytes + c->net.activation_bytes +
                   c->net.passing_bytes) +
         c->moments + c->eval_net;
}

static void print_bytes(const char *what, double bytes) {
  es_print("  %-38s %12.1f MB", what, 1e-6 * bytes);
}

static void print_shared(const es_run_cost *c) {
  const double room = es_shared_room();
  const double packed = c->shared > 0 ? (double) c->net.packed_bytes : 0;
  if (c->shared + c->matrices == 0) return;
  es_print("shared memory of a node of %d ranks", c->node);
  if (c->shared > 0) print_bytes("parameters, gradients, moments", c->shared);
  if (packed > 0) print_bytes("packed weights, at most", packed);
  if (c->matrices > 0) print_bytes("embeddings and matrices of the loss", c->matrices);
  if (room < 0) return;
  print_bytes("free in /dev/shm here", room);
  if (room < c->shared + packed + c->matrices)
    es_print("  not enough: each rank will hold a copy of its own, which is slower");
}

static void print_memory(const es_assembly *p, const es_run_cost *c) {
  const bool host = p->model.backend->ops->host;
  es_print(host ? "memory a rank" : "memory of the device, a rank");
  print_bytes("parameters and gradients", (double) c->net.parameter_bytes);
  print_bytes("moments of the optimiser", c->moments);
  print_bytes("activations", (double) c->net.activation_bytes);
  print_bytes("gradients and temporary activations", (double) c->net.passing_bytes);
  if (p->model.eval_precision != p->model.precision)
    print_bytes("activations of f32 snapshots", c->eval_net);
  if (!host) {
    print_bytes("together, at least", es_run_cost_device(c));
    es_print("memory of the host, a rank");
  }
  print_bytes("embeddings and loss", c->loss);
  if (c->preconditioner > 0) print_bytes("preconditioner", c->preconditioner);
  print_bytes("batches (current and next), records", c->batches);
  print_bytes("snapshot (D x D block-cyclic)", c->snapshot);
  print_bytes("together, at least",
              es_run_cost_memory(c) - (host ? 0 : es_run_cost_device(c)));
}

/* Bytes on a GPU: context and packed weights; workspaces of cuBLAS and cuDNN. */
enum { CONTEXT = 500000000, WORKSPACES = (32 + 256) << 20 };

void es_run_cost_print_fit(const es_settings *s, int ranks, double room,
                           const es_run_cost *c) {
  const double own = ceil((double) s->batch.pairs / ranks); /* pairs of a rank */
  const bool micro = s->batch.micro > 0 && (double) s->batch.micro < own;
  const double at_once = micro ? (double) s->batch.micro : own;
  /* the backend's scratch: a gradient beside the one that it is added to */
  const double scratch = (double) c->net.largest_bytes;
  const double grows =
      (double) (c->net.activation_bytes + c->net.passing_bytes) + c->eval_net + scratch;
  const double needs = es_run_cost_device(c) + CONTEXT + WORKSPACES + scratch;
  const double most =
      floor((room - needs + grows) / grows * at_once) * (micro ? 1 : ranks);
  if (needs <= room)
    es_print("GPU         fits: about %.2f GB of %.2f", 1e-9 * needs, 1e-9 * room);
  else if (most > 0)
    es_print("GPU         does not fit: about %.2f GB of %.2f; batch.%s = %.0f would on "
             "these ranks",
             1e-9 * needs, 1e-9 * room, micro ? "micro" : "pairs", most);
  else
    es_print("GPU         does not fit: about %.2f GB of %.2f, with any batch",
             1e-9 * needs, 1e-9 * room);
}

static int nearest_square(int ranks) {
  int rows = 1;
  for (int r = 1; r * r <= ranks; r++) {
    if (ranks % r == 0) rows = r;
  }
  return rows;
}

static void print_model(const es_settings *s, const es_assembly *p,
                        const es_run_cost *c) {
  es_print("data        %s: %lld records, %s, views %d x %d x %d", s->data.name,
           (long long) p->input.data->size,
           p->input.data->labels > 0 ? "labelled" : "unlabelled", p->input.view.c,
           p->input.view.h, p->input.view.w);
  es_print(
      "network     %s, embedding width %d: %lld parameters, %.3f GFLOP a view forward",
      s->encoder.name, es_settings_dim(s), (long long) c->net.parameters,
      1e-9 * c->net.flops);
}

static void print_batch(const es_settings *s, int ranks) {
  const long long least = s->batch.pairs / ranks;
  char range[32] = "";
  if (s->batch.pairs % ranks != 0) snprintf(range, sizeof range, " to %lld", least + 1);
  es_print("run         %lld steps of %lld pairs on %d rank%s (%lld%s pairs a rank)",
           (long long) s->run.steps, (long long) s->batch.pairs, ranks,
           ranks == 1 ? "" : "s", least, range);
  if (s->batch.micro > 0)
    es_print("            at most %lld of them at a time, forward twice",
             (long long) s->batch.micro);
  if (s->parallel.deterministic)
    es_print("            deterministic: %lld shards of %lld pairs",
             (long long) s->parallel.shards,
             (long long) (s->batch.pairs / s->parallel.shards));
}

void es_run_cost_print(const es_settings *s, const es_assembly *p, int ranks,
                       const es_run_cost *c) {
  const int dim = es_settings_dim(s), rows = nearest_square(ranks);
  print_model(s, p, c);
  print_batch(s, ranks);
  es_print(
      "probe       %lld held-out pairs in forward passes of %lld; about %lld snapshots",
      (long long) p->probe.pairs, (long long) p->probe.chunk,
      (long long) c->output.snapshots);
  es_print("grid        %d x %d processes, D x D matrices of %.3g MB a rank", rows,
           ranks / rows, 1e-6 * (double) es_dmat_bytes(rows, ranks / rows, dim, dim, 0));
  print_memory(p, c);
  print_shared(c);
  es_print("output      %.1f MB of numbers in the trajectory (its file is larger), "
           "%.1f MB a checkpoint",
           1e-6 * c->output.trajectory, 1e-6 * c->output.checkpoint);
  if (c->output.keeps > 0)
    es_print(
        "kept        %.1f MB (%s), stored %lld times; the trajectory is on disk up to "
        "%d times",
        1e-6 * c->output.kept, s->spectrum.keep, (long long) c->output.keeps, COPIES);
}
