/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_list.c  Which datasets a parallel HDF5 file holds. */
#include <string.h>
#include "eigenstep/mem.h"
#include "h5_private.h"

/* Names that a visit has found so far. */
typedef struct list {
  es_h5_names names;
  int room;
  es_status status;
} list;

static es_status reserve(list *l) {
  if (l->names.n < l->room) return ES_OK;
  char **more = NULL;
  const int room = 2 * l->room + 64;
  ES_TRY(ES_NEW(room, &more));
  if (l->names.n > 0) memcpy(more, l->names.name, (size_t) l->names.n * sizeof *more);
  es_free(&l->names.name);
  l->names.name = more;
  l->room = room;
  return ES_OK;
}

/* "group/dataset", as HDF5 names it -> "/group/dataset". */
static es_status append(list *l, const char *name) {
  ES_TRY(reserve(l));
  const size_t bytes = strlen(name) + 2;
  char *path = NULL;
  ES_TRY(ES_NEW(bytes, &path));
  path[0] = '/';
  memcpy(path + 1, name, bytes - 1);
  l->names.name[l->names.n++] = path;
  return ES_OK;
}

/* HDF5 calls it for every link below the root. */
static herr_t visit(hid_t root, const char *name, const H5L_info_t *info, void *ctx) {
  list *const l = ctx;
  if (info->type != H5L_TYPE_HARD) return 0;
  const hid_t o = H5Oopen(root, name, H5P_DEFAULT);
  if (o < 0) return -1;
  if (H5Iget_type(o) == H5I_DATASET) l->status = append(l, name);
  H5Oclose(o);
  return l->status == ES_OK ? 0 : -1;
}

es_status es_h5_list(es_h5 *f, es_h5_names *names) {
  es_collective_error n = {0};
  list l = {.status = ES_OK};
  if (H5Lvisit(f->id, H5_INDEX_NAME, H5_ITER_INC, visit, &l) < 0) {
    if (l.status == ES_OK)
      es_h5_blame(&n, f, "list", "");
    else
      es_collective_error_set(&n, l.status, "out of memory for the names in %s", f->path);
  }
  const es_status st = es_collective_error_agree(f->comm, &n);
  if (st == ES_OK)
    *names = l.names;
  else
    es_h5_names_free(&l.names);
  return st;
}

void es_h5_names_free(es_h5_names *names) {
  for (int i = 0; i < names->n; i++) es_free(&names->name[i]);
  es_free(&names->name);
  names->n = 0;
}
