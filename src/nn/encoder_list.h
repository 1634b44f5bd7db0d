/* SPDX-License-Identifier: BSD-3-Clause */
/** @file encoder_list.h  One line per encoder. No include guard: it is expanded twice. */
ES_ENCODER(resnet50)
ES_ENCODER(resnet34)
ES_ENCODER(resnet18)
ES_ENCODER(mlp)
ES_ENCODER(linear)
