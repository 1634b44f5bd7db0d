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
    ES_INT(es_data_params, max_pixels, "100000000", 1, 268435456, "pixels",
           "imagefolder: largest image that is decoded, row by row; one of more than "
           "16777216 pixels becomes the means of its 2 x 2, 3 x 3, ... pixels, unless "
           "data.size is given"),
    ES_CHOICE(es_data_params, unreadable, "refuse", "refuse|skip",
              "imagefolder: what to do about a file that cannot be decoded"),
    ES_INT(es_data_params, count, "50000", 1, 1e12, "records",
           "deadleaves, gaussian: records in an epoch"),
    ES_INT(es_data_params, dim, "50", 1, 1e6, "1", "gaussian: dimensions of a vector"),
    ES_DOUBLE(es_data_params, decay, "1", 0, 100, "1",
              "gaussian: eigenvalue k of the part the views share is k^-decay"),
    ES_DOUBLE(es_data_params, noise, "0.1", 0, ES_INF, "1",
              "gaussian: standard deviation of each view's own noise"),
    ES_CHOICE(es_data_params, full_scale, "auto", "auto|1|255",
              "hdf5, images that are not bytes: the number that is white; auto: 1 where "
              "all floating-point values are in [0, 1], else 255"),
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

static es_reader reader_of(const es_dataset_ops *ops) {
  return (es_reader){.name = ops->name, .keys = ops->reads};
}

/** A path that is not read is a wrong data set, not a detail. */
static es_status check_path(const es_dataset_ops *ops, const es_data_params *p) {
  enum { COUNT = sizeof datasets / sizeof datasets[0] };
  es_reader all[COUNT];
  const es_reader own = reader_of(ops);
  char names[128];
  for (size_t i = 0; i < COUNT; i++) all[i] = reader_of(datasets[i]);
  (void) es_readers_of(all, COUNT, "path", names, sizeof names);
  ES_CHECK(p->path[0] == '\0' || es_reader_has(&own, "path"), ES_ECONFIG,
           "data.path: got '%.200s' with data.name = %s, which reads no files; expected "
           "data.name=%s, or data.path= (empty)",
           p->path, ops->name, names);
  return ES_OK;
}

void es_dataset_drop_path(es_data_params *p) {
  const void *ops;
  if (es_registry_find("data.name", p->name, (const void *const *) datasets,
                       sizeof datasets / sizeof datasets[0], &ops) != ES_OK)
    return; /* opening it says so again */
  const es_reader own = reader_of(ops);
  if (!es_reader_has(&own, "path")) p->path[0] = '\0';
}

/** The names in "train|test|val". */
enum { SPLITS = 8 };
typedef struct splits {
  size_t n;
  char text[SPLITS][16];
  const char *name[SPLITS];
} splits;

static void list_splits(const es_dataset_ops *ops, splits *s) {
  s->n = 0;
  for (const char *c = ops->splits; c != NULL && s->n < SPLITS; s->n++) {
    const size_t length = strcspn(c, "|");
    snprintf(s->text[s->n], sizeof s->text[0], "%.*s", (int) length, c);
    s->name[s->n] = s->text[s->n];
    c = c[length] == '|' ? c + length + 1 : NULL;
  }
}

/** Complete p->split where none is given: the one that the files suggest, or the first
 *  of the set's; one that it does not have is refused. */
static es_status choose_split(const es_dataset_ops *ops, es_data_params *p) {
  splits known;
  list_splits(ops, &known);
  if (p->split[0] == '\0') {
    const char *found = ops->default_split != NULL ? ops->default_split(p) : NULL;
    snprintf(p->split, sizeof p->split, "%s", found != NULL ? found : known.name[0]);
  }
  for (size_t i = 0; i < known.n; i++)
    if (strcmp(p->split, known.name[i]) == 0) return ES_OK;
  const char *near = es_nearest(p->split, known.name, known.n);
  es_error("data.split: got '%.80s', expected one of %s for %s%s%s%s", p->split,
           ops->splits, ops->name, near != NULL ? "; did you mean '" : "",
           near != NULL ? near : "", near != NULL ? "'?" : "");
  return ES_ECONFIG;
}

