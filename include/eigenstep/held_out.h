/* SPDX-License-Identifier: BSD-3-Clause */
/** @file held_out.h  A run's network at one of its steps, as a function of single images,
 *  and held-out pairs to apply it to. Batch norm has constant statistics; the network is
 *  in f32 whatever the run was in. */
#ifndef ES_HELD_OUT_H
#define ES_HELD_OUT_H

#include "eigenstep/reopen.h"

/** Pairs of views; a sample is one view. This rank's samples are the first views of its
 *  pairs, then the second ones. */
typedef struct es_held_out_points {
  int64_t pairs;    /**< on all ranks */
  int64_t first, n; /**< pairs first .. first + n - 1 (es_comm_local_range) are here */
  const float *x;   /**< [2 n, C, H, W] borrowed */
  int most;         /**< images of a forward, at most; >= 1 */
} es_held_out_points;

enum { ES_HELD_OUT_FIRST = -2, ES_HELD_OUT_LAST = ES_REOPEN_LATEST };

/** Not collective. Steps of a text like "first, 100, last": of each the step of a
 *  checkpoint, ES_HELD_OUT_FIRST (also for 0) or ES_HELD_OUT_LAST.
 *  @param key  the parameter that it is the value of, for messages
 *  @return ES_OK; ES_ECONFIG (no steps, not ascending) */
enum { ES_HELD_OUT_STEPS = 64 };
es_status es_held_out_steps(const char *key, const char *text, int *n,
                            int64_t step[ES_HELD_OUT_STEPS]);
/** Collective. Those of the newest checkpoints that a run has, ascending; a warning
 *  where it has more than ES_HELD_OUT_STEPS.
 *  @param key  the parameter that asks for them, for messages
 *  @return ES_OK; ES_EIO (there are none): the same on all ranks */
es_status es_held_out_all_steps(const char *key, const es_comm *c, const char *dir,
                                int *n, int64_t step[ES_HELD_OUT_STEPS]);

/** Which run, step and pairs; borrowed for the call. */
typedef struct es_held_out_options {
  const char *dir;
  int64_t step; /**< of a checkpoint; ES_HELD_OUT_LAST: the newest; ES_HELD_OUT_FIRST: the
                     weights before the first step, from the seed */
  int64_t pairs; /**< 0: those of the probe, at most 128 */
  bool running;  /**< statistics of batch norm: running averages; false: of the probe set,
                      chunk by chunk as snapshots have them */
  int argc;      /**< "section.key=value": overrides of run.ini */
  char *const *argv;
} es_held_out_options;

/** All owned but net, which is the run's. */
typedef struct es_held_out {
  es_reopened *run;
  es_loader *loader;
  const es_batch *batch; /**< the loader's: this rank's pairs, with numbers and classes */
  es_held_out_points points;
  es_net *net;
  es_bn_mode mode; /**< ES_BN_RUNNING or ES_BN_FROZEN */
  int64_t step;
  double time;
} es_held_out;

/** The number of pairs that `wanted` means for a run. */
int64_t es_held_out_pairs(const es_settings *s, int64_t wanted);

/** Collective. The caller closes h, also after a failure.
 *  @return as es_reopen, or ES_ECONFIG (more pairs than were held out) */
es_status es_held_out_open(const es_job *job, const es_held_out_options *o,
                           es_held_out *h);
void es_held_out_close(es_held_out *h);

/** Collective. x [2 pairs, width] on all ranks <- a value of the network, of
 *  es_probe_data_width(run->parts->probe.data, value) numbers, for these points, first
 *  views before second ones; their images have the shape of the network's input.
 *  @param value  as in es_probe_request
 *  @return ES_OK, ES_ENOMEM, or the network's error: the same on all ranks */
es_status es_held_out_read(const es_comm *c, const es_held_out *h,
                           const es_held_out_points *points, int value, double *x);
/** Collective. The same for ES_PROBE_EMBEDDING: z [2 pairs, D]. */
es_status es_held_out_embed(const es_comm *c, const es_held_out *h,
                            const es_held_out_points *points, double *z);

#endif
