/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tangent.h  The empirical neural tangent kernel of a network for one combination
 *  u of its outputs, Theta(i, j) = <G_i, G_j> with G_i the gradient of u . f(x_i) over
 *  all parameters, of samples that the ranks share. Kept for groups of layers: the stem,
 *  each stage of the encoder, the projector.
 *
 *  The Jacobian is never stored. Layers are taken in runs whose inputs and gradients fit
 *  into a given memory; a run costs a forward and a backward of all samples. Then, layer
 *  by layer, blocks of samples travel round the ring of ranks (ring.h).
 *
 *  Order of calls: es_ntk_sum_create -> es_ntk_sum_add for each u -> es_ntk_sum_matrix */
#ifndef ES_NTK_TANGENT_H
#define ES_NTK_TANGENT_H

#include "eigenstep/dmat.h"
#include "pass.h"
#include "ring.h"

enum { ES_NTK_GROUPS = 12, ES_NTK_GROUP_NAME = 32 };

typedef struct es_ntk_sum es_ntk_sum;

/** Told after each layer of each combination; collective. */
typedef es_status es_ntk_layer_done(void *ctx, es_ntk_sum *s);

/** What is computed. */
typedef struct es_ntk_job {
  const es_comm *comm; /**< borrowed, as the rest */
  es_ntk_passes passes;
  bool last_alone; /**< the last layer with parameters alone: a kernel of its inputs */
  bool bf16;       /**< factors of products are rounded to bf16 */
  int64_t memory;  /**< bytes that a run of layers may keep, about */
  es_ntk_layer_done *layer_done; /**< NULL: nobody */
  void *ctx;                     /**< its first argument */
} es_ntk_job;

/** Where in the caller's activity (eigenstep/progress.h) a combination stands. */
typedef struct es_ntk_progress {
  int done, all; /**< combinations; all = 0: no such activity */
} es_ntk_progress;

/** What it takes, on the rank with most samples. */
typedef struct es_ntk_cost {
  int layers, structured;  /**< convolutions and linear layers; of these structured */
  int runs;                /**< forward and backward passes of all samples */
  double passes, products; /**< multiply-adds of a rank, for one u */
  double pair;             /**< multiply-adds of a pair of samples, all layers */
  int64_t bytes;           /**< of memory at most, with all that the process has by now
                                and what a backward pass will touch */
  double seconds; /**< of a rank's processor, for one u; 0: es_ntk_sum_calibrate was not
                       called */
} es_ntk_cost;

/** Collective.
 *  @return ES_OK, ES_ENOMEM, ES_ECONFIG (the backend has no products in bf16): the same
 *          on all ranks */
es_status es_ntk_sum_create(const es_ntk_job *job, es_ntk_sum **s);
void es_ntk_sum_destroy(es_ntk_sum **s);
/** Not collective. Of es_ntk_sum_add. */
es_ntk_cost es_ntk_sum_cost(const es_ntk_sum *s);

/** Collective. Measure how long passes, by one batch, and products (rate.h) take here: of
 *  all ranks the longest.
 *  @return ES_OK, ES_ENOMEM, the network's error: the same on all ranks */
es_status es_ntk_sum_calibrate(es_ntk_sum *s);

/** Collective. Add the kernel of u [D].
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (not finite): the same on all ranks */
es_status es_ntk_sum_add(es_ntk_sum *s, const float *u, es_ntk_progress progress);

/** State visitor: this rank's products so far, so that es_ntk_sum_add of the same u goes
 *  on where it was. */
es_status es_ntk_sum_visit(es_ntk_sum *s, es_visitor *v);
/** Combinations that are done. */
int es_ntk_sum_outputs(const es_ntk_sum *s);
/** Layers that are done, over all combinations. */
int64_t es_ntk_sum_progress(const es_ntk_sum *s);
/** What a state belongs to: hashes of weights and of this rank's samples.
 *  @return ES_OK, ES_ENOMEM, or the backend's error */
enum { ES_NTK_IDENTITY = 2 };
es_status es_ntk_sum_identify(const es_ntk_sum *s, int64_t identity[ES_NTK_IDENTITY]);

/** Groups of layers and layers, from the input on. */
int es_ntk_sum_groups(const es_ntk_sum *s);
const char *es_ntk_sum_group(const es_ntk_sum *s, int group);
int es_ntk_sum_layers(const es_ntk_sum *s);
const es_ntk_layer *es_ntk_sum_layer(const es_ntk_sum *s, int layer);
/** Collective. share [layers]: of the trace of Theta. */
void es_ntk_sum_shares(const es_ntk_sum *s, double *share);

/** Collective. Theta [2n, 2n], mean over all u so far, rows and columns by view, then by
 *  pair; symmetric. group: of one group; -1: of all. The caller destroys *theta.
 *  @return ES_OK, ES_ENOMEM */
es_status es_ntk_sum_matrix(const es_ntk_sum *s, const es_grid *g, int group,
                            es_dmat **theta);

#endif
