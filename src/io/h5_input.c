/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_input.c  Can a dataset of another program's file be read? */
#include "eigenstep/h5_input.h"

#include <string.h>
#include "h5_private.h"

/* "/a, /b, ...": the datasets below `group`, or all of the file, as many as fit. */
static void list_below(const es_h5_names *all, const char *group, char *text,
                       size_t size) {
  const size_t n = strlen(group);
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < all->n; i++) {
    const char *const name = all->name[i];
    if (strncmp(name, group, n) != 0 || (name[n] != '/' && n > 0)) continue;
    if (used + strlen(name) + 8 > size) {
      snprintf(text + used, size - used, ", ...");
      return;
    }
    used +=
        (size_t) snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
  }
}

/* Collective. ES_EFORMAT: no such dataset, and which there are. */
static es_status refuse_name(es_h5 *f, const char *path) {
  es_collective_error n = {0};
  es_h5_names all = {0};
  char group[400], text[400];
  ES_TRY(es_h5_list(f, &all));
  snprintf(group, sizeof group, "%s", path);
  for (size_t k = strlen(group); k > 0 && group[k - 1] == '/'; k--) group[k - 1] = '\0';
  const bool is_group = es_h5_exists(f, group);
  list_below(&all, is_group ? group : "", text, sizeof text);
  if (is_group && text[0] != '\0')
    es_collective_error_set(&n, ES_EFORMAT,
                            "%s:%s is a group, expected a dataset; it holds %s", f->path,
                            path, text);
  else
    es_collective_error_set(&n, ES_EFORMAT, "%s has no dataset %s; it has %s", f->path,
                            path, text[0] != '\0' ? text : "none");
  es_h5_names_free(&all);
  return es_collective_error_agree(f->comm, &n);
}

/* Name of the first filter of a dataset that is not there to undo it. */
static bool lacks_filter(hid_t how, char name[64], int *number) {
  const int n = H5Pget_nfilters(how);
  for (int i = 0; i < n; i++) {
    unsigned flags;
    size_t none = 0;
    const H5Z_filter_t id =
        H5Pget_filter2(how, (unsigned) i, &flags, &none, NULL, 64, name, NULL);
    *number = (int) id;
    if (id >= 0 && H5Zfilter_avail(id) <= 0) return true;
  }
  return false;
}

static void check_storage(const es_h5 *f, const char *path, hid_t ds,
                          es_collective_error *n) {
  const hid_t how = H5Dget_create_plist(ds);
  char name[64] = "";
  int number = 0;
  if (H5Pget_layout(how) == H5D_VIRTUAL)
    es_collective_error_set(n, ES_EFORMAT,
                            "%s:%s is a virtual dataset, which parallel HDF5 cannot "
                            "read; copy its values into one file with h5repack",
                            f->path, path);
  else if (lacks_filter(how, name, &number))
    es_collective_error_set(n, ES_EFORMAT,
                            "%s:%s was written with the filter '%s' (%d), which this "
                            "HDF5 lacks; write it again with gzip or none, as by "
                            "h5repack -f GZIP=4 where the filter is installed",
                            f->path, path, name, number);
  H5Pclose(how);
}

es_status es_h5_input_stat(es_h5 *f, const char *path, es_h5_info *info) {
  es_collective_error n = {0};
  const hid_t ds = es_h5_open_dataset(f, path, &n);
  if (ds < 0 && n.status == ES_OK) return refuse_name(f, path);
  if (ds >= 0) check_storage(f, path, ds, &n);
  if (ds >= 0) H5Oclose(ds);
  ES_TRY(es_collective_error_agree(f->comm, &n));
  return es_h5_stat(f, path, info);
}
