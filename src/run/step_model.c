/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_model.c  Time and traffic of a training step on N nodes of R ranks, P = NR:
 *
 *  compute   forward and backward of a rank's pairs at its rate; the loss's products at
 *            the same, its D x D matrices and the update at the speed of a node's memory;
 *            what rank 0 computes for all (D^3)
 *  BN        a blocking sum a layer, forward and backward: log2 of the ranks in
 *            latencies, and its bytes through the links
 *  gradient  inside a node every rank adds its slice of all R arrays (R + 1 passes
 *            through memory); across nodes buckets are summed, 2 (N - 1) / N of the bytes
 *            through a node's link and 2 log2 N latencies a bucket. Backward hides a
 *            share, of the last bucket none
 *  loss      its sums, what it gathers, and broadcasts from rank 0, matrices once a node
 *  update    at the speed of a node's memory; Muon's matrices divided among all ranks, at
 *            the rate of compute, the largest by one, and each sent once a node
 *  waiting   at each sum for the slowest of P ranks: SPREAD sqrt(2 ln P) of the compute
 *
 *  parallel.deterministic: forward and backward take ORDERED times as long; every rank
 *  has the rows of all, evaluates the whole loss and updates everything; sums are those
 *  of tree.h, 2 (P - 1) / P of the bytes in 2 log2 P stages, that of the gradient after
 *  backward in pieces of PIECE bytes.
 *
 *  A sum of SHORT bytes or more sends 2 (P - 1) / P of them, a shorter one log2 P times
 *  all; where P is no power of two the busiest rank sends them once more (Open MPI 4.1;
 *  tests/par_step_model.c counts). Ranks of a full node compute as fast as one alone. */
#include "eigenstep/step_model.h"

#include <math.h>
#include "eigenstep/precondition.h"
#include "eigenstep/reduction.h"
#include "network_list.h"

#define NODE_LATENCY                                                                     \
  5e-7                   /* s, a message inside a node: cache misses and MPI's own work */
#define NODE_MEMORY 1e11 /* bytes/s of a node: half of eight channels of DDR4 */
#define OVERLAP 0.7      /* of backward, behind which a sum can go on */
#define SPREAD 0.01      /* relative deviation of a rank's compute: a quiet node */
#define SHORT 8192.0     /* bytes of a sum */
#define MATRIX_PASSES 8.0 /* through each D x D matrix of a loss */
#define UPDATE_PASSES 4.0 /* through the parameters */
#define ORDERED 1.2       /* measured: jobs/README.md */
#define PIECE 65536.0     /* bytes (src/par/tree.c) */

#define ES_ENTRY(name, latency, bandwidth) {#name, latency, bandwidth},
static const es_network networks[] = {ES_NETWORKS(ES_ENTRY)};

size_t es_network_list(const es_network **list) {
  *list = networks;
  return sizeof networks / sizeof networks[0];
}

int es_step_nodes(const es_step_place *at) {
  return (at->ranks + at->node - 1) / at->node;
}

/* The place, in the numbers of the formulas. */
typedef struct scene {
  const es_network *net;
  double ranks, nodes, a_node, pairs;
  double hops; /* seconds of a short sum over all ranks */
} scene;

static scene scene_of(const es_network *net, const es_step_place *at) {
  scene s = {.net = net, .ranks = at->ranks, .nodes = es_step_nodes(at)};
  s.a_node = s.ranks / s.nodes;
  s.pairs = at->pairs;
  s.hops = log2(s.a_node) * NODE_LATENCY + log2(s.nodes) * net->latency;
  return s;
}

static bool is_power_of_two(double n) {
  return exp2(floor(log2(n))) == n;
}

/* Bytes that the busiest of n ranks sends in a sum of so many. */
static double sent_by_sum(double n, double bytes) {
  const double stages = floor(log2(n)), more = is_power_of_two(n) ? 0 : bytes;
  if (n == 1) return 0;
  return more + (bytes < SHORT ? stages * bytes : 2 * (n - 1) / n * bytes);
}

/* Seconds that bytes take through the links of all nodes, up to where each has them. */
static double through(const scene *s, double bytes) {
  return (s->nodes - 1) / s->nodes * bytes / s->net->bandwidth;
}

/* Passes of a rank's pairs: forward runs all but the last twice. */
static double passes(const es_step_work *w, const scene *s) {
  const double micro = (double) w->run->batch.micro;
  return micro > 0 && micro < s->pairs ? ceil(s->pairs / micro) : 1;
}

