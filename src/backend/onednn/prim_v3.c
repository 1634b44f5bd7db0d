/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prim_v3.c  Descriptors by the C interface of oneDNN 3. */
#include "prim_private.h"

#include <string.h>

static dnnl_status_t describe(const es_prim_tensor *t, dnnl_memory_desc_t *md) {
  if (t->like != NULL)
    return dnnl_memory_desc_clone(md, dnnl_primitive_desc_query_md(t->like->pd,
                                                                   dnnl_query_exec_arg_md,
                                                                   t->like->id[t->arg]));
  dnnl_dims_t dim = {0}, stride = {0};
  const dnnl_data_type_t type = t->bf16 ? dnnl_bf16 : dnnl_f32;
  memcpy(dim, t->dim, (size_t) t->n * sizeof *dim);
  memcpy(stride, t->stride, (size_t) t->n * sizeof *stride);
  return t->free || t->block > 0
             ? dnnl_memory_desc_create_with_tag(md, t->n, dim, type, es_prim_packed(t))
             : dnnl_memory_desc_create_with_strides(md, t->n, dim, type, stride);
}

bool es_prim_takes(const es_prim *p, int arg, const es_prim_tensor *t) {
  dnnl_memory_desc_t md = NULL;
  if (describe(t, &md) != dnnl_success) return false;
  const bool same = dnnl_memory_desc_equal(
      md, dnnl_primitive_desc_query_md(p->pd, dnnl_query_exec_arg_md, p->id[arg]));
  dnnl_memory_desc_destroy(md);
  return same;
}

static void forget(dnnl_memory_desc_t *md, int n) {
  for (int i = 0; i < n; i++)
    if (md[i] != NULL) dnnl_memory_desc_destroy(md[i]);
}

static dnnl_status_t describe_three(const es_prim_tensor *a, const es_prim_tensor *b,
                                    const es_prim_tensor *c, dnnl_memory_desc_t md[3]) {
  dnnl_status_t st = describe(a, &md[0]);
  if (st == dnnl_success) st = describe(b, &md[1]);
  return st == dnnl_success ? describe(c, &md[2]) : st;
}

dnnl_status_t es_prim_attr_add(dnnl_primitive_attr_t *attr) {
  dnnl_post_ops_t ops = NULL;
  dnnl_status_t st = dnnl_primitive_attr_create(attr);
  if (st == dnnl_success) st = dnnl_post_ops_create(&ops);
  if (st == dnnl_success)
    st = dnnl_post_ops_append_sum(ops, 1.0f, 0, dnnl_data_type_undef);
  if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(*attr, ops);
  if (ops != NULL) dnnl_post_ops_destroy(ops);
  return st;
}

dnnl_status_t es_prim_pd_matmul(dnnl_engine_t e, const es_prim_tensor *a,
                                const es_prim_tensor *b, const es_prim_tensor *c,
                                const_dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *pd) {
  dnnl_memory_desc_t md[3] = {NULL};
  dnnl_status_t st = describe_three(a, b, c, md);
  if (st == dnnl_success)
    st = dnnl_matmul_primitive_desc_create(pd, e, md[0], md[1], NULL, md[2], attr);
  forget(md, 3);
  return st;
}

/** A pass of the convolution; hint: the forward pass for the others. */
static dnnl_status_t pass_of(dnnl_engine_t e, es_pass pass, dnnl_memory_desc_t md[3],
                             int stride, const int pad[4],
                             const_dnnl_primitive_desc_t hint,
                             dnnl_primitive_desc_t *pd) {
  const dnnl_dims_t s = {stride, stride}, lo = {pad[0], pad[1]}, hi = {pad[2], pad[3]};
  const dnnl_dims_t dense = {0, 0};
  const dnnl_alg_kind_t alg = dnnl_convolution_direct;
  switch (pass) {
  case ES_FORWARD:
    return dnnl_convolution_forward_primitive_desc_create(pd, e, dnnl_forward_training,
                                                          alg, md[0], md[1], NULL, md[2],
                                                          s, dense, lo, hi, NULL);
  case ES_DATA:
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, e, alg, md[0], md[1], md[2], s, dense, lo, hi, hint, NULL);
  default:
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, e, alg, md[0], md[1], NULL, md[2], s, dense, lo, hi, hint, NULL);
  }
}

dnnl_status_t es_prim_pd_conv(dnnl_engine_t e, const es_prim_conv_desc *c,
                              dnnl_primitive_desc_t *pd) {
  const es_pass pass = c->pass;
  const int stride = c->stride, *const pad = c->pad;
  dnnl_memory_desc_t md[4] = {NULL};
  es_prim_tensor hinted = c->w;
  hinted.bf16 = c->x.bf16;
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t st = describe_three(&c->x, &hinted, &c->y, md);
  if (st == dnnl_success && pass == ES_FORWARD)
    st = pass_of(e, ES_FORWARD, md, stride, pad, NULL, pd);
  if (st == dnnl_success && pass != ES_FORWARD) {
    st = pass_of(e, ES_FORWARD, md, stride, pad, NULL, &hint);
    if (st == dnnl_success) st = describe(&c->w, &md[3]);
    dnnl_memory_desc_t own[3] = {md[0], md[3], md[2]};
    if (st == dnnl_success) st = pass_of(e, pass, own, stride, pad, hint, pd);
  }
  if (hint != NULL) dnnl_primitive_desc_destroy(hint);
  forget(md, 4);
  return st;
}

dnnl_status_t es_prim_pd_reorder(dnnl_engine_t e, const es_prim_tensor *from,
                                 const es_prim_tensor *to,
                                 const_dnnl_primitive_attr_t attr,
                                 dnnl_primitive_desc_t *pd) {
  dnnl_memory_desc_t md[2] = {NULL};
  dnnl_status_t st = describe(from, &md[0]);
  if (st == dnnl_success) st = describe(to, &md[1]);
  if (st == dnnl_success)
    st = dnnl_reorder_primitive_desc_create(pd, md[0], e, md[1], e, attr);
  forget(md, 2);
  return st;
}
