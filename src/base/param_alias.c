/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_alias.c  Former names of parameters. A value given under one belongs to
 *  the present name, with a warning; a line stays here for one release. */
#include <string.h>

#include "param_private.h"

typedef struct alias {
  const char *old, *now;
} alias;

static const alias aliases[] = {
    {"probe.list", "accuracy.list"},
    {"probe.bank", "accuracy.bank"},
    {"probe.test", "accuracy.test"},
    {"probe.knn.k", "accuracy.knn.k"},
    {"probe.knn.temperature", "accuracy.knn.temperature"},
    {"probe.linear.decay", "accuracy.linear.decay"},
    {"probe.linear.iterations", "accuracy.linear.iterations"},
};

const char *es_param_rename(char *key) {
  for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
    if (strcmp(key, aliases[i].old) != 0) continue;
    snprintf(key, ES_KEY_MAX, "%s", aliases[i].now);
    return aliases[i].old;
  }
  return NULL;
}
