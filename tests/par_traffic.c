/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_traffic.c  What the busiest rank sends, in messages and bytes: no rank sends
 *  more than its share, and nothing grows with the number of ranks that need not. */
#define _POSIX_C_SOURCE 200809L
#include "traffic.h"

#include "eigenstep/loss.h"
#include "eigenstep/mem.h"
#include "eigenstep/reduction.h"
#include "par.h"

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

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_between_nodes),
  };
  traffic_ask();
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
