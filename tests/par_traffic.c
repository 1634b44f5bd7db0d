/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_traffic.c  What the busiest rank sends, in messages and bytes: no rank sends
 *  more than its share, and nothing grows with the number of ranks that need not. */
#define _XOPEN_SOURCE 700
#include "traffic.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/accuracy.h"
#include "eigenstep/ckpt.h"
#include "eigenstep/mem.h"
#include "eigenstep/reduction.h"
#include "loss_cases.h"
#include "par.h"

/** Stages of a collective: log2 of the ranks, and two more where those are no power of
 *  two. */
static double stages(const es_comm *c) {
  const double log = ceil(log2(c->size));
  return exp2(log) == c->size ? log : log + 2;
}

/** What the busiest rank has sent since `before`; printed. */
static traffic busiest(const es_comm *c, const char *what, traffic before) {
  const traffic now = traffic_sent;
  double sent[2] = {now.messages - before.messages, now.bytes - before.bytes};
  es_comm_max_f64(c, sent, 2);
  if (c->rank == 0)
    print_message("%-40s %3d ranks %8.0f messages %12.0f bytes\n", what, c->size, sent[0],
                  sent[1]);
  return (traffic){sent[0], sent[1]};
}

/** Sums over nodes of `per_node` ranks of n floats. */
static traffic reduce(const es_comm *c, const char *what, int per_node, int64_t n) {
  es_comm *part = NULL;
  es_shared *s[2] = {NULL};
  es_reduction *r = NULL;
  traffic sent = {0};
  assert_int_equal(es_comm_create_nodes(c->mpi, per_node, &part), ES_OK);
  const es_shared_request want[] = {{(size_t) n * sizeof(float), true},
                                    {es_reduction_counters(), true}};
  assert_int_equal(es_shared_create(part, want, 2, "x", s), ES_OK);
  const es_reduction_options o = {
      .x = s[0], .counters = s[1], .n = n, .bucket = 1 << 18, .threads = 1};
  assert_int_equal(es_reduction_create(part, &o, &r), ES_OK);
  const traffic before = traffic_sent;
  es_reduction_finish(r, NULL, 0);
  es_reduction_barrier(r);
  sent = busiest(c, what, before);
  es_reduction_destroy(&r);
  for (int i = 0; i < 2; i++) es_shared_destroy(&s[i]);
  es_comm_destroy(&part);
  return sent;
}

/** A node sends about twice the array, three times where their number is no power of two:
 *  not log2 of the number of nodes. The ranks of a node share that. */
static void gradients_between_nodes(void **state) {
  const es_comm *c = *state;
  enum { N = 1 << 20 };
  if (!traffic_counted(c->mpi)) skip();
  const double array = N * sizeof(float), rest = 4096, p = c->size;
  const traffic one = reduce(c, "gradients, nodes of 1", 1, N);
  const traffic two = reduce(c, "gradients, nodes of 2", 2, N);
  const bool whole = (c->size & (c->size - 1)) == 0;
  assert_true(one.bytes <= (whole ? 2 * (p - 1) / p : 3) * array + rest);
  assert_true(c->size % 2 != 0 || two.bytes <= 1.5 * array + rest);
}

static traffic gather(const es_comm *c, const char *what, int64_t n) {
  char *mine = NULL, *all = NULL;
  bool ok = ES_NEW(n, &mine) == ES_OK && ES_NEW(n * c->size, &all) == ES_OK;
  assert_true(par_all(c, ok));
  const traffic before = traffic_sent;
  ok = es_comm_allgather(c, mine, n, 1, all) == ES_OK;
  const traffic sent = busiest(c, what, before);
  es_free(&mine);
  es_free(&all);
  assert_true(par_all(c, ok));
  return sent;
}

/** Little is gathered in log2 P messages; much costs what a rank receives. */
static void gathers(void **state) {
  const es_comm *c = *state;
  enum { MUCH = 1 << 19 };
  if (!traffic_counted(c->mpi)) skip();
  const traffic little = gather(c, "gather, 8 bytes a rank", 8);
  const traffic much = gather(c, "gather, 512 kB a rank", MUCH);
  assert_true(little.messages <= 3 * stages(c) + 2);
  assert_true(much.bytes <= (double) MUCH * (c->size - 1) + 4096);
}

static traffic loss(const es_comm *c, const char *name, int n, int d) {
  const loss_case k = {name, {NULL}};
  double *z = NULL, *dz = NULL, value;
  const size_t view = (size_t) (n * d);
  es_loss *l = loss_of(&k, c, n, (int64_t) n * c->size, d);
  bool ok = l != NULL && ES_NEW(2 * view, &z) == ES_OK && ES_NEW(2 * view, &dz) == ES_OK;
  assert_true(par_all(c, ok));
  loss_views(11 + c->rank, n, d, z, z + view);
  const es_loss_batch b = {.n = n, .z = {z, z + view}, .dz = {dz, dz + view}};
  const traffic before = traffic_sent;
  ok = es_loss_eval(l, &b, &value) == ES_OK;
  const traffic sent = busiest(c, name, before);
  es_loss_destroy(&l);
  es_free(&z);
  es_free(&dz);
  assert_true(par_all(c, ok));
  return sent;
}

