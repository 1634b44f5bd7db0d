/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prim_v2.c  Descriptors by the C interface of oneDNN 2 (2.6 or later). */
#include "prim_private.h"

#include <string.h>

static dnnl_status_t describe(const es_prim_tensor *t, dnnl_memory_desc_t *md) {
  if (t->like != NULL) {
    *md = *dnnl_primitive_desc_query_md(t->like->pd, dnnl_query_exec_arg_md,
                                        t->like->id[t->arg]);
    return dnnl_success;
  }
  dnnl_dims_t dim = {0}, stride = {0};
  const dnnl_data_type_t type = t->bf16 ? dnnl_bf16 : dnnl_f32;
  memcpy(dim, t->dim, (size_t) t->n * sizeof *dim);
  memcpy(stride, t->stride, (size_t) t->n * sizeof *stride);
  return t->free || t->block > 0
             ? dnnl_memory_desc_init_by_tag(md, t->n, dim, type, es_prim_packed(t))
             : dnnl_memory_desc_init_by_strides(md, t->n, dim, type, stride);
}

bool es_prim_takes(const es_prim *p, int arg, const es_prim_tensor *t) {
  dnnl_memory_desc_t md;
  return describe(t, &md) == dnnl_success &&
         dnnl_memory_desc_equal(&md, dnnl_primitive_desc_query_md(
                                         p->pd, dnnl_query_exec_arg_md, p->id[arg]));
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
  if (st == dnnl_success) st = dnnl_post_ops_append_sum(ops, 1.0f);
  if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(*attr, ops);
  if (ops != NULL) dnnl_post_ops_destroy(ops);
  return st;
}

dnnl_status_t es_prim_pd_matmul(dnnl_engine_t e, const es_prim_tensor *a,
                                const es_prim_tensor *b, const es_prim_tensor *c,
                                const_dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *pd) {
  dnnl_memory_desc_t md[3];
  dnnl_matmul_desc_t d;
  dnnl_status_t st = describe_three(a, b, c, md);
  if (st == dnnl_success) st = dnnl_matmul_desc_init(&d, &md[0], &md[1], NULL, &md[2]);
  return st == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, e, NULL) : st;
}

/** The forward pass; for the others a hint, in whose type the weights are x's. */
static dnnl_status_t forward(dnnl_engine_t e, const dnnl_memory_desc_t md[3],
                             const dnnl_dims_t s, const dnnl_dims_t lo,
                             const dnnl_dims_t hi, dnnl_primitive_desc_t *pd) {
  dnnl_convolution_desc_t d;
  const dnnl_status_t st = dnnl_convolution_forward_desc_init(
      &d, dnnl_forward_training, dnnl_convolution_direct, &md[0], &md[1], NULL, &md[2], s,
      lo, hi);
  return st == dnnl_success ? dnnl_primitive_desc_create(pd, &d, NULL, e, NULL) : st;
}

dnnl_status_t es_prim_pd_conv(dnnl_engine_t e, const es_prim_conv_desc *c,
                              dnnl_primitive_desc_t *pd) {
  const es_pass pass = c->pass;
  const int stride = c->stride, *const pad = c->pad;
  dnnl_memory_desc_t md[3];
  es_prim_tensor hinted = c->w;
  hinted.bf16 = c->x.bf16;
  const dnnl_dims_t s = {stride, stride}, lo = {pad[0], pad[1]}, hi = {pad[2], pad[3]};
  dnnl_primitive_desc_t hint = NULL;
  dnnl_status_t st = describe_three(&c->x, &hinted, &c->y, md);
  if (st == dnnl_success) st = forward(e, md, s, lo, hi, pass == ES_FORWARD ? pd : &hint);
  if (st != dnnl_success || pass == ES_FORWARD) return st;
  const dnnl_alg_kind_t alg = dnnl_convolution_direct;
  dnnl_convolution_desc_t d;
  st = describe(&c->w, &md[1]);
  if (st == dnnl_success)
    st = pass == ES_DATA
             ? dnnl_convolution_backward_data_desc_init(&d, alg, &md[0], &md[1], &md[2],
                                                        s, lo, hi)
             : dnnl_convolution_backward_weights_desc_init(&d, alg, &md[0], &md[1], NULL,
                                                           &md[2], s, lo, hi);
  if (st == dnnl_success) st = dnnl_primitive_desc_create(pd, &d, NULL, e, hint);
  dnnl_primitive_desc_destroy(hint);
  return st;
}

dnnl_status_t es_prim_pd_reorder(dnnl_engine_t e, const es_prim_tensor *from,
                                 const es_prim_tensor *to,
                                 const_dnnl_primitive_attr_t attr,
                                 dnnl_primitive_desc_t *pd) {
  dnnl_memory_desc_t a, b;
  dnnl_status_t st = describe(from, &a);
  if (st == dnnl_success) st = describe(to, &b);
  return st == dnnl_success ? dnnl_reorder_primitive_desc_create(pd, &a, e, &b, e, attr)
                            : st;
}
