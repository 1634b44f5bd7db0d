/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy_knn.c  Weighted k-nearest-neighbour classifier (Wu, Xiong, Yu, Lin,
 *  "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", CVPR
 *  2018): the k records of the bank with the largest cosine s to the feature vote for
 *  their labels with weight exp(s / T). There k = 200 of 50,000 records, T = 0.07.
 *
 *  Each rank finds the k nearest in its part of the bank for a block of the held-out
 *  features; a reduction whose sum of two lists is the k nearest of both leaves each rank
 *  with those of some rows of the block. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/accuracy.h"
#include "eigenstep/mem.h"

enum { BLOCK = 64 };

typedef struct par {
  int64_t k;
  double temperature;
} par;

static const es_param params[] = {
    ES_INT(par, k, "20", 1, 1e6, "1", "neighbours, or the whole bank if it is smaller"),
    ES_DOUBLE(par, temperature, "0.07", 1e-6, ES_INF, "1",
              "temperature of the votes exp(cosine / temperature)"),
    ES_PARAM_END};

/* One neighbour. */
typedef struct near {
  float cosine;
  int label;
  int64_t id;
} near;

typedef struct knn {
  const es_comm *c;
  const par *p;
  int k, dim, classes;
  int64_t n_bank, total;
  float *bank, *test; /* [n_bank, dim], [total, dim] of length 1; owned */
  int *label;         /* [total] of the held-out records; owned */
  float *cosine;      /* [BLOCK, n_bank] owned */
  near *mine,
      *all;      /* [BLOCK, k] of this rank's bank; of the whole bank, some rows; owned */
  int *rows;     /* [ranks] of a block for each rank; owned */
  double *votes; /* [classes] owned */
  MPI_Datatype list; /* k neighbours */
  MPI_Op merge;
} knn;

static void normalise(int64_t n, int dim, const float *from, float *to) {
  for (int64_t i = 0; i < n; i++) {
    double square = 0;
    for (int j = 0; j < dim; j++)
      square += (double) from[i * dim + j] * from[i * dim + j];
    const double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (int j = 0; j < dim; j++)
      to[i * dim + j] = (float) (scale * (double) from[i * dim + j]);
  }
}

/* The nearer first; of equals the one that comes first in the bank. */
static bool nearer(const near *a, const near *b) {
  return a->cosine != b->cosine ? a->cosine > b->cosine : a->id < b->id;
}

/* Insert into best[k], a heap with the farthest on top, if it belongs there. */
static void insert(near *best, int k, near one) {
  int i = 0;
  if (!nearer(&one, &best[0])) return;
  for (int below = 1; below < k; below = 2 * i + 1) {
    if (below + 1 < k && nearer(&best[below], &best[below + 1])) below++;
    if (!nearer(&one, &best[below])) break;
    best[i] = best[below];
    i = below;
  }
  best[i] = one;
}

static int by_distance(const void *a, const void *b) {
  return nearer(a, b) ? -1 : nearer(b, a);
}

static void clear(near *best, int64_t n) {
  for (int64_t i = 0; i < n; i++) best[i] = (near){-INFINITY, -1, INT64_MAX};
}

static void find_nearest(knn *s, const es_labelled *bank, int64_t first, int rows) {
  clear(s->mine, (int64_t) BLOCK * s->k);
  if (s->n_bank == 0) return;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, (int) s->n_bank, s->dim, 1,
              s->test + first * s->dim, s->dim, s->bank, s->dim, 0, s->cosine,
              (int) s->n_bank);
  for (int r = 0; r < rows; r++)
    for (int64_t i = 0; i < s->n_bank; i++)
      insert(s->mine + (int64_t) r * s->k, s->k,
             (near){s->cosine[r * s->n_bank + i], bank->label[i], bank->id[i]});
}

/* MPI_User_function: lists `to` <- the nearest of both. Any order of the ranks gives the
 * same neighbours, as no two are equally near. */
static void merge_lists(void *from, void *to, int *n, MPI_Datatype *type) {
  int bytes;
  MPI_Type_size(*type, &bytes);
  const int k = bytes / (int) sizeof(near);
  for (int64_t i = 0; i < (int64_t) *n * k; i++)
    insert((near *) to + i / k * k, k, ((const near *) from)[i]);
}

