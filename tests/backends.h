/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backends.h  The backends that a test runs on. */
#ifndef ES_TESTS_BACKENDS_H
#define ES_TESTS_BACKENDS_H

#include <stdio.h>
#include <string.h>
#include "eigenstep/backend.h"

/** Those of this build that open on this machine: a device may be missing. */
static inline size_t backends_here(const es_backend_ops *const **list) {
  static const es_backend_ops *here[8];
  const es_backend_ops *const *all;
  const size_t most = sizeof here / sizeof *here, built = es_backend_list(&all);
  size_t n = 0;
  for (size_t i = 0; i < built && n < most; i++) {
    es_backend *b = NULL;
    const es_status st = es_backend_open(all[i]->name, NULL, 1, &b);
    if (st == ES_EDEVICE)
      printf("not tested, as this machine lacks the device: %s\n", all[i]->name);
    else
      here[n++] = all[i];
    es_backend_close(&b);
  }
  *list = here;
  return n;
}

/** One whose memory the host cannot follow: `cuda` where it opens, or on the host
 *  double; else `guard`. */
static inline const char *backend_far_from_host(void) {
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, "cuda") == 0) return "cuda";
  return "guard";
}

/** The largest relative difference to `blas` in f32, where statistics are not those of a
 *  few rows: `guard` lets `blas` do its work; the others add in another order. */
static inline double backend_tolerance(const char *name) {
  static const struct {
    const char *name;
    double tolerance;
  } of[] = {{"blas", 0}, {"guard", 0}, {"cuda", 1e-5}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++)
    if (strcmp(name, of[i].name) == 0) return of[i].tolerance;
  return 1e-4;
}

#endif