static bool ordered(const es_step_work *w) {
  return w->run->parallel.deterministic;
}

/* Bytes that each of n ranks sends in a sum in the order of a tree. */
static double sent_by_tree(double n, double bytes) {
  return 2 * (n - 1) / n * bytes;
}

static void batch_norm(const es_step_work *w, const scene *s, es_step_estimate *e) {
  const double layers = w->net.bn_layers, sums = 3 * passes(w, s) - 1;
  if (!w->run->batch.sync_bn || layers == 0) return;
  const double groups = w->run->batch.bn_views == 0 ? 2 : 1;
  const double bytes = 8 * groups * (2 * (double) w->net.bn_channels + layers);
  e->payload[ES_STEP_BN] = sums * bytes;
  e->sent[ES_STEP_BN] = sums * layers * sent_by_sum(s->ranks, bytes / layers);
  e->seconds[ES_STEP_BN] = sums * (layers * s->hops + 2 * through(s, bytes));
  if (!ordered(w)) return;
  e->payload[ES_STEP_BN] = e->sent[ES_STEP_BN] = sums * sent_by_tree(s->ranks, bytes);
  e->seconds[ES_STEP_BN] += sums * layers * s->hops;
}

/* The sum of gradients in the order of a tree; its norm is of each rank. */
static void gradient_tree(const es_step_work *w, const scene *s, es_step_estimate *e) {
  const double bytes = 4 * (double) w->net.parameters, of_rank = bytes / s->a_node;
  const double inside = s->a_node > 1 ? 4 * s->a_node * bytes / NODE_MEMORY : 0;
  const double stages =
      2 * log2(s->nodes) + 2 * (s->nodes - 1) / s->nodes * of_rank / PIECE;
  e->payload[ES_STEP_GRADIENT] = sent_by_tree(s->ranks, bytes);
  e->sent[ES_STEP_GRADIENT] = e->payload[ES_STEP_GRADIENT];
  e->seconds[ES_STEP_GRADIENT] =
      inside + 2 * through(s, bytes) + stages * s->net->latency;
}

/* Seconds of Muon's matrices on the busiest rank. */
static double matrices(const es_step_work *w, const scene *s) {
  return fmax(w->update.operations / s->ranks, w->update.most) / w->rate;
}

/* They go to the other nodes, or, where each rank has its own, as sums to the others. */
static void send_matrices(const es_step_work *w, const scene *s, es_step_estimate *e) {
  const double bytes = 4 * w->update.numbers;
  if (bytes == 0 || (s->nodes == 1 && !ordered(w))) return;
  e->payload[ES_STEP_GRADIENT] += ordered(w) ? bytes : bytes / s->a_node;
  e->sent[ES_STEP_GRADIENT] += ordered(w) ? sent_by_sum(s->ranks, bytes)
                                          : (s->nodes - 1) / s->nodes * bytes / s->a_node;
  e->seconds[ES_STEP_GRADIENT] += (ordered(w) ? 2 : 1) * through(s, bytes);
}

static void gradient(const es_step_work *w, const scene *s, double backward,
                     es_step_estimate *e) {
  const double bytes = 4 * (double) w->net.parameters;
  const double buckets =
      ceil((double) w->net.parameters / (double) es_reduction_bucket((int) s->a_node));
  const double add = s->a_node > 1 ? (s->a_node + 1) * bytes / NODE_MEMORY : 0;
  const double whole =
      add + 2 * through(s, bytes) + 2 * log2(s->nodes) * s->net->latency * buckets;
  e->payload[ES_STEP_GRADIENT] = s->nodes > 1 ? bytes / s->a_node : 0;
  e->sent[ES_STEP_GRADIENT] = sent_by_sum(s->nodes, bytes / s->a_node);
  e->seconds[ES_STEP_GRADIENT] =
      fmax(whole - OVERLAP * backward * (1 - 1 / buckets), whole / buckets) +
      s->hops; /* its norm */
}

static es_loss_exchange of_loss(const es_step_work *w, const scene *s) {
  const es_loss_size size = {.pairs = llround(s->pairs * s->ranks),
                             .dim = es_settings_dim(w->run)};
  return es_loss_exchange_of(&w->run->selected.loss, &size);
}

/* Of loss and preconditioner. Where each rank has all rows, it gets those of the others,
 * and the loss sums nothing; what rank 0 computes goes to every rank. */
