/* SPDX-License-Identifier: BSD-3-Clause */
/** @file settings.h  The values of all parameter sections of a training run. */
#ifndef ES_SETTINGS_H
#define ES_SETTINGS_H

#include "eigenstep/encoder.h"
#include "eigenstep/config_load.h"
#include "eigenstep/loss_theory.h"
#include "eigenstep/run_loop.h"
#include "eigenstep/selected.h"

/** Section [output]. */
typedef struct es_output_params {
  es_string dir;
} es_output_params;
extern const es_param es_output_table[];

/** Section [backend]. */
typedef struct es_backend_params {
  es_string name;
  int precision; /**< 0 = f32, 1 = bf16 */
  int64_t threads;
  bool tune;
  es_string plans; /**< "auto", "none" or a path */
  bool share, tf32;
  int graph; /**< es_graph_use */
} es_backend_params;
extern const es_param es_backend_table[];

/** One member a section, and the variants that they name. */
typedef struct es_settings {
  es_run_params run;
  es_output_params output;
  es_data_params data;
  es_encoder_params encoder;
  es_projector_params projector;
  es_init_params init;
  es_batch_params batch;
  es_parallel_params parallel;
  es_loss_params loss;
  es_precondition_params precondition;
  es_surgery_params surgery;
  es_optim_params optim;
  es_sched_params sched;
  es_backend_params backend;
  es_spectrum_params spectrum;
  es_accuracy_params accuracy;
  es_ckpt_params ckpt;
  es_selected selected; /**< owned */
} es_settings;

/** The sections of es_settings and of all variants, appended to s[max]; returns how
 *  many. */
size_t es_settings_sections(es_section *s, size_t max);

/** Collective. Fill from a configuration and check what concerns several sections at once
 *  (batch against `ranks`, modes against dimensions). After this no part of a run reads
 *  the configuration for a value.
 *  @return the same on all ranks: ES_OK; ES_ECONFIG, ES_ENOMEM: there is nothing to
 *          free */
es_status es_settings_read(const es_comm *c, es_config *cfg, int ranks, es_settings *s);
void es_settings_free(es_settings *s);
/** Can so many ranks share the work? es_settings_read checks it, too. @return ES_OK,
 *  ES_ECONFIG */
es_status es_settings_check_ranks(const es_settings *s, int ranks);

/** Of `ranks` ranks those that a loss is evaluated by together: all, or 1 where rows are
 *  replicated (row_layout.h). */
int es_settings_loss_ranks(const es_settings *s, int ranks);
/** The pairs of a forward pass over all ranks are to be a multiple of this. */
int64_t es_settings_pairs_unit(const es_settings *s);

/** The model of the settings for images of this shape; borrows from s. */
es_model_desc es_settings_model(const es_settings *s, es_shape input);
/** Sizes of a network for batches of up to `pairs` pairs on one of `ranks` ranks. */
es_net_options es_settings_net(const es_settings *s, int64_t pairs, int ranks);

/** Section [backend] as the backend takes it; borrows from s. */
es_backend_options es_settings_backend(const es_settings *s);

/** What its snapshots are of: embeddings of so many pairs, and the matrix and the growth
 *  of the loss's modes.
 *  @param samples  pairs of the probe: spectrum.probe, rounded down to full passes
 *                  (es_probe_chunk) */
es_snapshot_options es_settings_snapshot(const es_settings *s, int64_t samples);
/** The same of the encoder's features, `width` of them; C is centred and not normalised.
 *  *par: section [spectrum] for them, with no more eigenvalues than there are. */
es_snapshot_options es_settings_features(const es_settings *s, int64_t samples, int width,
                                         es_spectrum_params *par);
/** Does spectrum.of name them? A list that cannot be read does not. */
bool es_settings_wants_features(const es_settings *s);
/** The training as the theory of its loss takes it; borrows from s. */
es_loss_setup es_settings_loss_setup(const es_settings *s);

/** Embedding width: the projector's last. */
int es_settings_dim(const es_settings *s);

#endif
