/* SPDX-License-Identifier: BSD-3-Clause */
/** @file lone_failure.c  A forward pass that fails on the last rank while the others wait
 *  in the reductions of batch norm, or, with an argument, fails on all ranks. Run by
 *  e2e_stop.sh, which checks what the user sees. */
#include "eigenstep/train.h"
#include "models.h"

enum { PAIRS = 2, SIDE = 16, D = 3, FAILED = 7 };

static const model_spec spec = {
    .encoder = "resnet18", .base_width = 4, .widths = {D}, .input = {3, SIDE, SIDE}};

/** Collective. One pass of `pairs` pairs through a network for PAIRS of them. */
static es_status work(const es_comm *c, int pairs) {
  static float x[2 * (PAIRS + 1) * 3 * SIDE * SIDE];
  static double z[2 * (PAIRS + 1) * D];
  const es_net_options o = {.max_n = 2 * PAIRS, .sync = c};
  const es_batch batch = {.n = pairs, .x = x};
  es_train_options make = {
      .layout = es_row_layout_distributed(c), .n_max = PAIRS + 1, .groups = 2};
  es_backend *b = NULL;
  es_net *net = NULL;
  es_train *t = NULL;
  int n;
  es_status st = es_backend_open("blas", c, 1, &b);
  if (st == ES_OK) st = model_build(b, &o, &spec, &net, NULL);
  if (st == ES_OK) st = es_params_init(es_net_params(net), 1);
  make.net = net;
  if (st == ES_OK) st = es_train_create(&make, &t);
  if (st == ES_OK) st = es_train_embed(t, &batch, ES_BN_TRAIN, &n, z);
  es_train_destroy(&t);
  es_net_destroy(&net);
  es_backend_close(&b);
  return st;
}

int main(int argc, char **argv) {
  es_comm *c = NULL;
  MPI_Init(&argc, &argv);
  es_status st = es_comm_create(MPI_COMM_WORLD, &c);
  if (st == ES_OK) {
    es_log_setup(c->rank, ES_LOG_INFO, false);
    const bool all = argc > 1, fails = all || c->rank == c->size - 1;
    st = es_comm_agree(c, work(c, fails ? PAIRS + 1 : PAIRS));
  }
  es_comm_destroy(&c);
  MPI_Finalize();
  return st == ES_OK ? 0 : FAILED;
}