static es_loss_exchange exchange_of(const es_step_work *w, const scene *s) {
  const double d = es_settings_dim(w->run);
  es_loss_exchange x = of_loss(w, s);
  if (ordered(w))
    x = (es_loss_exchange){.gathered = 2 * s->pairs * s->ranks * d,
                           .broadcast = x.broadcast + x.spread};
  if (w->run->precondition.eps > 0) {
    x.broadcast += d;
    x.spread += d * d;
  }
  return x;
}

static void loss(const es_step_work *w, const scene *s, es_step_estimate *e) {
  const es_loss_exchange x = exchange_of(w, s);
  const double sums = x.sums > 0 ? x.sums : 1;
  const double lane = s->nodes > 1 ? 8 / s->a_node : 0;
  e->payload[ES_STEP_LOSS] =
      8 * (x.summed + x.gathered + x.broadcast) + lane * (x.by_node + x.spread);
  e->sent[ES_STEP_LOSS] = sums * sent_by_sum(s->ranks, 8 * x.summed / sums) +
                          sent_by_sum(s->nodes, lane * x.by_node) +
                          8 * x.gathered * (s->ranks - 1) / s->ranks +
                          (s->ranks > 1 ? 8 * x.broadcast : 0) + lane * x.spread;
  e->seconds[ES_STEP_LOSS] =
      (1 + x.sums) * s->hops + 2 * through(s, 8 * (x.summed + x.by_node)) +
      through(s, 8 * x.gathered) + through(s, 8 * (x.broadcast + x.spread));
  if (x.gathered > 0 || x.broadcast > 0) e->seconds[ES_STEP_LOSS] += s->hops;
  if (x.spread > 0) e->seconds[ES_STEP_LOSS] += log2(s->nodes) * s->net->latency;
  if (x.by_node > 0) e->seconds[ES_STEP_LOSS] += 2 * log2(s->nodes) * s->net->latency;
}

/* Products with the rows, passes through matrices, and what rank 0 does alone. */
static double loss_compute(const es_step_work *w, const scene *s) {
  const double d = es_settings_dim(w->run), all = s->pairs * s->ranks;
  const es_loss_exchange x = of_loss(w, s);
  const double rows = x.gathered > 0 ? 2 * all : d;
  const double products = 12 * (ordered(w) ? all : s->pairs) * d * rows; /* in double */
  const double numbers =
      ordered(w) ? (x.summed + x.by_node) * s->a_node : x.summed * s->a_node + x.by_node;
  const double alone = x.alone + es_precondition_operations(&w->run->precondition, d);
  return (2 * products + alone) / w->rate + MATRIX_PASSES * 8 * numbers / NODE_MEMORY;
}

/* Elementwise at the speed of a node's memory, which its ranks share; and Muon's. */
static double update(const es_step_work *w, const scene *s) {
  const double copies = ordered(w) ? s->a_node : 1;
  const double bytes = UPDATE_PASSES * 4 * (double) w->net.parameters * copies;
  return bytes / NODE_MEMORY + matrices(w, s);
}

es_step_estimate es_step_model(const es_step_work *w, const es_network *net,
                               const es_step_place *at) {
  const scene s = scene_of(net, at);
  es_step_estimate e = {.seconds = {0}};
  const double slower = ordered(w) ? ORDERED : 1;
  const double forward = slower * 2 * s.pairs * w->net.flops / w->rate;
  const double again = (passes(w, &s) - 1) / passes(w, &s) * forward;
  const double backward = 2 * forward;
  const double compute = forward + again + backward + loss_compute(w, &s) + update(w, &s);
  e.seconds[ES_STEP_COMPUTE] = compute;
  if (at->ranks == 1) return e;
  batch_norm(w, &s, &e);
  if (ordered(w))
    gradient_tree(w, &s, &e);
  else
    gradient(w, &s, backward, &e);
  send_matrices(w, &s, &e);
  loss(w, &s, &e);
  e.seconds[ES_STEP_WAITING] = SPREAD * sqrt(2 * log(s.ranks)) * compute;
  return e;
}

static double sum(const double x[ES_STEP_PARTS]) {
  double all = 0;
  for (int i = 0; i < ES_STEP_PARTS; i++) all += x[i];
  return all;
}

double es_step_seconds(const es_step_estimate *e) {
  return sum(e->seconds);
}

double es_step_sent(const es_step_estimate *e) {
  return sum(e->sent);
}
