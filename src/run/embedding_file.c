/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_file.c  Embeddings of any origin: rank 0 looks at the address and the
 *  shapes, each rank reads its own rows. */
#include "eigenstep/embedding_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "embedding_source.h"
#include "eigenstep/collective_error.h"
#include "eigenstep/mem.h"

/* How a set [N, D], [2, N, D] or [N, 2, D] is laid out. */
typedef struct layout {
  int64_t total, dim;
  int views;
  int sample; /* which dimension counts samples */
} layout;

static void shape_text(const es_array_info *x, char text[128]) {
  int used = snprintf(text, 128, "[");
  for (int i = 0; i < x->ndim && used < 100; i++)
    used += snprintf(text + used, (size_t) (128 - used), "%s%lld", i > 0 ? ", " : "",
                     (long long) x->dim[i]);
  snprintf(text + used, (size_t) (128 - used), "]");
}

static es_status find_layout(const char *name, const es_array_info *x, int views,
                             layout *l) {
  char text[128];
  const bool first = x->ndim == 3 && x->dim[0] == 2 && views != 1;
  const bool second = x->ndim == 3 && !first && x->dim[1] == 2 && views == 2;
  shape_text(x, text);
  ES_CHECK(
      x->ndim == 2 || first || second, ES_EFORMAT,
      "%s: got shape %s, expected [samples, dimensions], or two views: [2, N, D], or "
      "[N, 2, D] with spectrum.views = 2; reshape other arrays to [N, D]",
      name, text);
  *l = (layout){.views = first || second ? 2 : 1,
                .sample = first ? 1 : 0,
                .total = x->dim[first ? 1 : 0],
                .dim = x->dim[x->ndim - 1]};
  ES_CHECK(l->total >= 2 && l->total < INT64_C(1) << 40 && l->dim >= 1 &&
               l->dim <= 1000000,
           ES_EFORMAT,
           "%s: got %lld samples of %lld values, expected at least 2 (and fewer than "
           "2^40) samples of 1 to 10^6",
           name, (long long) l->total, (long long) l->dim);
  return ES_OK;
}

/* One of two sets is one view. */
static es_status check_single(const char *name, const es_array_info *x, const layout *l) {
  char text[128];
  shape_text(x, text);
  ES_CHECK(l->views == 1, ES_EFORMAT,
           "%s: got shape %s, which is two views already, beside another set; expected "
           "this set alone, or two of one view [N, D] each",
           name, text);
  return ES_OK;
}

/* The layout of one set, or of two that are a view each. */
static es_status choose(const es_source *s, int views, layout *l) {
  layout other;
  ES_TRY(find_layout(s->set[0], &s->shape[0], views, l));
  if (s->sets == 2) {
    ES_TRY(find_layout(s->set[1], &s->shape[1], views, &other));
    ES_TRY(check_single(s->set[0], &s->shape[0], l));
    ES_TRY(check_single(s->set[1], &s->shape[1], &other));
    ES_CHECK(l->total == other.total && l->dim == other.dim && views != 1, ES_EFORMAT,
             "%s, %s: got %lld samples of %lld and %lld of %lld, expected two views "
             "[N, D] of the same shape",
             s->set[0], s->set[1], (long long) l->total, (long long) l->dim,
             (long long) other.total, (long long) other.dim);
    l->views = 2;
  }
  ES_CHECK(views != 2 || l->views == 2, ES_ECONFIG,
           "spectrum.views = 2: got one view of %lld samples, expected two sets "
           "(FILE.h5:/A,/B), [2, N, D] or [N, 2, D]",
           (long long) l->total);
  return ES_OK;
}

/* [n, 2, D] -> [2, n, D]. */
static void part_views(const double *x, const es_embedding_rows *r) {
  for (int64_t i = 0; i < r->n; i++)
    for (int64_t v = 0; v < 2; v++)
      memcpy(r->z + (v * r->n + i) * r->dim, x + (2 * i + v) * r->dim,
             (size_t) r->dim * sizeof *x);
}

/* Collective. */
static es_status read_rows(const es_source *s, const layout *l, es_embedding_rows *r) {
  const bool mixed = l->views == 2 && s->sets == 1 && l->sample == 0;
  double *x = NULL;
  es_status st = mixed ? ES_NEW((size_t) (2 * r->n) * (size_t) r->dim, &x) : ES_OK;
  st = es_comm_agree(s->comm, st);
  for (int k = 0; k < s->sets && st == ES_OK; k++) {
    int64_t start[3] = {0}, count[3] = {l->views, l->views, r->dim};
    start[l->sample] = r->first;
    count[l->sample] = r->n;
    if (s->shape[k].ndim == 2) count[1] = r->dim;
    st = es_source_read(s, k, start, count, mixed ? x : r->z + k * r->n * r->dim);
  }
  if (st == ES_OK && mixed) part_views(x, r);
  es_free(&x);
  return st;
}

/* Collective. Name the first value of the lowest rank that is no number. */
static es_status check_finite(const es_comm *c, const char *address,
                              const es_embedding_rows *r) {
  es_collective_error e = {.status = ES_OK};
  for (int64_t i = 0; i < r->views * r->n * r->dim && e.status == ES_OK; i++) {
    const int64_t row = r->number[i / r->dim % r->n];
    if (isfinite(r->z[i])) continue;
    es_collective_error_set(&e, ES_EMATH,
                            "%s: row %lld is not finite: column %lld is %g (both counted "
                            "from 0); remove or mend such rows",
                            address, (long long) row, (long long) (i % r->dim), r->z[i]);
  }
  return es_collective_error_agree(c, &e);
}

es_status es_embedding_check(const es_comm *c, const char *address, int views) {
  es_source s;
  layout l;
  ES_TRY(es_source_open(c, address, &s));
  const es_status st = es_comm_agree(c, choose(&s, views, &l));
  const es_status closed = es_source_close(&s);
  return st != ES_OK ? st : closed;
}

es_status es_embedding_read(const es_comm *c, const char *address, int views,
                            es_embedding_rows *r) {
  es_source s;
  layout l;
  ES_TRY(es_source_open(c, address, &s));
  es_status st = es_comm_agree(c, choose(&s, views, &l));
  if (st == ES_OK) {
    r->total = l.total;
    r->dim = (int) l.dim;
    r->views = l.views;
    es_comm_local_range(c, r->total, &r->first, &r->n);
    st = ES_NEW((size_t) (r->views * r->n) * (size_t) r->dim, &r->z);
    if (st == ES_OK) st = ES_NEW(r->n, &r->number);
    st = es_comm_agree(c, st);
  }
  if (st == ES_OK) {
    for (int64_t i = 0; i < r->n; i++) r->number[i] = r->first + i;
    st = read_rows(&s, &l, r);
  }
  if (st == ES_OK) st = check_finite(c, address, r);
  const es_status closed = es_source_close(&s);
  return st != ES_OK ? st : closed;
}

void es_embedding_free(es_embedding_rows *r) {
  es_free(&r->z);
  es_free(&r->number);
}
