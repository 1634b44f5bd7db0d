/* SPDX-License-Identifier: BSD-3-Clause */
/** @file snapshot.h  One spectrum snapshot: embeddings -> matrices -> eigenvalues ->
 *  metrics -> learned modes and forecast -> trajectory. Independent of networks: the
 *  embeddings are arguments. */
#ifndef ES_SNAPSHOT_H
#define ES_SNAPSHOT_H

#include "eigenstep/eig.h"
#include "eigenstep/metric.h"
#include "eigenstep/param.h"
#include "eigenstep/stop.h"
#include "eigenstep/transitions.h"
#include "eigenstep/traj.h"

/** Section [spectrum]. */
typedef struct es_spectrum_params {
  es_string every;      /**< cadence */
  int64_t probe;        /**< held-out pairs */
  int64_t top;          /**< eigenvalues kept, 0 = all */
  es_string solver;     /**< eig_list.h */
  int precision;        /**< of the probe's forward passes: 0 = f32, 1 = bf16 */
  int bn;               /**< 0 = batch, 1 = running */
  es_string matrices;   /**< "covariance, cross" */
  int64_t lidar;        /**< views of a sample for LiDAR, 0 = off */
  int64_t views;        /**< eigenstep spectrum: of each sample; 0 = as the shape says */
  es_string of;         /**< "embedding", or "embedding, features" */
  es_string keep;       /**< "none", or a list of z, vectors */
  es_string keep_every; /**< cadence of what is kept */
} es_spectrum_params;
extern const es_param es_spectrum_table[];

/** Not collective. Does spectrum.of name the features too? @return ES_OK; ES_ECONFIG
 *  (another name, or no embedding) */
es_status es_spectrum_wants_features(const es_spectrum_params *p, bool *features);

/** What spectrum.keep names. */
typedef struct es_spectrum_kept {
  bool z, vectors;
} es_spectrum_kept;
/** Not collective. @return ES_OK; ES_ECONFIG (another name) */
es_status es_spectrum_keeps(const es_spectrum_params *p, es_spectrum_kept *kept);

/** What snapshots are taken of. */
typedef enum es_snapshot_of {
  /** Of a training: its modes are learned, forecast and counted. */
  ES_SNAPSHOT_EMBEDDING,
  /** Of the same training, in groups of /features. No level tells which are learned:
   *  /features/steps has where each of the leading 64 crossed half of its final value. */
  ES_SNAPSHOT_FEATURES,
  /** Of no training: nothing is learned, modes are not counted. */
  ES_SNAPSHOT_FOREIGN
} es_snapshot_of;

/** The embeddings, and the matrix whose eigenvalues are followed. */
typedef struct es_snapshot_options {
  int dim;                /**< D */
  int64_t samples;        /**< rows of one view over all ranks */
  bool pairs;             /**< two views: cross-correlation is possible */
  bool center, normalize; /**< the loss's convention for the cross-correlation */
  es_snapshot_of of;
  const char *followed; /**< the matrix whose eigenvalues are the loss's modes:
                               "covariance" (NULL), "cross", or "unit", of embeddings
                               divided by their length, which is then measured too */
  /** Growth of the modes, as in es_transitions_options; 0: 8, 1, the same as settled. */
  double rate, settled, alone;
  double momentum; /**< of the training, for gamma from growth rates */
  bool nesterov;
} es_snapshot_options;

/** How the transition detector of such snapshots follows so many modes. */
es_transitions_options es_snapshot_follows(const es_snapshot_options *o, int modes);

/** Views of each sample that es_snapshot_take expects: 1, 2, or as many as LiDAR. */
int es_snapshot_views(const es_spectrum_params *p, const es_snapshot_options *o);

/** Not collective. Would es_snapshot_create accept these? Nothing is created.
 *  @return ES_ECONFIG: top > dim ("more modes than embedding dimensions"), unknown
 *          matrix, solver or cadence, an odd number of views for LiDAR */
es_status es_snapshot_check(const es_spectrum_params *p, const es_snapshot_options *o);

typedef struct es_snapshot es_snapshot;

/** Collective. Declare the groups in the trajectory (borrowed, as is the grid).
 *  @return as es_snapshot_check, or ES_ENOMEM, ES_EIO */