/* The label that the nearest of the whole bank vote for; they are sorted. */
static int vote(const knn *s, near *best) {
  int winner = 0;
  /* the votes are added in the same order at any rank count */
  qsort(best, (size_t) s->k, sizeof *best, by_distance);
  memset(s->votes, 0, (size_t) s->classes * sizeof *s->votes);
  for (int i = 0; i < s->k && best[i].label >= 0; i++)
    s->votes[best[i].label] +=
        exp(((double) best[i].cosine - (double) best[0].cosine) / s->p->temperature);
  for (int j = 1; j < s->classes; j++)
    if (s->votes[j] > s->votes[winner]) winner = j;
  return winner;
}

/* Collective. */
static double classify(knn *s, const es_labelled *bank) {
  const int ranks = s->c->size;
  int64_t hits = 0;
  for (int64_t first = 0; first < s->total; first += BLOCK) {
    const int rows = (int) (s->total - first < BLOCK ? s->total - first : BLOCK);
    int64_t own, count;
    find_nearest(s, bank, first, rows);
    es_comm_local_range(s->c, rows, &own, &count);
    for (int r = 0; r < ranks; r++) s->rows[r] = rows / ranks + (r < rows % ranks);
    MPI_Reduce_scatter(s->mine, s->all, s->rows, s->list, s->merge, s->c->mpi);
    for (int64_t r = 0; r < count; r++)
      hits += vote(s, s->all + r * s->k) == s->label[first + own + r];
  }
  es_comm_sum_i64(s->c, &hits, 1);
  return (double) hits / (double) s->total;
}

/* Held-out features and labels of all ranks on each; the bank stays distributed. */
static es_status gather_test(knn *s, const es_labelled *test) {
  float *own = NULL;
  es_status st = ES_COMM_NEW(s->c, test->n * test->dim, &own);
  if (st == ES_OK) {
    normalise(test->n, test->dim, test->x, own);
    st = es_comm_allgather(s->c, own, test->n * test->dim, sizeof *own, s->test);
  }
  if (st == ES_OK)
    st = es_comm_allgather(s->c, test->label, test->n, sizeof *test->label, s->label);
  es_free(&own);
  return st;
}

static es_status allocate(knn *s) {
  const int64_t block = (int64_t) BLOCK * s->k;
  ES_TRY(ES_NEW(s->n_bank * s->dim, &s->bank));
  ES_TRY(ES_NEW(s->total * s->dim, &s->test));
  ES_TRY(ES_NEW(s->total, &s->label));
  ES_TRY(ES_NEW(BLOCK * s->n_bank, &s->cosine));
  ES_TRY(ES_NEW(block, &s->mine));
  ES_TRY(ES_NEW((BLOCK / s->c->size + 1) * s->k, &s->all));
  ES_TRY(ES_NEW(s->c->size, &s->rows));
  return ES_NEW(s->classes, &s->votes);
}

static es_status eval(const es_comm *c, const void *p, const es_labelled *bank,
                      const es_labelled *test, double *value) {
  const par *const o = p;
  knn s = {.c = c,
           .p = o,
           .k = (int) (o->k < bank->total ? o->k : bank->total),
           .dim = bank->dim,
           .classes = bank->classes,
           .n_bank = bank->n,
           .total = test->total};
  es_status st = es_comm_agree(c, allocate(&s));
  if (st == ES_OK) {
    normalise(bank->n, bank->dim, bank->x, s.bank);
    st = gather_test(&s, test);
  }
  if (st == ES_OK) {
    MPI_Type_contiguous(s.k * (int) sizeof(near), MPI_BYTE, &s.list);
    MPI_Type_commit(&s.list);
    MPI_Op_create(merge_lists, 1, &s.merge);
    *value = classify(&s, bank);
    MPI_Op_free(&s.merge);
    MPI_Type_free(&s.list);
  }
  es_free(&s.bank);
  es_free(&s.test);
  es_free(&s.label);
  es_free(&s.cosine);
  es_free(&s.mine);
  es_free(&s.all);
  es_free(&s.rows);
  es_free(&s.votes);
  return st;
}

const es_accuracy_ops es_accuracy_knn = {
    .name = "knn",
    .doc = "accuracy of weighted k nearest neighbours on the frozen features",
    .params = params,
    .size = sizeof(par),
    .eval = eval};
