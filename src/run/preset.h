/* SPDX-License-Identifier: BSD-3-Clause */
/** @file preset.h  Defaults that belong together (run.preset). */
#ifndef ES_PRESET_H
#define ES_PRESET_H

#include "eigenstep/run_loop.h"

/** Defaults of the preset in place of the tables', for keys that are not given: part of
 *  the effective values. @return ES_OK, ES_ENOMEM */
es_status es_preset_apply(es_config *cfg, const es_run_params *run);

#endif
