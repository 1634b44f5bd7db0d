/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder_left.c  What a scan of a folder leaves out, in one line. */
#include <stdio.h>
#include <string.h>

#include "imagefolder.h"

void es_left_add(es_left *l, es_left_out kind, const char *name) {
  if (l->n[kind]++ == 0) snprintf(l->first[kind], sizeof l->first[0], "%.60s", name);
}

void es_left_warn(const es_left *l, const char *path) {
  static const char *const what[ES_LEFT_KINDS][2] = {
      {"image in folders below a class", "images in folders below a class"},
      {"file of a format that is not read", "files of formats that are not read"},
      {"image beside the class folders", "images beside the class folders"},
      {"class without a readable image", "classes without a readable image"}};
  char text[640] = "";
  size_t used = 0;
  for (int k = 0; k < ES_LEFT_KINDS; k++) {
    if (l->n[k] == 0) continue;
    used +=
        (size_t) snprintf(text + used, sizeof text - used, "%s%lld %s ('%s'%s)",
                          used > 0 ? ", " : "", (long long) l->n[k], what[k][l->n[k] > 1],
                          l->first[k], l->n[k] > 1 ? ", ..." : "");
  }
  if (used > 0)
    es_warn_once("imagefolder '%s': left out %s; read are .jpg, .jpeg and .png in one "
                 "sub-folder a class",
                 path, text);
}
