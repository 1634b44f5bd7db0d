/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_link.c  Second names of objects, for names that were in use before. */
#include "h5_private.h"

es_status es_h5_link(es_h5 *f, const char *target, const char *path) {
  es_collective_error n = {0};
  const bool taken = es_h5_exists(f, path);
  ES_TRY(es_h5_reserve(f, 0));
  if (taken && H5Ldelete(f->id, path, H5P_DEFAULT) < 0)
    es_h5_blame(&n, f, "replace", path);
  if (H5Lcreate_hard(f->id, target, H5L_SAME_LOC, path, H5P_DEFAULT, H5P_DEFAULT) < 0)
    es_h5_blame(&n, f, "link", path);
  return es_h5_report(f, &n);
}
