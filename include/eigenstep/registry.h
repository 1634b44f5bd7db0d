/* SPDX-License-Identifier: BSD-3-Clause */
/** @file registry.h  Find a variant by name in a table of ops objects. Every ops
 *  struct begins with `const char *name, *doc;`, so one lookup serves all kinds. */
#ifndef ES_REGISTRY_H
#define ES_REGISTRY_H

#include <stddef.h>
#include "eigenstep/status.h"

/** The common head of every ops struct. */
typedef struct es_variant {
  const char *name; /**< as in the input file */
  const char *doc;  /**< one line, for --help and params */
} es_variant;

/** Not collective. Find `name` among n variants. Logs "unknown <kind> 'x' (known: a, b,
 *  c); did you mean 'a'?".
 *  @param kind  e.g. "loss"; @param list  array of n pointers to structs that begin as
 *               es_variant
 *  @param found written only on success. @return ES_OK or ES_ECONFIG */
es_status es_registry_find(const char *kind, const char *name, const void *const *list,
                           size_t n, const void **found);

/** The candidate nearest to `name` (Damerau-Levenshtein distance at most a third of its
 *  length), NULL if there is none. Not collective. */
const char *es_nearest(const char *name, const char *const *candidates, size_t n);

#endif
