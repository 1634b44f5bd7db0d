/* SPDX-License-Identifier: BSD-3-Clause */
/** @file params.c  Section [ntk]. */
#include "eigenstep/ntk.h"

typedef es_ntk_params par;
const es_param es_ntk_table[] = {
    ES_INT(par, pairs, "0", 0, 1e6, "pairs",
           "held-out pairs that the kernel is of; 0 = those of the probe, at most 128"),
    ES_INT(par, further, "0", 0, 1e6, "pairs",
           "the last of them are left out of the prediction and predicted as new points"),
    ES_STRING(par, outputs, "random:3",
              "kernel of which outputs: random:N (mean over N random unit combinations), "
              "mean (over all outputs), last (the last layer alone: frozen features)"),
    ES_STRING(par, at, "first,last",
              "ascending steps: first (rebuilt from the seed), last (the newest "
              "checkpoint), or numbers of checkpoints; at most 64"),
    ES_CHOICE(par, bn, "probe", "probe|running",
              "constant statistics of batch norm: of the probe set, or running averages"),
    ES_CHOICE(
        par, precision, "f32", "f32|bf16",
        "factors of the kernel's products (sums of products are in f32, of layers "
        "in f64): bf16 (backend onednn) took 0.6 of the time of f32 for a ResNet-50"),
    ES_BOOL(par, keep, "false", "write the kernel itself, /ntk/kernel"),
    ES_INT(par, memory, "2048", 1, 1e9, "MiB",
           "that inputs and gradients of layers may take on a rank; with less, samples "
           "pass the network more often"),
    ES_DOUBLE(par, save, "60", 0, 1e9, "s",
              "between saved states of an unfinished kernel, at least, and 50 times what "
              "one takes; 0: after each layer; the same command goes on from the last "
              "one after a kill"),
    ES_INT(par, bootstrap, "100", 2, 1e6, "1", "samples of pairs for errors"),
    ES_INT(par, neighbours, "10", 1, 1e6, "1", "neighbours of /alignment/neighbours"),
    ES_PARAM_END};
