/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_group.c  Groups of an HDF5 file. */
#include "h5_private.h"

hid_t es_h5_link_plist(void) {
  const hid_t p = H5Pcreate(H5P_LINK_CREATE);
  if (p >= 0) H5Pset_create_intermediate_group(p, 1);
  return p;
}

es_status es_h5_group(es_h5 *f, const char *path, const char *description) {
  ES_TRY(es_h5_reserve(f, 0));
  es_collective_error n = {0};
  const bool there = es_h5_exists(f, path);
  const hid_t link = es_h5_link_plist(), how = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_link_creation_order(how, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  const hid_t g = there ? H5Gopen2(f->id, path, H5P_DEFAULT)
                        : H5Gcreate2(f->id, path, link, how, H5P_DEFAULT);
  if (g < 0) {
    es_h5_blame(&n, f, "create group", path);
  } else {
    if (*description) es_h5_put_string(f, path, g, "description", description, &n);
    H5Gclose(g);
  }
  H5Pclose(how);
  H5Pclose(link);
  return es_h5_report(f, &n);
}
