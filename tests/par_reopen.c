/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_reopen.c  A run is found again in its folder: at an older step, on each rank
 *  alone and on all, on every backend, its held-out pairs have the loss that the run had,
 *  and its features the spectrum;
 *  what is no such run is refused with one sentence. */
#include "backends.h"
#include "par.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/command.h"
#include "eigenstep/cov.h"
#include "eigenstep/eig.h"
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"
#include "eigenstep/reopen.h"

enum { STEPS = 4, MIDDLE = 2, OVERRIDES = 22 };

typedef struct folder {
  es_section *section;
  size_t sections;
  char dir[64];
  double loss[STEPS / MIDDLE + 1]; /* on the probe after 0, 2, 4 steps */
} folder;

static es_job job_of(const es_comm *c, const folder *f) {
  static char *none[] = {NULL};
  return (es_job){.comm = c,
                  .argv = none,
                  .envp = none,
                  .section = f->section,
                  .sections = f->sections};
}

static es_status read_losses(const es_comm *c, folder *f) {
  char path[128];
  es_h5 *h = NULL;
  snprintf(path, sizeof path, "%s/trajectory.h5", f->dir);
  ES_TRY(es_h5_open(c, path, false, &h));
  const es_status st =
      es_h5_read_rows(h, "/probe_loss/value", ES_H5_F64, 0, STEPS / MIDDLE + 1, f->loss);
  const es_status closed = es_h5_close(&h);
  return st != ES_OK ? st : closed;
}

/* Collective. A tiny run with two checkpoints, as the program makes it. */
static es_status make_run(const es_comm *c, const char *extra, folder *f) {
  static char *const tiny[] = {"-",
                               "encoder.name=resnet18",
                               "encoder.base_width=8",
                               "data.size=16",
                               "encoder.stem=cifar",
                               "augment.crop.size=16",
                               "data.count=64",
                               "batch.pairs=12",
                               "projector.widths=8",
                               "spectrum.probe=24",
                               "run.steps=4",
                               "spectrum.every=2",
                               "ckpt.every=2",
                               "ckpt.keep=2",
                               "optim.lr=1e-3",
                               "optim.momentum=0.9",
                               "backend.tune=false",
                               "backend.plans=none",
                               "parallel.shards=4"};
  enum { TINY = sizeof tiny / sizeof tiny[0] };
  char dir[80], more[64], *argv[OVERRIDES];
  const es_command_ops *const *list;
  const size_t n = es_command_list(&list);
  int64_t id = getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(f->dir, sizeof f->dir, "tmp_reopen.%lld", (long long) id);
  snprintf(dir, sizeof dir, "output.dir=%s", f->dir);
  snprintf(more, sizeof more, "%s", extra);
  memcpy(argv, tiny, sizeof tiny);
  argv[TINY] = dir;
  argv[TINY + 1] = more;
  ES_TRY(es_comm_agree(c, es_command_sections(&f->section, &f->sections)));
  const es_job job = job_of(c, f);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, "train") == 0) ES_TRY(list[i]->run(&job, TINY + 2, argv));
  return read_losses(c, f);
}

/* Collective. */
static void remove_run(const es_comm *c, folder *f) {
  static const char *const parts[] = {"/ckpt/step_00000002", "/ckpt/step_00000004",
                                      "/ckpt", ""};
  es_comm_barrier(c);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0] && c->rank == 0; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s%s", f->dir, parts[i]);
    es_path_remove_dir(path);
  }
  es_free(&f->section);
  es_comm_barrier(c);
}

/* Collective. Embeddings of the held-out pairs, z[view] [rows, D]: chunk by chunk, as in
 * a snapshot. *rows: of this rank. */
static es_status embed(const es_comm *c, const es_assembly *p, double *const z[2],
                       int64_t *rows) {
  const int64_t dim = es_net_dim(p->model.net);
  float *out = NULL;
  *rows = 0;
  es_status st = ES_NEW(2 * es_loader_max(p->probe.loader) * dim, &out);
  for (int64_t k = 0; k < p->probe.pairs / p->probe.chunk; k++) {
    es_batch *b = NULL;
    if (st == ES_OK) st = es_loader_get(p->probe.loader, k, &b);
    st = es_comm_agree(c, st);
    if (st == ES_OK)
      st = es_net_forward(p->model.eval_net, 2 * b->n, 2, ES_BN_BATCH, b->x, out);
    for (int64_t i = 0; st == ES_OK && i < b->n * dim; i++)
      for (int v = 0; v < 2; v++) z[v][*rows * dim + i] = out[v * b->n * dim + i];
    if (st == ES_OK) *rows += b->n;
  }
  es_free(&out);
  return es_comm_agree(c, st);
}

