/* SPDX-License-Identifier: BSD-3-Clause */
/** @file result.h  What is known of a run's kernel at one step, and its file. */
#ifndef ES_NTK_RESULT_H
#define ES_NTK_RESULT_H

#include "agreement.h"
#include "eigenstep/ntk.h"
#include "eigenstep/traj.h"
#include "solve.h"
#include "tangent.h"

/** Sizes that all steps share. */
typedef struct es_ntk_shape {
  int64_t pairs, fit; /**< of the kernel; learned from */
  int d, modes;       /**< embedding width; modes that are compared */
  int layers, groups;
} es_ntk_shape;

/** One step; all owned. */
typedef struct es_ntk_result {
  int64_t step;
  double time;
  es_ntk_solution solution;
  es_ntk_agreement known, further; /**< on the pairs learned from, on the others (k = 0:
                                        there are none) */
  double *z;                       /**< [2 pairs, d] embeddings */
  double *share;                   /**< [layers] of the kernel's trace */
  double *group_share;             /**< [groups] */
  double *change;    /**< [groups + 1] alignment with the first step's kernel; the
                               last: of the whole kernel */
  double *embedding; /**< [groups + 1] alignment with that of the embeddings */
  double *kernel;    /**< [2 pairs, 2 pairs] NULL: not kept */
} es_ntk_result;

es_status es_ntk_result_open(const es_ntk_shape *shape, bool keep, es_ntk_result *r);
void es_ntk_result_free(es_ntk_result *r);

/** The groups of series of ntk.h5. */
typedef struct es_ntk_file {
  es_traj *traj;
  int ntk, alignment, further, change, layers;
  bool keep;
} es_ntk_file;

/** Collective. Create FOLDER/ntk.h5 with provenance. @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_ntk_file_create(const es_job *job, const es_config *cfg, const char *dir,
                             es_ntk_file *f);
/** Collective. Declare the series, names of layers; before the first row. */
es_status es_ntk_file_declare(es_ntk_file *f, const es_ntk_shape *shape,
                              const es_ntk_sum *names);
/** Collective. Append a step. */
es_status es_ntk_file_append(es_ntk_file *f, const es_ntk_shape *shape,
                             const es_ntk_result *r);
/** Collective. Close it; readers see it. */
es_status es_ntk_file_close(es_ntk_file *f);

#endif