/** Collective. Open p->split, which is one of the set's. */
static es_status open_split(const es_comm *c, const es_dataset_ops *ops,
                            const es_data_params *p, uint64_t seed, es_dataset **ds) {
  es_dataset *d = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &d));
  d->ops = ops;
  snprintf(d->split, sizeof d->split, "%.15s", p->split);
  d->checksum = es_hash_bytes(ES_HASH_START, p->split, strlen(p->split));
  es_status st = es_comm_agree(c, ops->open(c, d, p, seed));
  if (p->limit > 0 && p->limit < d->size) d->size = p->limit;
  if (p->limit > 0) d->endless = false;
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

es_status es_dataset_open(const es_comm *c, const es_data_params *given,
                          const char *split, uint64_t seed, es_dataset **ds) {
  es_data_params p = *given;
  const void *ops;
  if (split != NULL) snprintf(p.split, sizeof p.split, "%s", split);
  ES_TRY(es_registry_find("data.name", p.name, (const void *const *) datasets,
                          sizeof datasets / sizeof datasets[0], &ops));
  ES_TRY(check_path(ops, &p));
  ES_TRY(es_comm_agree(c, c->rank == 0 ? choose_split(ops, &p) : ES_OK));
  es_comm_bcast(c, &p, sizeof p, 0);
  return open_split(c, ops, &p, seed, ds);
}

/** Labels mean the same in both parts only where their classes have the same names. */
static es_status check_classes(const es_dataset *ds, const es_dataset *other) {
  if (ds->labels == 0 || other->labels == 0) return ES_OK;
  const es_dataset *const more = ds->labels >= other->labels ? ds : other;
  const es_dataset *const less = more == ds ? other : ds;
  for (int k = 0; k < more->labels && ds->ops->class_name != NULL; k++) {
    const char *const name = ds->ops->class_name(more, k);
    ES_CHECK(k < less->labels && strcmp(name, ds->ops->class_name(less, k)) == 0,
             ES_EFORMAT,
             "data.path: class '%s' of split '%s' is missing from split '%s', expected "
             "the same classes in both; data.split = all holds out of all records",
             name, more->split, less->split);
  }
  return ES_OK;
}

es_status es_dataset_open_held_out(const es_comm *c, const es_data_params *given,
                                   const es_dataset *ds, uint64_t seed,
                                   es_dataset **held_out) {
  es_data_params p = *given;
  es_dataset *d = NULL;
  int64_t found = 0;
  if (ds->ops->held_out == NULL) return ES_OK;
  snprintf(p.split, sizeof p.split, "%s", ds->split);
  p.limit = 0;
  if (c->rank == 0) found = ds->ops->held_out(&p);
  es_comm_bcast(c, &found, sizeof found, 0);
  if (!found) return ES_OK;
  es_comm_bcast(c, &p, sizeof p, 0);
  ES_TRY(open_split(c, ds->ops, &p, seed, &d));
  const es_status st = es_comm_agree(c, check_classes(ds, d));
  if (st != ES_OK) {
    es_dataset_close(&d);
    return st;
  }
  *held_out = d;
  return ES_OK;
}

bool es_split_test(es_data_params *p) {
  if (strcmp(p->split, "test") == 0) return false;
  strcpy(p->split, "test");
  return true;
}

es_status es_data_check_library(size_t bytes) {
  if (bytes == 0) return ES_OK;
  return es_mem_check(bytes, "the coefficients of a JPEG in several scans");
}

es_status es_dataset_room(const es_dataset *ds, void **scratch) {
  ES_TRY(es_data_check_library(ds->largest.library));
  ES_TRY(es_alloc(ds->scratch, "a record", scratch));
  es_mem_charge((ptrdiff_t) ds->largest.library);
  return ES_OK;
}

void es_dataset_room_free(const es_dataset *ds, void **scratch) {
  if (*scratch == NULL) return;
  es_mem_charge(-(ptrdiff_t) ds->largest.library);
  es_free(scratch);
}

void es_dataset_close(es_dataset **ds) {
  if (*ds == NULL) return;
  if ((*ds)->impl != NULL) (*ds)->ops->close(*ds);
  es_free(ds);
}
