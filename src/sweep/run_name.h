/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_name.h  Readable names of a sweep's runs, made of what varies. */
#ifndef ES_SWEEP_RUN_NAME_H
#define ES_SWEEP_RUN_NAME_H

#include "words.h"

/** "lr=0.001_loss=barlow_seed=3": each key without its section (of loss.name the
 *  section), unless two keys differ in that alone, and its value; what is not a letter,
 *  digit, a dot, + or - becomes -. "run" where nothing varies. The caller frees *name. */
es_status es_sweep_name(const es_words *varied, const es_words *value, char **name);
/** Append eight digits of the identity, where two runs have one name. */
es_status es_sweep_name_extend(const char *id, char **name);

#endif
