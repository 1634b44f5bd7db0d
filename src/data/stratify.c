/* SPDX-License-Identifier: BSD-3-Clause */
/** @file stratify.c  A sample of the records of a data set, its classes in proportion.
 *
 *  Class c with n_c of the N records gets floor(n n_c / N) of the n places; those left go
 *  to the classes with the largest remainders, one each, at random where remainders are
 *  equal (there may be more classes than places). Who is taken out of a class, and the
 *  order of the sample, are keyed permutations: a function of (data, n, seed) alone. */
#include <stdlib.h>

#include "eigenstep/mem.h"
#include "eigenstep/stratify.h"

/** Numbers of the permutations; those of training's epochs count from 0. */
static const uint64_t WITHIN = UINT64_C(1) << 61, CLASSES = UINT64_C(1) << 62,
                      ORDER = UINT64_C(3) << 61;

/** A class and its part of the sample. Unlabelled records are a class of their own. */
typedef struct stratum {
  int64_t first, size; /**< its records in `member` */
  int64_t places;
  uint64_t remainder, tie; /**< who gets the next place */
} stratum;

typedef struct strata {
  int64_t n;
  stratum *of;     /**< [n] owned */
  int64_t *member; /**< owned: all records, class by class, ascending within each */
} strata;

static int64_t class_of(const es_dataset *ds, int64_t i) {
  return ds->ops->label != NULL ? ds->ops->label(ds, i) + 1 : 0;
}

static void sort_by_class(const es_dataset *ds, strata *s) {
  for (int64_t i = 0; i < ds->size; i++) s->of[class_of(ds, i)].size++;
  for (int64_t c = 1; c < s->n; c++)
    s->of[c].first = s->of[c - 1].first + s->of[c - 1].size;
  for (int64_t c = 0; c < s->n; c++) s->of[c].size = 0;
  for (int64_t i = 0; i < ds->size; i++) {
    stratum *const c = &s->of[class_of(ds, i)];
    s->member[c->first + c->size++] = i;
  }
}

static int by_remainder(const void *a, const void *b) {
  const stratum *const x = *(stratum *const *) a, *const y = *(stratum *const *) b;
  if (x->remainder != y->remainder) return x->remainder > y->remainder ? -1 : 1;
  return (x->tie > y->tie) - (x->tie < y->tie);
}

/** The places: whole parts first, then one for each remainder, largest first. A class is
 *  taken whole only where nothing else is left. */
static es_status share_places(int64_t n, int64_t records, uint64_t seed, strata *s) {
  stratum **order = NULL;
  int64_t left = n;
  ES_TRY(ES_NEW(s->n, &order));
  for (int64_t c = 0; c < s->n; c++) {
    stratum *const x = &s->of[c];
    const uint64_t part = (uint64_t) n * (uint64_t) x->size;
    x->places = (int64_t) (part / (uint64_t) records);
    x->remainder = part % (uint64_t) records;
    x->tie = es_permute(seed, CLASSES, (uint64_t) s->n, (uint64_t) c);
    order[c] = x;
    left -= x->places;
  }
  qsort(order, (size_t) s->n, sizeof *order, by_remainder);
  for (int keep = 1; keep >= 0 && left > 0; keep--)
    for (int64_t c = 0; c < s->n && left > 0; c++) {
      const int64_t room = order[c]->size - keep - order[c]->places;
      if (room <= 0) continue;
      order[c]->places++;
      left--;
    }
  es_free(&order);
  return ES_OK;
}

static void draw(const strata *s, int64_t n, uint64_t seed, int64_t *record) {
  uint64_t at = 0;
  for (int64_t c = 0; c < s->n; c++) {
    const stratum *const x = &s->of[c];
    for (int64_t k = 0; k < x->places; k++, at++) {
      const uint64_t which =
          es_permute(seed, WITHIN + (uint64_t) c, (uint64_t) x->size, (uint64_t) k);
      record[es_permute(seed, ORDER, (uint64_t) n, at)] =
          s->member[x->first + (int64_t) which];
    }
  }
}

es_status es_stratified_sample(const es_dataset *ds, int64_t n, uint64_t seed,
                               int64_t *record) {
  strata s = {.n = (int64_t) ds->labels + 1};
  ES_CHECK(n >= 0 && n <= ds->size, ES_EARG,
           "stratified sample: got %lld records, expected at most %lld", (long long) n,
           (long long) ds->size);
  es_status st = ES_NEW(s.n, &s.of);
  if (st == ES_OK) st = ES_NEW(ds->size, &s.member);
  if (st == ES_OK) {
    sort_by_class(ds, &s);
    st = share_places(n, ds->size, seed, &s);
  }
  if (st == ES_OK) draw(&s, n, seed, record);
  es_free(&s.member);
  es_free(&s.of);
  return st;
}

static int ascending(const void *a, const void *b) {
  const int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;
  return (x > y) - (x < y);
}

es_status es_sample_rest(int64_t size, const int64_t *record, int64_t n, int64_t *rest) {
  int64_t *sorted = NULL, k = 0;
  ES_TRY(ES_NEW(n, &sorted));
  for (int64_t i = 0; i < n; i++) sorted[i] = record[i];
  qsort(sorted, (size_t) n, sizeof *sorted, ascending);
  for (int64_t i = 0; i < size; i++) {
    if (k < n && sorted[k] == i)
      k++;
    else
      *rest++ = i;
  }
  es_free(&sorted);
  return ES_OK;
}
