/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot_private.h  Parts of the snapshot object. snapshot.c takes a snapshot;
 *  snapshot_matrices.c is the table of matrices; snapshot_spectrum.c solves one;
 *  snapshot_axes.c and snapshot_metrics.c describe the covariance; snapshot_modes.c
 *  follows the modes; snapshot_keep.c stores embeddings and vectors; snapshot_setup.c
 *  declares what is written. */
#ifndef ES_SNAPSHOT_PRIVATE_H
#define ES_SNAPSHOT_PRIVATE_H

#include "eigenstep/snapshot.h"

/** From ES_WIDE on vectors cost more than everything else: where all eigenvalues are
 *  kept, only the ES_AXES leading ones have vectors. Otherwise the invariance of up to
 *  ES_INVARIANT modes is recorded; so many of the
 *  features' modes are followed. */
enum { ES_WIDE = 1024, ES_AXES = 3, ES_INVARIANT = 64 };

/** Paths of the groups, /features before that of embeddings. */
enum { ES_SNAPSHOT_PATH = 128 };

/** A kind of matrix: a row of the table in snapshot_matrices.c. */
typedef struct es_matrix_ops {
  const char *name;
  const char *path, *doc; /**< group of its eigenvalues in the trajectory */
  bool listed;            /**< spectrum.matrices may name it */
  /** Is it measured with these options and this list in spectrum.matrices? */
  bool (*wanted)(const es_snapshot_options *o, const char *list);
  /** Collective. The matrix [D, D] of these embeddings, and the rows it is made of: a
   *  copy of the embeddings' views, [views n, D], centred or scaled as the matrix needs
   *  them. Both are new and the caller's. */
  es_status (*build)(const es_snapshot *s, const es_embedding *e, double **rows,
                     es_dmat **a);
  /** Given where the matrix is rows' rows / (N - 1), whose spectrum may come from rows
   *  rows'. Collective. The rows alone, as build makes them. */
  es_status (*rows)(const es_snapshot *s, const es_embedding *e, double **rows);
  /** Metrics, invariance and the axes of /embedding/pca are of this one. */
  bool described;
} es_matrix_ops;

enum { ES_MATRICES = 3 };
extern const es_matrix_ops es_matrix_table[ES_MATRICES];

/** A matrix that this run measures. */
typedef struct es_matrix {
  const es_matrix_ops *ops;
  int series;         /**< of the trajectory */
  es_eigen *spectrum; /**< in the last snapshot; has vectors only where the next solve
                           starts from them; owned; NULL before the first snapshot */
} es_matrix;

/** Those of them, in the table's order. */
typedef struct es_matrices {
  es_matrix of[ES_MATRICES];
  int n;
  const es_matrix *followed;  /**< its eigenvalues are the run's modes */
  const es_matrix *described; /**< the one so marked; NULL: not measured */
} es_matrices;

/** Sizes, fixed for the run. */
typedef struct es_snapshot_size {
  int k;         /**< eigenvalues kept */
  int modes;     /**< of them, leading, that the transition detector follows */
  int views;     /**< of each sample, as es_snapshot_take gets them */
  int shown;     /**< views in a covariance: 1, or 2 with pairs */
  int64_t rows;  /**< rows of a covariance over all ranks: shown x samples */
  int invariant; /**< modes whose invariance is recorded; 0 without pairs */
} es_snapshot_size;

/** Leading directions of the described matrix. */
typedef struct es_snapshot_axes {
  int series;        /**< /embedding */
  es_eigen *leading; /**< pairs of them, where the spectrum has no vectors; owned */
  double *axis;      /**< [ES_AXES, D] owned */
  double *pca;       /**< [samples, ES_AXES] owned */
  double *products;  /**< [2, invariant] owned */
} es_snapshot_axes;

typedef struct es_snapshot_metrics {
  int *series;   /**< [metrics] owned; -1: not wanted */
  double *value; /**< [metrics] owned; last values */
  double *sigma; /**< [k] owned; singular values of Z, where all are kept */
} es_snapshot_metrics;

/** Series of what is kept; -1: not kept. */
typedef struct es_snapshot_kept {
  int z, vectors;
} es_snapshot_kept;