/* Collective. The loss of the held-out pairs through the network. */
static es_status probe_loss(const es_comm *c, const es_reopened *r, double *value) {
  const es_assembly *const p = r->parts;
  const int dim = es_net_dim(p->model.net);
  int64_t rows = p->probe.pairs / p->probe.chunk * es_loader_max(p->probe.loader);
  const es_loss_size size = {.n_max = (int) rows, .pairs = p->probe.pairs, .dim = dim};
  double *z[2] = {NULL, NULL};
  es_loss *loss = NULL;
  es_status st = ES_NEW(rows * dim, &z[0]);
  if (st == ES_OK) st = ES_NEW(rows * dim, &z[1]);
  st = es_comm_agree(c, st);
  if (st == ES_OK) st = embed(c, p, z, &rows);
  if (st == ES_OK) st = es_loss_create(&r->settings.selected.loss, &size, c, &loss);
  const es_loss_batch pairs = {.n = (int) rows, .z = {z[0], z[1]}};
  if (st == ES_OK) st = es_loss_eval(loss, &pairs, value);
  es_loss_destroy(&loss);
  es_free(&z[0]);
  es_free(&z[1]);
  return st;
}

/* Collective. Step and loss of a reopened run are those of the run. */
static bool same(const es_comm *c, const folder *f, int64_t step, const char *backend) {
  const es_job job = job_of(c, f);
  const es_reopen_options o = {.dir = f->dir, .step = step, .backend = backend};
  const int64_t at = step == ES_REOPEN_LATEST ? STEPS : step;
  es_reopened *r = NULL;
  double value = NAN;
  bool good = es_reopen(&job, &o, ES_REOPEN_PROBE, &r) == ES_OK;
  good = good && r->step == at && fabs(r->time - 1e-3 * (double) at) < 1e-12;
  good = good && strstr(r->text, "[encoder]") != NULL;
  good = good &&
         (backend == NULL || strcmp(r->parts->model.backend->ops->name, backend) == 0);
  good = good && probe_loss(c, r, &value) == ES_OK;
  const double expected = f->loss[at / MIDDLE];
  good = good && fabs(value - expected) < 1e-5 * fabs(expected);
  if (!good)
    es_error("step %lld: loss %.9g, expected %.9g", (long long) at, value, expected);
  es_reopen_close(&r);
  return good;
}

/* Collective. Of a run with one more parameter. */
static void found_again(const es_comm *c, const char *extra) {
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  folder f = {.sections = 0};
  es_comm *self = NULL;
  assert_true(par_all(c, make_run(c, extra, &f) == ES_OK));
  for (int i = 0; i < STEPS / MIDDLE; i++) /* steps can be told apart */
    assert_true(fabs(f.loss[i] - f.loss[i + 1]) > 1e-4 * fabs(f.loss[i]));
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  assert_true(par_all(c, same(c, &f, ES_REOPEN_LATEST, NULL)));
  assert_true(par_all(c, same(c, &f, MIDDLE, NULL)));
  for (size_t i = 0; i < n; i++)
    assert_true(par_all(c, same(c, &f, MIDDLE, list[i]->name)));
  assert_true(par_all(c, same(self, &f, MIDDLE, NULL)));
  assert_true(par_all(c, same(self, &f, ES_REOPEN_LATEST, "blas")));
  es_comm_destroy(&self);
  remove_run(c, &f);
}

/* Collective. The features of the held-out pairs, as in the run's last snapshot. */
static es_status read_features(const es_comm *c, const es_assembly *p, int64_t *n,
                               double **x) {
  const es_probe_request request = {
      .mode = ES_BN_BATCH, .value = p->model.features, .views = 2};
  const int64_t width = es_probe_data_width(p->probe.data, p->model.features);
  double *view[2];
  *n = es_probe_data_rows(p->probe.data);
  ES_TRY(es_comm_agree(c, ES_NEW(2 * *n * width, x)));
  for (int v = 0; v < 2; v++) view[v] = *x + v * *n * width;
  return es_probe_data_read(p->probe.data, &request, view, NULL);
}

/* Collective. Are the eigenvalues of the run's last snapshot those of these features'
 * covariance? */
