/* SPDX-License-Identifier: BSD-3-Clause */
/** @file params.c  Section [modes]. */
#include "eigenstep/mode_study.h"

typedef es_mode_study_params par;
const es_param es_mode_study_table[] = {
    ES_INT(par, pairs, "0", 0, 1e6, "pairs",
           "held-out pairs that the modes are of; 0 = the probe"),
    ES_INT(par, count, "16", 1, 1e4, "1", "modes, at most"),
    ES_STRING(par, at, "all",
              "ascending steps: first (rebuilt from the seed), last (the newest "
              "checkpoint), numbers of checkpoints; or all checkpoints; at most 64, the "
              "newest of all. A mode is taken at the first of them after it was "
              "learned"),
    ES_CHOICE(par, of, "embedding", "embedding|features",
              "modes of the embedding, or of the encoder's output"),
    ES_CHOICE(par, bn, "probe", "probe|running",
              "constant statistics of batch norm: of the probe set, or running averages"),
    ES_INT(par, permutations, "1000", 100, 1e6, "1",
           "random exchanges of pairs that say what an attribute explains by chance"),
    ES_STRING(par, accuracy, "linear",
              "classifier that says how useful modes are, a name of accuracy.list with "
              "its records and section; none = not asked"),
    ES_INT(par, draws, "5", 1, 1000, "1", "random choices of k modes for it"),
    ES_BOOL(par, augment, "false",
            "growth rates of the start against the strength of each augmentation"),
    ES_PARAM_END};
