/* SPDX-License-Identifier: BSD-3-Clause */
/** @file views_file.c  The file of eigenstep views, a block of rows at a time. */
#include "eigenstep/views_file.h"

#include <stdio.h>
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"

typedef es_views_params par;
const es_param es_views_table[] = {
    ES_STRING(par, file, "views.h5",
              "HDF5 file to be written; an existing one is refused"),
    ES_INT(par, count, "64", 1, 1e9, "records", "records whose views are written"),
    ES_INT(par, first, "0", 0, 1e15, "1", "the first of them"),
    ES_INT(
        par, stride, "0", 0, 1e9, "records",
        "from one to the next; 0 = so many that they are spread over the data set, whose "
        "classes may follow each other; 1 in endless data"),
    ES_INT(par, epoch, "0", 0, 1e15, "1", "epoch whose views these are"),
    ES_BOOL(
        par, normalized, "false",
        "views as the network gets them; false: without normalize, colours in [0, 1]"),
    ES_PARAM_END};

enum { BLOCK = 64 };

/* This rank's rows of the file, some at a time. */
typedef struct rows {
  const es_assembly *p;
  uint64_t seed;
  const par *v;
  bool images;           /* /image is written */
  size_t pixels, values; /* of an image's plane, of a view */
  void *record, *scratch;
  uint8_t *image; /* [BLOCK, 3, pixels] */
  float *view[2]; /* [BLOCK, values] */
  int64_t id[BLOCK], label[BLOCK];
} rows;

static es_status rows_open(const es_settings *s, const es_assembly *p, const par *v,
                           rows *r) {
  const es_dataset *ds = p->input.data;
  *r = (rows){.p = p, .v = v, .seed = (uint64_t) s->run.seed};
  r->images = !ds->ops->pairs && ds->h > 0;
  r->pixels = (size_t) ds->h * (size_t) ds->w;
  r->values =
      (size_t) p->input.view.c * (size_t) p->input.view.h * (size_t) p->input.view.w;
  ES_TRY(es_dataset_room(ds, &r->record));
  ES_TRY(es_alloc(es_augment_scratch(p->input.augment), "a view in the making",
                  &r->scratch));
  if (r->images) ES_TRY(ES_NEW(BLOCK * 3 * r->pixels, &r->image));
  for (int k = 0; k < 2; k++) ES_TRY(ES_NEW(BLOCK * r->values, &r->view[k]));
  return ES_OK;
}

static void rows_close(rows *r) {
  for (int k = 0; k < 2; k++) es_free(&r->view[k]);
  es_free(&r->image);
  es_free(&r->scratch);
  es_dataset_room_free(r->p->input.data, &r->record);
}

/* Records from one to the next. */
static int64_t stride_of(const es_dataset *ds, const par *v) {
  if (v->stride > 0 || ds->endless) return v->stride > 0 ? v->stride : 1;
  const int64_t fits = (ds->size - v->first) / v->count;
  return fits > 1 ? fits : 1;
}

/* Record `id` and its views as row i of the block. */
static es_status fill_row(rows *r, int64_t i, int64_t id) {
  const es_dataset *ds = r->p->input.data;
  es_sample s;
  for (int k = 0; k < 2; k++) {
    if (k == 0 || ds->ops->pairs) ES_TRY(ds->ops->get(ds, id, k, r->record, &s));
    const es_view_key which = {
        .seed = r->seed, .epoch = (uint64_t) r->v->epoch, .sample = id, .view = k};
    ES_TRY(es_augment_apply(r->p->input.augment, &which, &s, r->scratch,
                            r->view[k] + (size_t) i * r->values));
  }
  r->id[i] = id;
  r->label[i] = s.label;
  if (!r->images) return ES_OK;
  uint8_t *plane = r->image + (size_t) i * 3 * r->pixels;
  for (size_t c = 0; c < 3; c++, plane += r->pixels)
    for (size_t k = 0; k < r->pixels; k++) plane[k] = s.u8[3 * k + c];
  return ES_OK;
}

