/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_probe_data.c  A fixed set of records through a network: on any number of
 *  ranks, whole or a few pairs at a time, with rows distributed or replicated, the rows
 *  are those of one rank that forwards chunk by chunk. */
#include "eigenstep/probe_data.h"
#include "loss_cases.h"
#include "models.h"
#include "par.h"

enum { DIM = 20, HIDDEN = 9, D = 5, CHUNK = 12, CHUNKS = 3, SET = CHUNKS * CHUNK };
enum { RECORDS = SET - 5, PASSES = 2, SEED = 8 };

/** A network and a loader of 2-view records on one communicator. */
typedef struct rig {
  es_backend *b;
  es_net *net;
  int features;
  es_dataset *ds;
  es_augment *a;
  es_loader *loader;
} rig;

static es_status open_rig(const es_comm *c, int micro, rig *r) {
  const model_spec mlp = {.encoder = "mlp",
                          .hidden = {HIDDEN},
                          .widths = {D},
                          .no_batchnorm = true,
                          .input = {DIM, 1, 1}};
  const es_net_options o = {.max_n = 2 * (micro > 0 ? micro : CHUNK)};
  const es_data_params data = {
      .name = "gaussian", .count = PASSES * SET, .dim = DIM, .decay = 1, .noise = 0.3};
  const es_augment_steps none = {0};
  const es_loader_options stream = {.seed = SEED, .pairs = CHUNK, .count = PASSES * SET};
  es_shape view;
  *r = (rig){0};
  ES_TRY(es_backend_open("blas", c, 1, &r->b));
  ES_TRY(model_build(r->b, &o, &mlp, &r->net, &r->features));
  ES_TRY(es_params_init(es_net_params(r->net), SEED));
  ES_TRY(es_dataset_open(c, &data, NULL, SEED, &r->ds));
  ES_TRY(es_augment_create(&none, r->ds, &r->a, &view));
  return es_loader_create(c, r->ds, r->a, view, &stream, &r->loader);
}

static void close_rig(rig *r) {
  es_loader_destroy(&r->loader);
  es_augment_destroy(&r->a);
  es_dataset_close(&r->ds);
  es_net_destroy(&r->net);
  es_backend_close(&r->b);
}

/** want [PASSES 2, SET, width] on one rank: each batch of the loader in one forward. */
static es_status reference(const es_comm *self, bool features, float *want) {
  static float z[2 * CHUNK * D];
  const int width = features ? HIDDEN : D;
  rig r;
  es_status st = open_rig(self, 0, &r);
  for (int s = 0; s < PASSES * CHUNKS && st == ES_OK; s++) {
    float rows[2 * CHUNK * HIDDEN];
    es_batch *b = NULL;
    st = es_loader_get(r.loader, s, &b);
    if (st == ES_OK) st = es_net_forward(r.net, 2 * CHUNK, 2, ES_BN_RUNNING, b->x, z);
    if (st == ES_OK && features) st = es_net_read(r.net, r.features, rows);
    if (st != ES_OK) break;
    for (int v = 0; v < 2; v++)
      memcpy(want + ((s / CHUNKS * 2 + v) * SET + s % CHUNKS * CHUNK) * width,
             (features ? rows : z) + v * CHUNK * width,
             (size_t) (CHUNK * width) * sizeof *want);
  }
  close_rig(&r);
  return st;
}

/** Are the rows of each view those of the records they are numbered as, every record once
 *  (on each rank, where rows are replicated)? */
static bool same_rows(const es_row_layout *l, const es_probe_data *p, int views,
                      double *const *got, const int64_t *row, const float *want,
                      int width) {
  const int64_t n = es_probe_data_rows(p);
  double seen[RECORDS] = {0};
  double worst = 0;
  for (int64_t i = 0; i < n; i++) {
    if (row[i] < 0 || row[i] >= RECORDS) return false;
    seen[row[i]] += 1;
    for (int v = 0; v < views; v++) {
      const int of = views == PASSES ? 2 * v : v; /* one view a pass: the first */
      for (int j = 0; j < width; j++)
        worst = worse(
            worst, fabs(got[v][i * width + j] - want[(of * SET + row[i]) * width + j]));
    }
  }
  es_comm_sum_f64(l->loss_comm, seen, RECORDS);
  for (int i = 0; i < RECORDS; i++)
    if (seen[i] != 1) return false;
  return worst < 1e-5; /* of the order of 1; products in f32 of other shapes */
}

