/* SPDX-License-Identifier: BSD-3-Clause */
/** @file preset.c  run.preset = theory: what makes a network start where the linear
 *  theory begins. Its last layer is one small linear map, so that embeddings and the
 *  eigenvalues of C grow exponentially from far below 1; residual branches start at zero,
 *  so that the features span many directions; the loss removes the mean, whose eigenvalue
 *  would dwarf the others; snapshots are dense while the first modes grow; the
 *  learning rate follows from the features (predict/prediction_lr.c). */
#include "preset.h"

typedef struct entry {
  const char *key, *value;
} entry;

static const entry theory[] = {{"init.scale_last", "0.03"},
                               {"encoder.zero_init_residual", "true"},
                               {"projector.bias", "false"},
                               {"loss.barlow.center", "true"},
                               {"loss.barlow_logdet.center", "true"},
                               {"loss.isoloss.center", "true"},
                               {"loss.directpred.center", "true"},
                               {"optim.lr", "auto"},
                               {"spectrum.every", "0:2:100, 105:5:99999999"}};

es_status es_preset_apply(es_config *cfg, const es_run_params *run) {
  if (run->preset != ES_PRESET_THEORY) return ES_OK;
  for (size_t i = 0; i < sizeof theory / sizeof *theory; i++)
    ES_TRY(es_config_default(cfg, theory[i].key, theory[i].value));
  return ES_OK;
}
