/* SPDX-License-Identifier: BSD-3-Clause */
/** @file settings.h  The values of all parameter sections a training-like experiment
 *  reads. */
#ifndef ES_SETTINGS_H
#define ES_SETTINGS_H

#include "eigenstep/accuracy.h"
#include "eigenstep/encoder.h"
#include "eigenstep/experiment.h"
#include "eigenstep/train.h"

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
  es_optim_params optim;
  es_sched_params sched;
  es_backend_params backend;
  es_spectrum_params spectrum;
  es_accuracy_params probe;
  es_ckpt_params ckpt;
} es_settings;

/** Fill from a configuration and check what concerns several sections at once (batch
 *  against ranks, modes against dimensions). @return ES_OK or ES_ECONFIG */
es_status es_settings_read(es_config *cfg, int ranks, es_settings *s);

/** Sizes of a network for batches of up to `pairs` pairs on one of `ranks` ranks. */
es_net_options es_settings_net(const es_settings *s, int64_t pairs, int ranks);

/** Section [backend] as the backend takes it; borrows from s. */
es_backend_options es_settings_backend(const es_settings *s);

/** Embedding width: the projector's last. */
int es_settings_dim(const es_settings *s);

#endif