es_status es_snapshot_create(const es_grid *g, es_traj *t, const es_spectrum_params *p,
                             const es_snapshot_options *o, es_snapshot **s);
void es_snapshot_destroy(es_snapshot **s);

/** Collective. Feed the transition detector with the snapshots of a resumed trajectory.
 *  @return ES_OK, ES_EFORMAT, ES_ENOMEM: the same on all ranks */
es_status es_snapshot_replay(es_snapshot *s);

/** Not collective. Snapshots end before the next matrix where the program is asked to
 *  stop (es_stop_between); `stop` is borrowed until s is destroyed. Without this call
 *  they are taken whole, as a training run needs. */
void es_snapshot_set_stop(es_snapshot *s, es_stop *stop);

/** Collective. Take one: append to the trajectory and the transition detector.
 *  @param e  as many views as es_snapshot_views says, of the options' dim and samples; e
 *            and its arrays are borrowed and unchanged; e->grid is not read (the
 *            snapshot's own is)
 *  @return ES_OK; ES_EARG (another shape); ES_EMATH if an embedding is not finite or the
 *          solver failed; ES_ENOMEM; ES_EIO; ES_STOPPED (es_snapshot_set_stop) */
es_status es_snapshot_take(es_snapshot *s, int64_t step, double time,
                           const es_embedding *e);

/** Collective. The k leading eigenvalues and eigenvectors of the followed matrix of these
 *  embeddings, value [k] descending, q [k, D], the same on all ranks; nothing is written.
 *  @param e  as of es_snapshot_take
 *  @return as es_snapshot_take, but for ES_EIO */
es_status es_snapshot_directions(const es_snapshot *s, const es_embedding *e, int k,
                                 double *value, double *q);

/** Collective. Append what spectrum.keep names, in single precision: /kept/z/value, the
 *  embeddings [samples of view 1, then of view 2; D], and /kept/vectors/value,
 *  eigenvectors of the followed matrix [K, D], as rows; below /features for these.
 *  Nothing where it names nothing.
 *  @param e  as of es_snapshot_take
 *  @return as es_snapshot_take */
es_status es_snapshot_keep(es_snapshot *s, int64_t step, double time,
                           const es_embedding *e);

/** Is it a series of es_snapshot_keep? */
bool es_snapshot_owns_kept(const es_snapshot *s, int id);

/** Eigenvalues of the followed matrix in the last snapshot, [k] descending: the one that
 *  the options name or, where it is not measured, the first that is. */
const double *es_snapshot_values(const es_snapshot *s, int *k);
/** Those of a matrix by its name in spectrum.matrices; NULL: it is not measured. */
const double *es_snapshot_values_of(const es_snapshot *s, const char *matrix, int *k);
/** Is the largest of these a million times what a mode settles at, and what it was in the
 *  first snapshot (the larger of both: *expected)? Then training has diverged, though its
 *  numbers may be finite for long. */
bool es_snapshot_has_exploded(const es_snapshot *s, double *expected);
/** Modes with eigenvalue > settled / 2 in that matrix. */
int es_snapshot_learned(const es_snapshot *s);
/** The next mode to be learned. */
es_forecast es_snapshot_next(const es_snapshot *s);
/** Value of a metric in the last snapshot, NaN if unknown. */
double es_snapshot_metric(const es_snapshot *s, const char *name);
/** Collective. Write the table of transitions, /steps. */
es_status es_snapshot_write_transitions(es_snapshot *s);
/** Rows of /steps, rows[n] for the n followed modes: the k of es_snapshot_values, of
 *  features the leading 64 at most; returns n. */
int es_snapshot_transitions(const es_snapshot *s, es_transition *rows);
/** Not collective. Memory of a snapshot in bytes per rank, and bytes that one adds to the
 *  file. */
int64_t es_snapshot_bytes(const es_spectrum_params *p, const es_snapshot_options *o,
                          int ranks);
int64_t es_snapshot_file_bytes(const es_spectrum_params *p, const es_snapshot_options *o);
/** Not collective. Bytes that es_snapshot_keep adds to the file. */
int64_t es_snapshot_kept_bytes(const es_spectrum_params *p, const es_snapshot_options *o);

#endif
