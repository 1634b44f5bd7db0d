/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset.c  Section [data]; opening a data set by name, the same on all ranks. */
#include <stdio.h>
#include <string.h>

#include "data_private.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

const es_param es_data_table[] = {
    ES_STRING(es_data_params, name, "deadleaves",
              "data set: deadleaves, cifar10, stl10, imagefolder, gaussian or hdf5"),
    ES_STRING(
        es_data_params, path, "",
        "folder with the data set's files (hdf5: the file); generated sets need none"),
    ES_STRING(es_data_params, split, "",
              "part of the data set (train, test, ...); empty = its first"),
    ES_INT(es_data_params, limit, "0", 0, ES_INF, "records",
           "use only the first so many records; 0 = all"),
    ES_INT(es_data_params, size, "0", 0, ES_IMAGE_SIDE_MAX, "pixels",
           "side of the images of deadleaves (0 = 32) and imagefolder (0 = as they are)"),
    ES_BOOL(es_data_params, shuffle, "true",
            "a new random order each epoch; false: consecutive records"),
    ES_BOOL(es_data_params, prefetch, "true",
            "make the next batch on a thread of its own while this one computes"),
    ES_CHOICE(es_data_params, unreadable, "refuse", "refuse|skip",
              "imagefolder: what to do about a file that cannot be decoded"),
    ES_INT(es_data_params, count, "50000", 1, 1e12, "records",
           "deadleaves, gaussian: records in an epoch"),
    ES_INT(es_data_params, dim, "50", 1, 1e6, "1", "gaussian: dimensions of a vector"),
    ES_DOUBLE(es_data_params, decay, "1", 0, 100, "1",
              "gaussian: eigenvalue k of the part the views share is k^-decay"),
    ES_DOUBLE(es_data_params, noise, "0.1", 0, ES_INF, "1",
              "gaussian: standard deviation of each view's own noise"),
    ES_PARAM_END};

#define ES_DATASET(n) extern const es_dataset_ops es_dataset_##n;
#include "dataset_list.h"
#undef ES_DATASET
static const es_dataset_ops *const datasets[] = {
#define ES_DATASET(n) &es_dataset_##n,
#include "dataset_list.h"
#undef ES_DATASET
};

size_t es_dataset_list(const es_dataset_ops *const **list) {
  *list = datasets;
  return sizeof datasets / sizeof datasets[0];
}

/** Complete p->split: the first of the set's splits if empty, refused if unknown. */
static es_status choose_split(const es_dataset_ops *ops, es_data_params *p) {
  enum { MAX = 8 };
  char names[MAX][16];
  const char *known[MAX];
  size_t n = 0;
  for (const char *c = ops->splits; c != NULL && n < MAX; n++) {
    const size_t length = strcspn(c, "|");
    snprintf(names[n], sizeof names[n], "%.*s", (int) length, c);
    known[n] = names[n];
    c = c[length] == '|' ? c + length + 1 : NULL;
  }
  if (p->split[0] == '\0') memcpy(p->split, names[0], sizeof names[0]);
  for (size_t i = 0; i < n; i++)
    if (strcmp(p->split, known[i]) == 0) return ES_OK;
  const char *near = es_nearest(p->split, known, n);
  es_error("data.split: got '%.80s', expected one of %s for %s%s%s%s", p->split,
           ops->splits, ops->name, near != NULL ? "; did you mean '" : "",
           near != NULL ? near : "", near != NULL ? "'?" : "");
  return ES_ECONFIG;
}

/** Rank-local opening. *ds is written only on success. */
static es_status open_here(const es_data_params *given, const char *split, uint64_t seed,
                           es_dataset **ds) {
  es_data_params p = *given;
  es_dataset *d;
  const void *ops;
  if (split != NULL) snprintf(p.split, sizeof p.split, "%s", split);
  ES_TRY(es_registry_find("data.name", p.name, (const void *const *) datasets,
                          sizeof datasets / sizeof datasets[0], &ops));
  ES_TRY(choose_split(ops, &p));
  ES_TRY(ES_NEW(1, &d));
  d->ops = ops;
  d->checksum = es_hash_bytes(ES_HASH_START, p.split, strlen(p.split));
  const es_status st = d->ops->open(d, &p, seed);
  if (st != ES_OK) {
    es_free(&d);
    return st;
  }
  if (p.limit > 0 && p.limit < d->size) d->size = p.limit;
  if (p.limit > 0) d->endless = false;
  *ds = d;
  return ES_OK;
}

es_status es_dataset_open(const es_comm *c, const es_data_params *p, const char *split,
                          uint64_t seed, es_dataset **ds) {
  es_dataset *d = NULL;
  /* Rank 0 first: what is wrong with a file is then said once, and its pages are warm. */
  es_status st = c->rank == 0 ? open_here(p, split, seed, &d) : ES_OK;
  st = es_comm_agree(c, st);
  if (st == ES_OK && c->rank != 0) st = open_here(p, split, seed, &d);
  st = es_comm_agree(c, st);
  if (st == ES_OK) {
    const uint64_t facts[] = {d->checksum, (uint64_t) d->size, (uint64_t) d->labels};
    st = es_comm_assert_equal(c, facts, sizeof facts, "data set");
  }
  if (st != ES_OK) {
    es_dataset_close(&d);
    return st;
  }
  *ds = d;
  return ES_OK;
}

void es_dataset_close(es_dataset **ds) {
  if (*ds == NULL) return;
  (*ds)->ops->close(*ds);
  es_free(ds);
}