/** Embeddings are gathered, not summed, and one triangle of covariances travels. */
static void losses(void **state) {
  const es_comm *c = *state;
  enum { N = 48, D = 96 };
  if (!traffic_counted(c->mpi)) skip();
  const double p = c->size, share = (p - 1) / p, number = sizeof(double);
  const double rows = 2 * N * p * D * number, few = 2 * N * p * number;
  const double triangles = D * (D + 1) * number;
  const traffic simclr = loss(c, "simclr", N, D), vicreg = loss(c, "vicreg", N, D);
  const traffic spectral = loss(c, "spectral", N, D);
  assert_true(simclr.bytes <= share * rows + stages(c) * few + 4096);
  assert_true(vicreg.bytes <= 2 * share * triangles + 8192);
  assert_true(spectral.bytes <= 2 * share * triangles + 8192);
}

/** Candidates of all ranks for a block of features are not gathered on each. */
static void neighbours(void **state) {
  const es_comm *c = *state;
  enum { DIM = 8, BANK = 32, TEST = 16, K = 20 };
  const es_accuracy_ops *const *list;
  struct { /* of section accuracy.knn */
    int64_t k;
    double temperature;
  } par = {K, 0.1};
  float x[BANK * DIM];
  int label[BANK];
  int64_t id[BANK];
  double value;
  size_t n = es_accuracy_list(&list), knn = 0;
  while (knn < n && strcmp(list[knn]->name, "knn") != 0) knn++;
  if (!traffic_counted(c->mpi)) skip();
  for (int i = 0; i < BANK; i++) {
    for (int j = 0; j < DIM; j++) x[i * DIM + j] = (float) ((i * j + c->rank) % 7 - 3);
    label[i] = i % 3;
    id[i] = c->rank * BANK + i;
  }
  es_labelled bank = {.n = BANK,
                      .total = BANK * c->size,
                      .dim = DIM,
                      .classes = 3,
                      .x = x,
                      .label = label,
                      .id = id};
  es_labelled test = bank;
  test.n = TEST;
  test.total = TEST * c->size;
  const traffic before = traffic_sent;
  const bool ok = knn < n && sizeof par == list[knn]->size &&
                  list[knn]->eval(c, &par, &bank, &test, &value) == ES_OK;
  const traffic sent = busiest(c, "knn", before);
  assert_true(par_all(c, ok));
  const double features = (double) test.total * (DIM * 4 + 4);
  assert_true(sent.bytes <=
              features + 16.0 * K * 64 * ceil(test.total / 64.0) * 1.5 + 4096);
}

enum { ITEMS = 30, ITEM = 64, LARGE = 1 << 19 };

/** Many small items and a large one. */
static es_status walk(void *state, es_visitor *v) {
  float *const x = state;
  char name[32];
  for (int i = 0; i < ITEMS; i++) {
    snprintf(name, sizeof name, "item%d", i);
    es_item item = {name, ES_ITEM_F32, 1, {ITEM}, x + i * ITEM};
    ES_TRY(v->item(v, &item));
  }
  es_item large = {"large", ES_ITEM_F32, 1, {LARGE}, x + ITEMS * ITEM};
  return v->item(v, &large);
}

/** An item takes some collectives to check and one to send on: not a message for each
 *  rank. */
static void checkpoints(void **state) {
  const es_comm *c = *state;
  long id = (long) getpid();
  char dir[64], path[1200], command[128];
  int64_t step;
  float *x = NULL;
  if (!traffic_counted(c->mpi)) skip();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(dir, sizeof dir, "tmp_traffic.%ld", id);
  const es_ckpt_set set = {.dir = dir, .keep = 1, .config_text = "[run]\n"};
  bool ok = par_all(c, ES_NEW(ITEMS * ITEM + LARGE, &x) == ES_OK);
  traffic before = traffic_sent;
  ok = ok && es_ckpt_write(c, &set, walk, x) == ES_OK;
  busiest(c, "checkpoint, 31 items: write", before);
  ok = ok && es_ckpt_latest(c, dir, path, &step) == ES_OK;
  before = traffic_sent;
  ok = ok && es_ckpt_read(c, path, walk, x, NULL, NULL) == ES_OK;
  const traffic sent = busiest(c, "checkpoint, 31 items: read", before);
  es_free(&x);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  es_comm_barrier(c);
  if (c->rank == 0) ok = system(command) == 0 && ok;
  assert_true(par_all(c, ok));
  assert_true(sent.messages <= (12 * (ITEMS + 1) + 60) * stages(c));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_between_nodes),
      cmocka_unit_test(gathers),
      cmocka_unit_test(losses),
      cmocka_unit_test(neighbours),
      cmocka_unit_test(checkpoints),
  };
  traffic_ask();
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