/** The transition detector and its last input. */
typedef struct es_snapshot_modes {
  es_transitions *detector; /**< owned */
  double *value;            /**< [k] owned: followed eigenvalues of the last snapshot */
  double first;             /**< the largest of the first snapshot; 0 before it */
  int series;               /**< /forecast; -1: none */
} es_snapshot_modes;

struct es_snapshot {
  const es_grid *grid; /* borrowed */
  es_traj *traj;       /* borrowed */
  es_spectrum_params par;
  es_snapshot_options opt;
  es_snapshot_size size;
  es_matrices matrices;
  es_snapshot_axes axes;
  es_snapshot_metrics metrics;
  es_snapshot_modes modes;
  es_snapshot_kept kept;
  es_stop *stop; /* requests that end a snapshot; borrowed; NULL: none does */
  double *row;   /**< [k + 3 + invariant] a row of /spectrum/...; owned */
};

/** The snapshot that is being taken. */
typedef struct es_moment {
  int64_t step;
  double time;
  const es_embedding *e;
} es_moment;

/** A group's path: `group` is that of embeddings. */
void es_snapshot_path(const es_snapshot *s, const char *group,
                      char path[ES_SNAPSHOT_PATH]);
/** "embeddings" or "features". */
const char *es_snapshot_noun(const es_snapshot *s);

/** Are all eigenvalues kept, and found without vectors? */
bool es_snapshot_values_only(const es_snapshot *s);

/** Is the spectrum of this matrix found from its rows, without the matrix? So it is where
 *  these are few and wide. */
bool es_snapshot_by_rows(const es_snapshot *s, const es_matrix *m);
/** Collective. m->spectrum <- the spectrum of a, made of these rows of n samples; a is
 *  NULL where it is found by the rows. */
es_status es_snapshot_solve(const es_snapshot *s, es_matrix *m, const double *rows,
                            int64_t n, const es_dmat *a);
/** Collective. All D eigenvalues of c Z'Z without vectors, from the smaller of it and
 *  c ZZ'; z has n local rows, size.rows over all ranks. */
es_status es_snapshot_values_of_rows(const es_snapshot *s, const double *z, int64_t n,
                                     double c, es_eigen **e);
/** Collective. The k leading eigenpairs of c Z'Z from those of c ZZ' = U diag(l) U': the
 *  vectors are Z'U (l/c)^(-1/2), 0 where l is zero to round-off. */
es_status es_snapshot_pairs_of_rows(const es_snapshot *s, const double *z, int64_t n,
                                    double c, int k, es_eigen **e);

/** Collective. The k leading eigenpairs of the followed matrix of e, whose grid is the
 *  snapshot's: new, the caller destroys them. */
es_status es_snapshot_pairs(const es_snapshot *s, const es_embedding *e, int k,
                            es_eigen **pairs);

/** /kept. */
es_status es_snapshot_declare_kept(es_snapshot *s);

/** /embedding. */
es_status es_snapshot_declare_axes(es_snapshot *s);
/** Collective. Append to /embedding/pca; invariance[size.invariant].
 *  @param rows  [shown n, D] centred
 *  @param a     their covariance; NULL: the axes are found by the rows */
es_status es_snapshot_take_axes(es_snapshot *s, const es_moment *now, const double *rows,
                                const es_dmat *a, double *invariance);

/** /metrics/... */
es_status es_snapshot_declare_metrics(es_snapshot *s);
/** Collective. Metrics of the embeddings; of the spectra, once these are there. */
es_status es_snapshot_measure_rows(es_snapshot *s, const es_embedding *e);
es_status es_snapshot_append_metrics(es_snapshot *s, const es_moment *now);

/** /forecast: declare, append what the transition detector says. */
es_status es_snapshot_declare_forecast(es_snapshot *s);
es_status es_snapshot_append_forecast(es_snapshot *s, const es_moment *now);

/** Fill s->matrices: those that are wanted, the followed and the described one. */
void es_snapshot_choose_matrices(es_snapshot *s);
/** Is spectrum.matrices a list of names in the table, with one of them wanted? */
es_status es_snapshot_check_matrices(const es_spectrum_params *p,
                                     const es_snapshot_options *o);

#endif