/* Collective. Rows first .. first + n - 1 of the file, this rank's own. */
static es_status write_rows(const es_comm *c, es_h5 *f, rows *r, int64_t first,
                            int64_t n) {
  es_status st = ES_OK;
  for (int64_t i = 0; i < n && st == ES_OK; i++)
    st = fill_row(r, i, r->v->first + (first + i) * stride_of(r->p->input.data, r->v));
  ES_TRY(es_comm_agree(c, st));
  if (r->images) ES_TRY(es_h5_write_rows(f, "/image", ES_H5_U8, first, n, r->image));
  ES_TRY(es_h5_write_rows(f, "/view1", ES_H5_F32, first, n, r->view[0]));
  ES_TRY(es_h5_write_rows(f, "/view2", ES_H5_F32, first, n, r->view[1]));
  ES_TRY(es_h5_write_rows(f, "/id", ES_H5_I64, first, n, r->id));
  return es_h5_write_rows(f, "/label", ES_H5_I64, first, n, r->label);
}

/* Collective. */
static es_status name_classes(const es_comm *c, es_h5 *f, const es_assembly *p) {
  const es_dataset *const ds = p->input.data;
  const char **name = NULL;
  if (ds->labels == 0 || ds->ops->class_name == NULL) return ES_OK;
  es_status st = ES_COMM_NEW(c, ds->labels, &name);
  for (int k = 0; k < ds->labels && st == ES_OK; k++)
    name[k] = ds->ops->class_name(ds, k);
  if (st == ES_OK)
    st = es_h5_write_strings(f, "/class_name", ds->labels, name, "names of the classes");
  es_free(&name);
  return st;
}

static es_status declare(es_h5 *f, const rows *r) {
  const int64_t n = r->v->count;
  const es_shape s = r->p->input.view;
  const char *units = r->v->normalized ? "1" : "full scale = 1";
  const int h = r->p->input.data->h, w = r->p->input.data->w;
  const es_h5_dataset set[] = {
      {"/image", ES_H5_U8, 4, {n, 3, h, w}, 0, "grey levels", "records, planes R, G, B"},
      {"/view1", ES_H5_F32, 4, {n, s.c, s.h, s.w}, 0, units, "first views"},
      {"/view2", ES_H5_F32, 4, {n, s.c, s.h, s.w}, 0, units, "second views"},
      {"/id", ES_H5_I64, 1, {n}, 0, "1", "record numbers"},
      {"/label", ES_H5_I64, 1, {n}, 0, "1", "classes, from 0 on; -1 = unlabelled"}};
  for (size_t i = r->images ? 0 : 1; i < sizeof set / sizeof *set; i++)
    ES_TRY(es_h5_declare(f, &set[i]));
  return ES_OK;
}

/* Collective. All rows, each rank its share. */
static es_status write_all(const es_comm *c, es_h5 *f, rows *r) {
  int64_t first, n;
  es_comm_local_range(c, r->v->count, &first, &n);
  int64_t most = n;
  es_comm_max_i64(c, &most, 1);
  for (int64_t i = 0; i < most; i += BLOCK) {
    const int64_t left = n > i ? n - i : 0;
    ES_TRY(write_rows(c, f, r, first + (i < n ? i : n), left < BLOCK ? left : BLOCK));
    es_progress_at((double) i, (double) most);
  }
  return ES_OK;
}

static es_status check(const es_dataset *ds, const par *v) {
  const int64_t last = v->first + (v->count - 1) * stride_of(ds, v);
  ES_CHECK(ds->endless || last < ds->size, ES_ECONFIG,
           "views.count: got records %lld to %lld, expected at most the %lld of data set "
           "'%s'",
           (long long) v->first, (long long) last, (long long) ds->size, ds->ops->name);
  return ES_OK;
}

es_status es_views_file_write(const es_job *job, const es_config *cfg,
                              const es_settings *s, const es_assembly *p,
                              const es_views_params *v) {
  rows r = {0};
  es_h5 *f = NULL;
  ES_TRY(es_comm_agree(job->comm, check(p->input.data, v)));
  es_status st = es_comm_agree(job->comm, rows_open(s, p, v, &r));
  if (st == ES_OK) st = es_h5_create(job->comm, v->file, &f);
  if (st == ES_OK) {
    st = es_provenance_h5(f, job, cfg);
    if (st == ES_OK) st = declare(f, &r);
    if (st == ES_OK) st = name_classes(job->comm, f, p);
    es_progress_begin("writing %lld pairs of views", (long long) v->count);
    if (st == ES_OK) st = write_all(job->comm, f, &r);
    es_progress_end();
    const es_status closed = es_h5_close(&f);
    if (st == ES_OK) st = closed;
    if (st != ES_OK && job->comm->rank == 0) remove(v->file);
  }
  rows_close(&r);
  return st;
}
