/* SPDX-License-Identifier: BSD-3-Clause */
/** @file train_params.c  Parameters of sections run, batch, parallel and ckpt. */
#include "eigenstep/run_loop.h"
#include "eigenstep/train.h"

typedef es_run_params run_par;
const es_param es_run_table[] = {
    ES_CHOICE(
        run_par, preset, "standard", "standard|theory",
        "defaults of other sections: theory sets a small start (init.scale_last = "
        "0.03, encoder.zero_init_residual = true, projector.bias = false), center = true "
        "of barlow, barlow_logdet, isoloss and directpred, snapshots every 2 steps up to "
        "100, then every 5, and optim.lr = auto, or 0.001 where the loss has no theory "
        "to choose it by; a key that is given stays"),
    ES_INT(run_par, steps, "1000", 0, 99999999, "steps",
           "training steps; 0 writes the initial state"),
    ES_INT(run_par, seed, "1", 0, 9e15, "1", "seed of every random number"),
    ES_DOUBLE(run_par, walltime, "0", 0, ES_INF, "s",
              "stop with a checkpoint after this time; 0 = no limit"),
    ES_INT(run_par, log_every, "10", 1, 1e9, "steps", "steps between progress lines"),
    ES_INT(run_par, skip_max, "3", 0, 1e9, "steps",
           "most consecutive steps without an update, as loss or gradient is not finite; "
           "one more ends the run"),
    ES_PARAM_END};

typedef es_batch_params batch_par;
const es_param es_batch_table[] = {
    ES_INT(batch_par, pairs, "64", 1, 1e7, "pairs",
           "pairs of views in a batch, over all ranks"),
    ES_BOOL(
        batch_par, sync_bn, "true",
        "batch normalisation over all ranks, weighted by count; false: each rank alone"),
    ES_CHOICE(batch_par, bn_views, "separate", "separate|joint",
              "statistics of batch normalisation per view, or over both views together"),
    ES_INT(batch_par, micro, "0", 0, 1e7, "pairs",
           "pairs of a rank in one pass through the network; saves memory: the loss is "
           "still that of the whole batch, forward runs twice, and batch normalisation "
           "takes its statistics over the pairs of a pass; 0: all pairs in one pass"),
    ES_PARAM_END};

typedef es_parallel_params parallel_par;
const es_param es_parallel_table[] = {
    ES_BOOL(
        parallel_par, deterministic, "false",
        "bit-identical results on 1, 2, 4, ... ranks; slower: each rank computes loss "
        "and spectrum of all pairs"),
    ES_INT(parallel_par, shards, "8", 1, 65536, "1",
           "parallel.deterministic: equal parts of the batch that are summed first; a "
           "power of two, at least one a rank; results depend on it"),
    ES_PARAM_END};

typedef es_ckpt_params ckpt_par;
const es_param es_ckpt_table[] = {
    ES_INT(ckpt_par, every, "0", 0, 1e12, "steps",
           "steps between checkpoints; 0: by ckpt.minutes, at the end and when stopped"),
    ES_DOUBLE(ckpt_par, minutes, "10", 0, 1e9, "min",
              "minutes between checkpoints, more where writing them would take above 1 % "
              "of the time; 0: by ckpt.every, at the end and when stopped"),
    ES_INT(ckpt_par, keep, "1", 1, 1e6, "1", "complete checkpoints kept"), ES_PARAM_END};