/** Collective. */
static bool reads(const es_row_layout *l, int views, int micro, bool features,
                  const float *want) {
  const int width = features ? HIDDEN : D, all = PASSES * views;
  double *z = NULL, *view[2 * PASSES];
  int64_t *row = NULL;
  es_probe_data *p = NULL;
  rig r;
  es_status st = open_rig(l->comm, micro, &r);
  const es_probe_data_options o = {.layout = *l,
                                   .net = r.net,
                                   .loader = r.loader,
                                   .records = RECORDS,
                                   .chunk = CHUNK,
                                   .views = views,
                                   .groups = views,
                                   .micro = micro};
  if (st == ES_OK) st = es_probe_data_create(&o, &p);
  if (st == ES_OK) st = ES_NEW(all * SET * width, &z);
  if (st == ES_OK) st = ES_NEW(SET, &row);
  bool ok = par_all(l->comm, st == ES_OK);
  for (int v = 0; v < all && ok; v++) view[v] = z + v * SET * width;
  const es_probe_request request = {.mode = ES_BN_RUNNING,
                                    .value = features ? r.features : ES_PROBE_EMBEDDING,
                                    .views = all};
  ok = ok && es_probe_data_read(p, &request, view, row) == ES_OK;
  ok = ok && es_probe_data_width(p, request.value) == width;
  ok = par_all(l->comm, ok && same_rows(l, p, all, view, row, want, width));
  es_probe_data_destroy(&p);
  es_free(&z);
  es_free(&row);
  close_rig(&r);
  return ok;
}

static void rows_are_those_of_one_rank(void **state) {
  const es_comm *c = *state;
  static const int micro[] = {0, 2, 5};
  static float want[2][PASSES * 2 * SET * HIDDEN];
  es_row_layout layout[2] = {es_row_layout_distributed(c)};
  es_comm *self = NULL;
  bool ok = es_comm_create(MPI_COMM_SELF, &self) == ES_OK;
  ok = ok && reference(self, false, want[0]) == ES_OK;
  ok = ok && reference(self, true, want[1]) == ES_OK;
  assert_true(par_all(c, ok));
  assert_int_equal(es_row_layout_replicate(c, &layout[1]), ES_OK);
  for (int k = 0; k < 2; k++)
    for (int views = 1; views <= 2; views++)
      for (int m = 0; m < 3; m++)
        for (int features = 0; features < 2; features++)
          assert_true(reads(&layout[k], views, micro[m], features == 1, want[features]));
  es_row_layout_free(&layout[1]);
  es_comm_destroy(&self);
}

/** An error of one rank's `take` is that of all. */
static es_status refuse(void *ctx, const es_probe_rows *rows) {
  const es_comm *c = ctx;
  return c->rank == c->size - 1 && rows->first >= CHUNK ? ES_EFORMAT : ES_OK;
}

static void ranks_agree_on_an_error(void **state) {
  const es_comm *c = *state;
  const es_probe_request embeddings = {
      .mode = ES_BN_RUNNING, .value = ES_PROBE_EMBEDDING, .views = 2};
  es_probe_data *p = NULL;
  rig r;
  es_status st = open_rig(c, 0, &r);
  const es_probe_data_options o = {.layout = es_row_layout_distributed(c),
                                   .net = r.net,
                                   .loader = r.loader,
                                   .records = RECORDS,
                                   .chunk = CHUNK,
                                   .views = 2,
                                   .groups = 2};
  if (st == ES_OK) st = es_probe_data_create(&o, &p);
  assert_true(par_all(c, st == ES_OK));
  st = es_probe_data_each(p, &embeddings, refuse, (void *) c);
  es_probe_data_destroy(&p);
  close_rig(&r);
  assert_true(par_all(c, st == ES_EFORMAT));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_are_those_of_one_rank),
      cmocka_unit_test(ranks_agree_on_an_error),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
