/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder_resnet.c  Residual networks 18, 34 and 50 as torchvision builds them.
 *
 *  K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR
 *  2016, in the form "v1.5": a bottleneck strides on its 3x3 convolution. Parameter names
 *  are torchvision's, so that weights are exchanged without a table of names. */
#include <stdio.h>

#include "eigenstep/encoder.h"

enum { STAGES = 4, PREFIX = 32 };

/** A block adds its ops after value x; `name` is its prefix ("layer1.0"). */
typedef struct block {
  const char *name;
  int width, stride;
  bool zero_gain;
} block;

typedef es_status (*block_fn)(es_net *net, const block *b, int x, int *y);

typedef struct resnet {
  block_fn build;
  int blocks[STAGES];
} resnet;

/** One convolution of a block, of its width, and the batch norm after it: "conv2" and
 *  "bn2" for index 2. */
static es_status conv_bn(es_net *net, const block *b, int index, int x, es_window window,
                         int *y) {
  char name[ES_NAME_MAX];
  snprintf(name, sizeof name, "%s.conv%d", b->name, index);
  ES_TRY(es_net_conv(net, x, name, b->width, window, &x));
  snprintf(name, sizeof name, "%s.bn%d", b->name, index);
  return es_net_bn(net, x, name, -1, true, y);
}

/** The shortcut: x itself, or a strided 1x1 convolution where the shape changes. */
static es_status shortcut(es_net *net, const block *b, int x, int out, int *y) {
  char name[ES_NAME_MAX];
  if (b->stride == 1 && es_net_shape(net, x).c == out) {
    *y = x;
    return ES_OK;
  }
  snprintf(name, sizeof name, "%s.downsample.0", b->name);
  ES_TRY(es_net_conv(net, x, name, out, (es_window){1, b->stride, 0}, &x));
  snprintf(name, sizeof name, "%s.downsample.1", b->name);
  return es_net_bn(net, x, name, -1, false, y);
}

/** The last batch norm of a block, with the sum and the ReLU. */
static es_status join(es_net *net, const block *b, int index, int x, int residual,
                      int *y) {
  char name[ES_NAME_MAX];
  snprintf(name, sizeof name, "%s.bn%d", b->name, index);
  ES_TRY(es_net_bn(net, x, name, residual, true, y));
  if (!b->zero_gain) return ES_OK;
  snprintf(name, sizeof name, "%s.bn%d.weight", b->name, index);
  es_net_tensor(net, name)->init = ES_INIT_ZERO;
  return ES_OK;
}

/** 3x3, 3x3. */
static es_status basic_block(es_net *net, const block *b, int x, int *y) {
  char name[ES_NAME_MAX];
  int h, residual;
  ES_TRY(conv_bn(net, b, 1, x, (es_window){3, b->stride, 1}, &h));
  snprintf(name, sizeof name, "%s.conv2", b->name);
  ES_TRY(es_net_conv(net, h, name, b->width, (es_window){3, 1, 1}, &h));
  ES_TRY(shortcut(net, b, x, b->width, &residual));
  return join(net, b, 2, h, residual, y);
}

/** 1x1 to the width, 3x3, 1x1 to four times the width. */
static es_status bottleneck(es_net *net, const block *b, int x, int *y) {
  char name[ES_NAME_MAX];
  int h, residual;
  ES_TRY(conv_bn(net, b, 1, x, (es_window){1, 1, 0}, &h));
  ES_TRY(conv_bn(net, b, 2, h, (es_window){3, b->stride, 1}, &h));
  snprintf(name, sizeof name, "%s.conv3", b->name);
  ES_TRY(es_net_conv(net, h, name, 4 * b->width, (es_window){1, 1, 0}, &h));
  ES_TRY(shortcut(net, b, x, 4 * b->width, &residual));
  return join(net, b, 3, h, residual, y);
}

static es_status stem(es_net *net, const es_encoder_params *p, int x, int *y) {
  const bool cifar = p->stem == 1;
  const int width = (int) p->base_width;
  const es_window window = cifar ? (es_window){3, 1, 1} : (es_window){7, 2, 3};
  ES_TRY(es_net_conv(net, x, "conv1", width, window, &x));
  ES_TRY(es_net_bn(net, x, "bn1", -1, true, y));
  return cifar ? ES_OK : es_net_maxpool(net, *y, (es_window){3, 2, 1}, y);
}

static es_status build(es_net *net, const resnet *r, const es_encoder_params *p, int x,
                       int *y) {
  ES_TRY(stem(net, p, x, &x));
  for (int stage = 0; stage < STAGES; stage++) {
    for (int i = 0; i < r->blocks[stage]; i++) {
      char name[PREFIX];
      snprintf(name, sizeof name, "layer%d.%d", stage + 1, i);
      const block b = {.name = name,
                       .width = (int) p->base_width << stage,
                       .stride = stage > 0 && i == 0 ? 2 : 1,
                       .zero_gain = p->zero_init_residual};
      ES_TRY(r->build(net, &b, x, &x));
    }
  }
  return es_net_avgpool(net, x, y);
}

static es_status build50(es_net *net, const es_encoder_params *p, int x, int *y) {
  static const resnet r = {bottleneck, {3, 4, 6, 3}};
  return build(net, &r, p, x, y);
}

static es_status build34(es_net *net, const es_encoder_params *p, int x, int *y) {
  static const resnet r = {basic_block, {3, 4, 6, 3}};
  return build(net, &r, p, x, y);
}

static es_status build18(es_net *net, const es_encoder_params *p, int x, int *y) {
  static const resnet r = {basic_block, {2, 2, 2, 2}};
  return build(net, &r, p, x, y);
}

#define READS "stem|zero_init_residual|base_width"
const es_encoder_ops es_encoder_resnet50 = {.name = "resnet50",
                                            .doc = "ResNet-50 v1.5, 2048 features",
                                            .reads = READS,
                                            .images = true,
                                            .build = build50};
const es_encoder_ops es_encoder_resnet34 = {.name = "resnet34",
                                            .doc = "ResNet-34, 512 features",
                                            .reads = READS,
                                            .images = true,
                                            .build = build34};
const es_encoder_ops es_encoder_resnet18 = {.name = "resnet18",
                                            .doc = "ResNet-18, 512 features",
                                            .reads = READS,
                                            .images = true,
                                            .build = build18};
