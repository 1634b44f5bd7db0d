/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_table.c  The model of a step, printed for `eigenstep check --ranks`. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/step_table.h"

#include <math.h>
#include <unistd.h>
#include "eigenstep/step_rate.h"
#include "network_list.h"

#define ES_CHOOSE(name, latency, bandwidth) "|" #name
static const char choices[] = "all" ES_NETWORKS(ES_CHOOSE);

typedef es_check_params par;
const es_param es_check_table[] = {
    ES_CHOICE(par, network, "all", choices, "the network between nodes"),
    ES_DOUBLE(par, rate, "0", 0, 1e9, "1e9/s",
              "floating-point operations a second of forward and backward on a rank; 0 = "
              "as steps of this run with few pairs take here"),
    ES_DOUBLE(par, latency, "0", 0, 1e9, "us",
              "of a short message between nodes; 0 = the network's"),
    ES_DOUBLE(par, bandwidth, "0", 0, 1e9, "1e9 byte/s",
              "through the link of a node, one way; 0 = the network's"),
    ES_INT(par, node, "0", 0, 1e6, "1", "ranks of a node; 0 = the cores of this one"),
    ES_DOUBLE(par, gpu, "0", 0, 1e6, "GB",
              "memory of the GPU of a rank: does the run fit, and which batch would? 0 = "
              "do not ask"),
    ES_PARAM_END};

enum { WARN = 70 }; /* percent of efficiency */

/* What all lines are made from. */
typedef struct view {
  es_step_work work;
  int ranks, node;
  double pairs; /* of all ranks */
} view;

/* The step at a place, and its efficiency: pairs a second and rank over those of a full
 * node, which takes all pairs, or as many a rank (fixed). */
static double efficiency(const view *v, const es_network *net, es_step_place at,
                         bool fixed, es_step_estimate *e) {
  es_step_place one = at;
  one.ranks = at.ranks < at.node ? at.ranks : at.node;
  if (!fixed) one.pairs = at.pairs * at.ranks / one.ranks;
  *e = es_step_model(&v->work, net, &at);
  const es_step_estimate full = es_step_model(&v->work, net, &one);
  return 100 * (at.pairs / es_step_seconds(e)) / (one.pairs / es_step_seconds(&full));
}

static void print_head(const char *first) {
  es_print("%s %9s %9s %9s %9s %9s %9s %9s %11s %8s", first, "step ms", "compute", "BN",
           "gradient", "loss", "waiting", "MB sent", "img/s", "effic. %");
}

static void print_line(const char *first, const es_step_estimate *e, double pairs,
                       double percent) {
  const double *const t = e->seconds, step = es_step_seconds(e);
  es_print("%s %9.4g %9.4g %9.4g %9.4g %9.4g %9.4g %9.4g %11.5g %8.1f", first, 1e3 * step,
           1e3 * t[ES_STEP_COMPUTE], 1e3 * t[ES_STEP_BN], 1e3 * t[ES_STEP_GRADIENT],
           1e3 * t[ES_STEP_LOSS], 1e3 * t[ES_STEP_WAITING], 1e-6 * es_step_sent(e),
           2 * pairs / step, percent);
}

static void warn(const es_network *net, int ranks, double percent) {
  if (percent < WARN)
    es_warn("efficiency: got %.0f %% on %d ranks over %s, expected %d or more: fewer "
            "ranks, or more pairs a rank (batch.pairs)",
            percent, ranks, net->name, WARN);
}

static void print_networks(const view *v) {
  const es_network *list;
  const size_t n = es_network_list(&list);
  const es_step_place at = {v->ranks, v->node, v->pairs / v->ranks};
  double worst = INFINITY;
  size_t slowest = 0;
  print_head("network     ");
  for (size_t i = 0; i < n; i++) {
    char first[32];
    es_step_estimate e;
    const double percent = efficiency(v, &list[i], at, false, &e);
    snprintf(first, sizeof first, "%-12s", list[i].name);
    print_line(first, &e, v->pairs, percent);
    if (percent < worst) worst = percent, slowest = i;
  }
  warn(&list[slowest], v->ranks, worst);
}

/* Ranks 1, 2, 4, ... as far as the last. */
static int next(int ranks, int last) {
  return ranks < last && 2 * (int64_t) ranks > last ? last : 2 * ranks;
}

