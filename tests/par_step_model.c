/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_step_model.c  The bytes of the cost model are those of a step: what it hands
 *  to MPI, counted in MPI's profiling layer, part by part; and what the busiest rank
 *  sends, counted inside MPI. */
#define _XOPEN_SOURCE 700
#include "traffic.h"

#include <string.h>
#include "eigenstep/assembly.h"
#include "eigenstep/step_model.h"
#include "loss_cases.h"
#include "par.h"

enum { SMALL = 64 /* bytes of a call that agrees, or counts */ };

/** Bytes in calls of this rank; those of less than SMALL are apart. */
static struct { double summed, gradient, gathered, broadcast, tree, small; } counted;

static double bytes_of(double count, MPI_Datatype type) {
  int size;
  PMPI_Type_size(type, &size);
  return count * size;
}

/** Nothing goes to other ranks on a communicator of one. */
static void count_in(double *of, double bytes, MPI_Comm comm) {
  int ranks;
  PMPI_Comm_size(comm, &ranks);
  if (ranks == 1) return;
  *(bytes < SMALL ? &counted.small : of) += bytes;
}

int MPI_Allreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  count_in(&counted.summed, bytes_of(n, type), comm);
  return PMPI_Allreduce(from, to, n, type, op, comm);
}

int MPI_Iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request *request) {
  count_in(&counted.gradient, bytes_of(n, type), comm);
  return PMPI_Iallreduce(from, to, n, type, op, comm, request);
}

int MPI_Allgatherv(const void *from, int n, MPI_Datatype one, void *to, const int *of,
                   const int *at, MPI_Datatype type, MPI_Comm comm) {
  int ranks;
  double all = 0;
  PMPI_Comm_size(comm, &ranks);
  for (int r = 0; r < ranks; r++) all += of[r];
  count_in(&counted.gathered, bytes_of(all, type), comm);
  return PMPI_Allgatherv(from, n, one, to, of, at, type, comm);
}

int MPI_Bcast(void *data, int n, MPI_Datatype type, int root, MPI_Comm comm) {
  count_in(&counted.broadcast, bytes_of(n, type), comm);
  return PMPI_Bcast(data, n, type, root, comm);
}

/** Sums in the order of a tree. */
int MPI_Sendrecv(const void *from, int n, MPI_Datatype type, int to, int tag, void *into,
                 int m, MPI_Datatype of, int source, int mark, MPI_Comm comm,
                 MPI_Status *status) {
  counted.tree += bytes_of(n, type);
  return PMPI_Sendrecv(from, n, type, to, tag, into, m, of, source, mark, comm, status);
}

static void forget(void) {
  memset(&counted, 0, sizeof counted);
}

/** An evaluation exchanges what its loss says, on more than one rank; on one node nothing
 *  of the matrices that it holds once, on nodes of one rank all of them. */
static void losses_on(const es_comm *c, bool alone) {
  enum { N = 12, D = 9 };
  const int64_t all = (int64_t) N * c->size;
  for (int k = 0; k < LOSS_CASES; k++) {
    double z[4 * N * D], value;
    es_loss *l = loss_of(&loss_cases[k], c, N, all, D);
    assert_true(par_all(c, l != NULL));
    loss_views(11 + (uint64_t) c->rank, N, D, z, z + N * D);
    const es_loss_batch b = {
        .n = N, .z = {z, z + N * D}, .dz = {z + 2 * N * D, z + 3 * N * D}};
    forget();
    bool ok = es_loss_eval(l, &b, &value) == ES_OK;
    const es_loss_exchange e = es_loss_exchange_of(
        &(es_loss_choice){l->ops, l->par}, &(es_loss_size){.pairs = all, .dim = D});
    const double want[] = {8 * (e.summed + (alone ? e.by_node : 0)), 8 * e.gathered,
                           8 * (e.broadcast + (alone ? e.spread : 0))};
    const double got[] = {counted.summed, counted.gathered, counted.broadcast};
    for (int i = 0; i < 3 && c->size > 1; i++)
      if (!(fabs(got[i] - want[i]) < 2 * SMALL)) {
        print_message("%s, kind %d: got %.0f bytes, expected %.0f\n", l->ops->name, i,
                      got[i], want[i]);
        ok = false;
      }
    es_loss_destroy(&l);
    assert_true(par_all(c, ok));
  }
}

static void losses(void **state) {
  const es_comm *const c = *state;
  es_comm *alone = NULL;
  assert_int_equal(es_comm_create_nodes(c->mpi, 1, &alone), ES_OK);
  losses_on(c, false);
  losses_on(alone, true);
  es_comm_destroy(&alone);
}

