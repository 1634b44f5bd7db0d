/* SPDX-License-Identifier: BSD-3-Clause */
/** @file source.h  Embeddings of any origin on the same points. */
#ifndef ES_COMPARE_SOURCE_H
#define ES_COMPARE_SOURCE_H

#include "eigenstep/held_out.h"
#include "eigenstep/similarity.h"
#include "eigenstep/stop.h"

enum { ES_COMPARE_SOURCES = 64, ES_COMPARE_NAME = 256 };

/** One set of embeddings, the same on all ranks. */
typedef struct es_compare_source {
  char name[ES_COMPARE_NAME];
  int d;
  bool ordered; /**< outputs are modes in their order */
  double *f;    /**< [d, points] owned */
} es_compare_source;

/** All sources. */
typedef struct es_compare_set {
  es_stop *stop; /**< requests to stop; borrowed */
  int argc;      /**< "section.key=value": overrides of run.ini of each run; borrowed */
  char *const *argv;
  int n, points;
  bool pairs; /**< points are views of pairs */
  es_compare_source source[ES_COMPARE_SOURCES];
} es_compare_set;

/** Collective. Read and compute them all.
 *  @param pairs  of runs; 0 = those of the first run's probe, at most 128
 *  @param set    zeroed, but for the requests to stop and the overrides
 *  @return as es_compare_runs; the caller frees the set, also after a failure */
es_status es_compare_set_open(const es_job *job, int n, char *const *address,
                              int64_t pairs, es_compare_set *set);
void es_compare_set_free(es_compare_set *set);

#endif
