/* SPDX-License-Identifier: BSD-3-Clause */
/** @file model.c  The model: input, encoder, projector, and how small it starts.
 *
 *  Projector: linear layers, batch norm and ReLU between them; N counts the layers from
 *  0: projector.N.weight, projector.N.bias, projector.N.bn.*. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eigenstep/registry.h"
#include "layers.h"

es_status es_nn_linear(es_net *net, int x, es_nn_layer l, int *y) {
  ES_CHECK(l.width >= 1 && l.width == floor(l.width), ES_ECONFIG,
           "%s: got the width %g, expected a whole number >= 1", l.prefix, l.width);
  char name[ES_NAME_MAX];
  snprintf(name, sizeof name, "%s.%d", l.prefix, l.index);
  return es_net_linear(net, x, name, (int) l.width, l.bias, y);
}

static es_status project(es_net *net, const es_projector_params *p, int x) {
  for (int i = 0; i < p->widths.n; i++) {
    const es_nn_layer l = {"projector", i, p->widths.v[i], p->bias};
    ES_TRY(es_nn_linear(net, x, l, &x));
    if (i == p->widths.n - 1) break;
    char name[ES_NAME_MAX];
    snprintf(name, sizeof name, "projector.%d.bn", i);
    if (p->batchnorm)
      ES_TRY(es_net_bn(net, x, name, -1, true, &x));
    else
      ES_TRY(es_net_relu(net, x, &x));
  }
  return ES_OK;
}

/** Set the scales of all weights; the last linear layer is the last matrix declared, its
 *  bias, if it has one, is the next tensor. */
static es_status set_init(es_params *p, const es_init_params *init) {
  es_tensor_info *last = NULL, *bias = NULL;
  for (int i = 0; i < p->n_tensors; i++) {
    es_tensor_info *const v = &p->tensor[i];
    if (v->ndim == 2) {
      const bool with_bias = i + 1 < p->n_tensors && v[1].init == ES_INIT_UNIFORM_FAN_IN;
      last = v;
      bias = with_bias && v[1].ndim == 1 ? &v[1] : NULL;
    }
    if (v->ndim >= 2) v->scale *= init->scale;
  }
  ES_CHECK(last != NULL || (init->scale_last == 1.0 && init->last == 0), ES_ECONFIG,
           "init.scale_last: got %g for a model without a linear layer, expected 1",
           init->scale_last);
  ES_CHECK(bias != NULL || init->bias_last == 1.0, ES_ECONFIG,
           "init.bias_last: got %g for a last layer without a bias, expected 1 or "
           "projector.bias = true",
           init->bias_last);
  if (bias != NULL) bias->scale *= init->bias_last;
  if (last == NULL) return ES_OK;
  last->scale *= init->scale_last;
  if (init->last == 1) last->init = ES_INIT_NORMAL_FAN_IN;
  return ES_OK;
}

static es_status assemble(es_net *net, const es_encoder_ops *ops, const es_model_desc *m,
                          int *features) {
  int x, h;
  ES_TRY(es_net_input(net, m->input, &x));
  ES_TRY(ops->build(net, m->encoder, x, &h));
  ES_TRY(project(net, m->projector, h));
  es_params *const params = es_net_params(net);
  const bool borrowed = params->value != NULL; /* another network's, with values */
  if (!borrowed) ES_TRY(set_init(params, m->init));
  ES_TRY(es_net_alloc(net));
  if (features != NULL) *features = h;
  return ES_OK;
}

es_status es_model_build(es_backend *b, const es_net_options *o, const es_model_desc *m,
                         es_net **net, int *features) {
  const es_encoder_ops *const *list;
  const size_t n = es_encoder_list(&list);
  const void *found;
  const char *const name = m->encoder->name;
  ES_TRY(es_registry_find("encoder", name, (const void *const *) list, n, &found));
  es_net *built;
  ES_TRY(es_net_create(b, o, &built));
  const es_status st = assemble(built, found, m, features);
  if (st != ES_OK) {
    es_net_destroy(&built);
    return st;
  }
  *net = built;
  return ES_OK;
}