/** A training with these parameters; nodes of one rank. */
typedef struct rig {
  es_config *cfg;
  es_settings s;
  es_comm *nodes;
  es_assembly *p;
} rig;

static es_status rig_open(const es_comm *c, const char *const *set, rig *t) {
  static const char *const common[] = {"data.count=64",        "data.size=16",
                                       "augment.crop.size=16", "batch.pairs=24",
                                       "spectrum.probe=24",    "encoder.base_width=8",
                                       "encoder.stem=cifar",   "backend.plans=none",
                                       "backend.tune=false",   "projector.widths=16,8"};
  ES_TRY(es_config_create(&t->cfg));
  for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
    ES_TRY(es_config_set(t->cfg, common[i]));
  for (; *set != NULL; set++) ES_TRY(es_config_set(t->cfg, *set));
  ES_TRY(es_settings_read(c, t->cfg, c->size, &t->s));
  ES_TRY(es_comm_create_nodes(c->mpi, 1, &t->nodes));
  return es_assembly_create(t->nodes, &t->s, &t->p);
}

static void rig_close(rig *t) {
  es_assembly_destroy(&t->p);
  es_comm_destroy(&t->nodes);
  es_settings_free(&t->s);
  es_config_destroy(&t->cfg);
}

/** The second step of a training: its bytes as the model has them. */
static void step_is_modelled(const es_comm *c, const char *const *set) {
  rig t = {NULL};
  es_step_work w = {.run = &t.s, .rate = 1e9};
  es_batch *batch = NULL;
  es_step_result r;
  const es_network net = {"any", 1e-6, 1e9};
  bool ok = rig_open(c, set, &t) == ES_OK;
  ok = par_all(c, ok && es_loader_get(t.p->input.loader, 0, &batch) == ES_OK);
  ok = ok && es_train_step(t.p->train, batch, 0, &r) == ES_OK;
  assert_true(ok);
  es_comm_barrier(c);
  const traffic before = traffic_sent;
  forget();
  ok = es_train_step(t.p->train, batch, 0, &r) == ES_OK;
  double sent = traffic_sent.bytes - before.bytes;
  const double got = counted.gradient + counted.tree + counted.summed + counted.gathered +
                     counted.broadcast;
  es_comm_max_f64(c, &sent, 1);
  es_net_cost_of(t.p->model.net, &w.net);
  if (t.p->optim->ops->finish != NULL)
    w.update = t.p->optim->ops->finishes(t.p->optim->own, es_net_params(t.p->model.net));
  const es_step_place at = {c->size, 1, 24.0 / c->size};
  const es_step_estimate e = es_step_model(&w, &net, &at);
  double expected = 0;
  for (int i = 0; i < ES_STEP_PARTS; i++) expected += e.payload[i];
  const bool reported = traffic_counted(c->mpi);
  if (c->rank == 0)
    print_message("%s: given %.0f, model %.0f; sent %.0f, model %.0f bytes\n", set[0],
                  got, expected, sent, es_step_sent(&e));
  rig_close(&t);
  assert_true(par_all(c, ok));
  if (c->size == 1) return;
  assert_true(par_all(c, fabs(got - expected) < 3 * SMALL));
  if (!reported) return;
  const bool trees = w.update.numbers > 0; /* broadcasts, of which some ranks send more */
  assert_true(sent < (trees ? 1.2 : 1.02) * es_step_sent(&e) + 1024);
  assert_true(sent > (c->size == 3 ? 0.6 : trees ? 0.9 : 0.97) * es_step_sent(&e));
}

static void steps(void **state) {
  static const char *const runs[][6] = {
      {"encoder.name=resnet18", NULL},
      {"loss.name=vicreg", "encoder.name=resnet18", "batch.bn_views=joint", NULL},
      {"loss.name=simclr", "encoder.name=resnet50", "optim.momentum=0", NULL},
      {"batch.micro=3", "loss.name=spectral", "encoder.name=resnet18", NULL},
      {"precondition.eps=0.1", "encoder.name=resnet18", NULL},
      {"batch.sync_bn=false", "encoder.name=resnet18", NULL},
      {"optim.name=muon", "encoder.name=resnet18", NULL},
      {"parallel.deterministic=true", "parallel.shards=4", "encoder.name=resnet18", NULL},
      {"parallel.deterministic=true", "parallel.shards=4", "optim.name=muon",
       "loss.name=wmse", "encoder.name=resnet18", NULL}};
  const es_comm *const c = *state;
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++)
    if (c->size != 3 || strcmp(runs[i][0], "parallel.deterministic=true") != 0)
      step_is_modelled(c, runs[i]); /* deterministic on a power of two */
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(losses), cmocka_unit_test(steps)};
  traffic_ask();
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
