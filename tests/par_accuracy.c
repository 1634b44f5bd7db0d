/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_accuracy.c  Classifiers on features that are distributed over the ranks:
 *  nearest neighbours against a full sort on one rank, the linear classifier against one
 *  rank and on sets that are, or are not, linearly separable. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/accuracy.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "par.h"

enum { BANK = 131, TEST = 150, DIM = 6, CLASSES = 3, PERIOD = 5 };

/* Unit vectors, again and again; the first two of each have label 0, and so have the
 * test's. No number of ranks divides PERIOD: equals are on several. */
static void repeated(int64_t i, float *x, int *label) {
  for (int j = 0; j < DIM; j++) x[j] = j == i % PERIOD ? 1 : 0;
  *label = i >= 2 * PERIOD && i < BANK;
}

/* Overlapping clusters; `far` moves them apart, below 0: repeated. Test records follow
 * the bank's. */
static void record(int64_t i, double far, float *x, int *label) {
  if (far < 0) {
    repeated(i, x, label);
    return;
  }
  es_rng r = es_rng_at(4, ES_STREAM_TEST, (uint64_t) i, 0);
  *label = (int) es_rng_below(&r, CLASSES);
  for (int j = 0; j < DIM; j++)
    x[j] = (float) (es_rng_normal(&r) + (j == *label ? far : 0) + 5 * (j == 4));
}

/* Records first .. first + total - 1, dealt round robin. */
static es_labelled deal(const es_comm *c, int64_t first, int total, double far) {
  es_labelled s = {.total = total, .dim = DIM, .classes = CLASSES};
  if (ES_NEW(total * DIM, &s.x) != ES_OK || ES_NEW(total, &s.label) != ES_OK ||
      ES_NEW(total, &s.id) != ES_OK)
    abort();
  for (int i = c->rank; i < total; i += c->size, s.n++) {
    record(first + i, far, s.x + s.n * DIM, &s.label[s.n]);
    s.id[s.n] = i;
  }
  return s;
}

static void drop(es_labelled *s) {
  es_free(&s->x);
  es_free(&s->label);
  es_free(&s->id);
}

static double accuracy(const es_comm *c, const char *name, double far, int k, double t) {
  const es_accuracy_ops *const *list;
  const size_t n = es_accuracy_list(&list);
  double value = NAN;
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i]->name, name) != 0) continue;
    es_config *cfg = NULL;
    void *par = NULL;
    char set[64];
    bool ok = es_config_create(&cfg) == ES_OK &&
              es_alloc(list[i]->size, "parameters", &par) == ES_OK;
    snprintf(set, sizeof set, "accuracy.knn.k=%d", k);
    ok = ok && es_config_set(cfg, set) == ES_OK;
    snprintf(set, sizeof set, "accuracy.knn.temperature=%g", t);
    ok = ok && es_config_set(cfg, set) == ES_OK;
    snprintf(set, sizeof set, "accuracy.%s", name);
    ok =
        ok && es_config_get(cfg, set, list[i]->params, NULL, list[i]->size, par) == ES_OK;
    es_labelled bank = deal(c, 0, BANK, far), test = deal(c, BANK, TEST, far);
    ok = ok && list[i]->eval(c, par, &bank, &test, &value) == ES_OK;
    drop(&bank);
    drop(&test);
    es_free(&par);
    es_config_destroy(&cfg);
    if (!par_all(c, ok)) value = NAN;
  }
  return value;
}

typedef struct hit {
  double cosine;
  int label;
} hit;

static int descending(const void *a, const void *b) {
  const double x = ((const hit *) a)->cosine, y = ((const hit *) b)->cosine;
  return (x < y) - (x > y);
}

static double knn_by_sorting(double far, int k, double t) {
  int hits = 0;
  for (int i = 0; i < TEST; i++) {
    float x[DIM], y[DIM];
    int label;
    hit all[BANK];
    double votes[CLASSES] = {0};
    record(BANK + i, far, x, &label);
    for (int b = 0; b < BANK; b++) {
      double xy = 0, xx = 0, yy = 0;
      record(b, far, y, &all[b].label);
      for (int j = 0; j < DIM; j++) {
        xy += (double) x[j] * (double) y[j];
        xx += (double) x[j] * (double) x[j];
        yy += (double) y[j] * (double) y[j];
      }
      all[b].cosine = xy / sqrt(xx * yy);
    }
    qsort(all, BANK, sizeof *all, descending);
    for (int j = 0; j < k; j++) votes[all[j].label] += exp(all[j].cosine / t);
    int best = 0;
    for (int j = 1; j < CLASSES; j++)
      if (votes[j] > votes[best]) best = j;
    hits += best == label;
  }
  return (double) hits / TEST;
}

static void neighbours_are_those_of_a_sort(void **state) {
  const es_comm *c = *state;
  const int k[] = {1, 20, BANK};
  for (int i = 0; i < 3; i++) {
    const double want = knn_by_sorting(2, k[i], 0.07);
    const double got = accuracy(c, "knn", 2, k[i], 0.07);
    assert_true(fabs(got - want) < 1e-12);
    assert_true(got > 0.5 && got < 0.99);
  }
  /* More neighbours than there are: all of them. */
  assert_true(accuracy(c, "knn", 2, 1000, 0.5) == accuracy(c, "knn", 2, BANK, 0.5));
  /* Of equals the first in the bank, on whichever rank it is. */
  assert_true(accuracy(c, "knn", -1, 1, 1) == 1);
  assert_true(accuracy(c, "knn", -1, 3, 1) == 1);
  assert_true(accuracy(c, "knn", -1, 5, 1) == 0);
  /* A low temperature leaves the nearest one alone. */
  assert_true(fabs(accuracy(c, "knn", 2, 20, 1e-4) - knn_by_sorting(2, 1, 0.07)) < 1e-12);
}

static void linear_probe_solves_its_problem(void **state) {
  const es_comm *c = *state;
  es_comm *alone = NULL;
  assert_true(accuracy(c, "linear", 20, 1, 1) == 1);
  const double mixed = accuracy(c, "linear", 2, 1, 1);
  /* Unit Gaussians 2 sqrt 2 apart: the best rule, nearest mean, is right in 87 %. */
  assert_true(mixed > 0.78 && mixed < 0.96);
  assert_true(accuracy(c, "linear", 0, 1, 1) < 0.5);
  /* The problem is strictly convex: any number of ranks finds the same classifier. */
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &alone) == ES_OK));
  const double one = accuracy(alone, "linear", 2, 1, 1);
  assert_true(par_all(c, fabs(one - mixed) < 1e-12));
  es_comm_destroy(&alone);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(neighbours_are_those_of_a_sort),
      cmocka_unit_test(linear_probe_solves_its_problem),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