/* A line for each number of ranks. fixed: the pairs of a rank. @return the last line's
 * efficiency */
static double print_growth(const view *v, const es_network *net, bool fixed) {
  const double of_rank = v->pairs / v->ranks;
  double percent = 100;
  print_head(" nodes   ranks pairs/rank");
  for (int ranks = 1; ranks <= v->ranks; ranks = next(ranks, v->ranks)) {
    const es_step_place at = {ranks, v->node, fixed ? of_rank : v->pairs / ranks};
    char first[64];
    es_step_estimate e;
    percent = efficiency(v, net, at, fixed, &e);
    snprintf(first, sizeof first, "%6d %7d %10.5g", es_step_nodes(&at), ranks, at.pairs);
    print_line(first, &e, at.pairs * ranks, percent);
  }
  return percent;
}

static void print_one(const view *v, const es_network *net) {
  es_print("network     %s: %.4g us a message, %.4g GB/s a link", net->name,
           1e6 * net->latency, 1e-9 * net->bandwidth);
  es_print("strong      %.0f pairs in all", v->pairs);
  const double percent = print_growth(v, net, false);
  es_print("weak        %.5g pairs a rank", v->pairs / v->ranks);
  print_growth(v, net, true);
  warn(net, v->ranks, percent);
}

/* The network that the parameters give; false: none, but all. */
static bool choose(const par *o, es_network *net) {
  const es_network *list;
  es_network_list(&list);
  *net = list[o->network > 0 ? o->network - 1 : 0];
  if (o->latency > 0 || o->bandwidth > 0) net->name = "of check.latency, bandwidth";
  if (o->latency > 0) net->latency = 1e-6 * o->latency;
  if (o->bandwidth > 0) net->bandwidth = 1e9 * o->bandwidth;
  return o->network > 0 || (o->latency > 0 && o->bandwidth > 0);
}

static void print_exchange(const view *v) {
  const es_network *list;
  es_network_list(&list);
  const es_step_place at = {v->ranks, v->node, v->pairs / v->ranks};
  const es_step_estimate e = es_step_model(&v->work, &list[0], &at);
  es_print("sent        by a rank in a step: gradients %.4g MB, batch norm %.4g MB, loss "
           "%.4g MB",
           1e-6 * e.sent[ES_STEP_GRADIENT], 1e-6 * e.sent[ES_STEP_BN],
           1e-6 * e.sent[ES_STEP_LOSS]);
}

int es_check_node(const es_comm *c, const par *o) {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  int64_t node = o->node > 0 ? o->node : cores > 0 ? cores : 1;
  es_comm_bcast(c, &node, sizeof node, 0);
  return (int) node;
}

es_status es_step_table_print(const es_comm *c, const par *o, const es_settings *s,
                              const es_run_cost *cost, int node, int ranks) {
  int64_t measured = 0;
  double rate = 1e9 * o->rate;
  ES_CHECK(o->network > 0 || (o->latency > 0) == (o->bandwidth > 0), ES_ECONFIG,
           "check.latency, check.bandwidth: got one of them, expected both, or a "
           "check.network");
  if (rate == 0 && o->gpu > 0) {
    es_print(
        "step        its time is not modelled: check.gpu describes a GPU that is not "
        "here; give its speed as check.rate, in 1e9 operations a second");
    return ES_OK;
  }
  if (rate == 0) ES_TRY(es_step_rate(c, s, cost->net.flops, &rate, &measured));
  if (rate == 0) {
    es_print(
        "step        its time is not modelled: no step of few pairs can be timed here "
        "(%s); give the speed of a rank as check.rate, in 1e9 operations a second",
        es_log_last_error());
    return ES_OK;
  }
  const view v = {
      .work = {.net = cost->net, .update = cost->update, .run = s, .rate = rate},
      .ranks = ranks,
      .node = node,
      .pairs = (double) s->batch.pairs};
  es_print(
      "step        modelled for %d ranks, %d a node, at %.4g GFLOP/s a rank (%s%.0lld"
      "%s)",
      ranks, v.node, 1e-9 * rate, measured > 0 ? "steps of " : "check.rate",
      (long long) measured, measured > 0 ? " pairs here" : "");
  print_exchange(&v);
  es_network net;
  if (choose(o, &net))
    print_one(&v, &net);
  else
    print_networks(&v);
  return ES_OK;
}
