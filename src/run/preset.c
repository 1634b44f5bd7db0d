/* SPDX-License-Identifier: BSD-3-Clause */
/** @file preset.c  run.preset = theory: what makes a network start where the linear
 *  theory begins. Its last layer is one small linear map, so that embeddings and the
 *  eigenvalues of C grow exponentially from far below 1; residual branches start at zero,
 *  so that the features span many directions; the loss removes the mean, whose eigenvalue
 *  would dwarf the others; snapshots are dense while the first modes grow. */
#include "preset.h"

#include "eigenstep/loss_theory.h"

typedef struct entry {
  const char *key, *value;
} entry;

static const entry theory[] = {{"init.scale_last", "0.03"},
                               {"encoder.zero_init_residual", "true"},
                               {"projector.bias", "false"},
                               {"loss.barlow.center", "true"},
                               {"spectrum.every", "0:2:100, 105:5:99999999"}};

es_status es_preset_apply(es_config *cfg, const es_run_params *run,
                          const es_loss_ops *loss) {
  if (run->preset != ES_PRESET_THEORY) return ES_OK;
  for (size_t i = 0; i < sizeof theory / sizeof *theory; i++)
    ES_TRY(es_config_default(cfg, theory[i].key, theory[i].value));
  return es_loss_has_flow(loss) ? es_config_default(cfg, "optim.lr", "auto") : ES_OK;
}