static bool has_spectrum(const es_grid *g, const folder *f, double *x, int64_t n, int d) {
  enum { ROWS = STEPS / MIDDLE + 1, MOST = 64 };
  char path[128];
  double stored[MOST];
  es_h5 *h = NULL;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  snprintf(path, sizeof path, "%s/trajectory.h5", f->dir);
  bool good = d == MOST && es_h5_open(g->comm, path, false, &h) == ES_OK;
  good = good && es_h5_read_rows(h, "/features/spectrum/covariance/eigenvalues",
                                 ES_H5_F64, ROWS - 1, 1, stored) == ES_OK;
  good = good && es_cov_covariance(g, x, 2 * n, d, 1, &a) == ES_OK;
  good = good && es_eig_values("auto", a, &e) == ES_OK && e->value[0] > 0.1;
  for (int i = 0; good && i < d; i++)
    good = fabs(e->value[i] - stored[i]) < 1e-5 * e->value[0];
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  if (h != NULL) (void) es_h5_close(&h);
  return good;
}

static void features_are_the_checkpoints(void **state) {
  const es_comm *c = *state;
  folder f = {.sections = 0};
  es_reopened *r = NULL;
  es_grid *g = NULL;
  double *x = NULL;
  int64_t n = 0;
  assert_true(par_all(c, make_run(c, "spectrum.of=embedding,features", &f) == ES_OK));
  const es_job job = job_of(c, &f);
  const es_reopen_options o = {.dir = f.dir, .step = ES_REOPEN_LATEST};
  assert_true(par_all(c, es_reopen(&job, &o, ES_REOPEN_PROBE, &r) == ES_OK));
  const es_assembly *const p = r->parts;
  const int width = es_probe_data_width(p->probe.data, p->model.features);
  assert_true(par_all(c, es_grid_create(c, 0, &g) == ES_OK));
  assert_true(par_all(c, read_features(c, p, &n, &x) == ES_OK));
  assert_true(par_all(c, has_spectrum(g, &f, x, n, width)));
  es_free(&x);
  es_grid_destroy(&g);
  es_reopen_close(&r);
  remove_run(c, &f);
}

static void a_run_is_found_again(void **state) {
  found_again(*state, "run.seed=1");
}

static void a_deterministic_run_on_any_ranks(void **state) {
  const es_comm *c = *state;
  if (c->size == 3) return; /* it needs a power of two */
  found_again(c, "parallel.deterministic=true");
}

static bool is_refused(const es_comm *c, const folder *f, es_reopen_options o,
                       es_status status, const char *part) {
  const es_job job = job_of(c, f);
  es_reopened *r = NULL;
  if (o.dir == NULL) o.dir = f->dir;
  es_error("nothing yet");
  const bool good = es_reopen(&job, &o, ES_REOPEN_PROBE, &r) == status && r == NULL;
  return good && (c->rank > 0 || strstr(es_log_last_error(), part) != NULL);
}

static void what_is_no_such_run_is_refused(void **state) {
  const es_comm *c = *state;
  static char *const wide[] = {"projector.widths=6"}, *const small[] = {
                                                          "augment.crop.size=8"};
  const es_reopen_options none = {.dir = "tmp_reopen.none", .step = ES_REOPEN_LATEST};
  const es_reopen_options missing = {.step = 3};
  const es_reopen_options tensors = {.step = MIDDLE, .argc = 1, .argv = wide};
  const es_reopen_options views = {.step = MIDDLE, .argc = 1, .argv = small};
  const es_reopen_options unknown = {.step = MIDDLE, .backend = "abacus"};
  folder f = {.sections = 0};
  assert_true(par_all(c, make_run(c, "run.seed=1", &f) == ES_OK));
  assert_true(par_all(c, is_refused(c, &f, none, ES_EIO, "is not an Eigenstep run")));
  assert_true(par_all(c, is_refused(c, &f, missing, ES_EIO, "the newest is of step 4")));
  assert_true(par_all(c, is_refused(c, &f, tensors, ES_EFORMAT, "projector.0.weight")));
  assert_true(
      par_all(c, is_refused(c, &f, views, ES_ECONFIG, "the checkpoint's 3 x 16")));
  assert_true(par_all(c, is_refused(c, &f, unknown, ES_ECONFIG, "abacus")));
  remove_run(c, &f);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_run_is_found_again),
                                     cmocka_unit_test(a_deterministic_run_on_any_ranks),
                                     cmocka_unit_test(features_are_the_checkpoints),
                                     cmocka_unit_test(what_is_no_such_run_is_refused)};
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
