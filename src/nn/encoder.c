/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder.c  The encoders known, and the parameters of encoder, projector, init.
 */
#include "eigenstep/encoder.h"

const es_param es_encoder_table[] = {
    ES_STRING(es_encoder_params, name, "resnet50",
              "encoder: resnet50, resnet34, resnet18, mlp or linear"),
    ES_CHOICE(es_encoder_params, stem, "imagenet", "imagenet|cifar",
              "first layers of a resnet: 7x7 stride 2 and max-pool, or 3x3 stride 1"),
    ES_BOOL(es_encoder_params, zero_init_residual, "false",
            "start the last gain of every residual block at 0"),
    ES_STRING(es_encoder_params, weights, "",
              "safetensors file to start from, empty for none"),
    ES_INT(es_encoder_params, base_width, "64", 1, 1024, "1",
           "channels of a resnet's first stage"),
    ES_LIST(es_encoder_params, hidden, "512", 1, 1e6, "1",
            "widths of the layers of mlp and linear"),
    ES_PARAM_END};

const es_param es_projector_table[] = {
    ES_LIST(es_projector_params, widths, "50", 1, 1e6, "1",
            "widths of the projector's layers, the last is the embedding's"),
    ES_BOOL(es_projector_params, batchnorm, "true",
            "batch normalisation between the layers (not after the last)"),
    ES_BOOL(es_projector_params, bias, "false", "a bias in every layer of the projector"),
    ES_PARAM_END};

const es_param es_init_table[] = {
    ES_DOUBLE(es_init_params, scale, "1", 0, ES_INF, "1",
              "factor on every initial convolution and linear weight"),
    ES_DOUBLE(es_init_params, scale_last, "1", 0, ES_INF, "1",
              "additional factor on the last linear layer's weight"),
    ES_CHOICE(es_init_params, last, "uniform", "uniform|normal",
              "that layer's distribution: within, or of standard deviation, "
              "1/sqrt(fan-in)"),
    ES_DOUBLE(es_init_params, bias_last, "1", 0, ES_INF, "1",
              "factor on that layer's bias (uniform within 1/sqrt(fan-in)): if larger "
              "than the spread of the embeddings, all images start near one point"),
    ES_PARAM_END};

#define ES_ENCODER(n) extern const es_encoder_ops es_encoder_##n;
#include "encoder_list.h"
#undef ES_ENCODER

static const es_encoder_ops *const encoders[] = {
#define ES_ENCODER(n) &es_encoder_##n,
#include "encoder_list.h"
#undef ES_ENCODER
};

size_t es_encoder_list(const es_encoder_ops *const **list) {
  *list = encoders;
  return sizeof encoders / sizeof encoders[0];
}
