/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder.h  Encoders (variants: encoder_list.h) and the projector on top. */
#ifndef ES_ENCODER_H
#define ES_ENCODER_H

#include "eigenstep/net.h"
#include "eigenstep/param.h"

/** Section [encoder]. */
typedef struct es_encoder_params {
  es_string name;
  int stem; /**< 0 = imagenet, 1 = cifar */
  bool zero_init_residual;
  es_string weights;  /**< safetensors to start from, "" = none */
  int64_t base_width; /**< channels of the first stage, 64; for small tests */
  es_list hidden;     /**< mlp, linear: widths of the layers */
} es_encoder_params;
extern const es_param es_encoder_table[];

/** Section [projector]. widths: the last is the embedding width. */
typedef struct es_projector_params {
  es_list widths;
  bool batchnorm, bias;
} es_projector_params;
extern const es_param es_projector_table[];

/** Section [init]. */
typedef struct es_init_params {
  double scale;      /**< every conv/linear weight of encoder and projector times this */
  double scale_last; /**< the last linear layer's weight, additionally */
  int last; /**< distribution of that layer: 0 = uniform as torch.nn.Linear, 1 = normal */
  double bias_last; /**< the last linear layer's bias times this */
} es_init_params;
extern const es_param es_init_table[];

/* --- for authors of an encoder ------------------------------------------------------ */
typedef struct es_encoder_ops {
  const char *name, *doc;
  const char *reads; /**< "hidden": keys of [encoder] that not all encoders read */
  bool images;       /**< its convolutions look around each pixel: nothing for vectors */
  /** Add the encoder's ops after value x; *y is a [features, 1, 1] value. */
  es_status (*build)(es_net *net, const es_encoder_params *p, int x, int *y);
} es_encoder_ops;
size_t es_encoder_list(const es_encoder_ops *const **list);

/* --- for users ---------------------------------------------------------------------- */
/** What a model is built of; all borrowed. */
typedef struct es_model_desc {
  es_shape input;
  const es_encoder_params *encoder;
  const es_projector_params *projector;
  const es_init_params *init;
} es_model_desc;

/** Build input -> encoder -> projector and allocate. Projector layers are named
 *  projector.N.weight / .bias (N counts the linear layers from 0) with projector.N.bn.*
 *  between where batchnorm.
 *  @param features  value index of the encoder's output, may be NULL
 *  @return ES_ECONFIG for unknown names or widths that do not fit */
es_status es_model_build(es_backend *b, const es_net_options *o, const es_model_desc *m,
                         es_net **net, int *features);

/** Collective. Would es_model_load take the file? Reads its head alone, and of the model
 *  the tensors' names and shapes. @return as es_model_load */
es_status es_model_check(const es_params *p, const es_comm *c, const char *path);

/** Collective: rank 0 reads, all ranks get the values. Load encoder.weights: every
 *  tensor of the encoder must be in the file with its shape; tensors under `projector.`
 *  are loaded if present; extra ones other than fc.* and *.num_batches_tracked are
 *  refused. ES_EFORMAT names the tensor, got/expected. */
es_status es_model_load(es_params *p, const es_comm *c, const char *path);

/** Not collective: called by rank 0 alone. Write all tensors (values and BN running
 *  averages, f32) as safetensors under torchvision's names; an existing file is replaced.
 *  @param metadata  [n_meta] pairs of key and text for its metadata; borrowed
 *  @return ES_OK; ES_EIO, ES_ENOMEM. */
es_status es_model_export(const es_params *p, const char *path,
                          const char *const (*metadata)[2], size_t n_meta);

#endif
