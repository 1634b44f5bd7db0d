/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_product.c  c = x y' of matrices in bf16, for callers who bring their own:
 *  a primitive for each of the latest sizes. The library packs y on the way; at hundreds
 *  of rows that is a few percent (384 x 384 x 1152 on a core of a Zen 4: 213 GFLOP/s, if
 *  y was packed before 218; f32 by OpenBLAS 98). */
#include "onednn_state.h"
#include "prim.h"

void es_onednn_narrow_all(es_backend *b, size_t n, const es_buf from, void *to) {
  es_onednn_narrow(b->threads, true, (int64_t) n, from, to);
}

static bool equal(const es_product_args *a, const es_product_args *b) {
  return a->m == b->m && a->n == b->n && a->k == b->k;
}

/** The primitive of these sizes takes the place of the oldest. */
static es_status plan(es_onednn *s, const es_product_args *a, es_prim **out) {
  es_onednn_product *const p = &s->products.of[s->products.oldest];
  const es_prim_tensor x = {
      .n = 2, .dim = {a->m, a->k}, .stride = {a->k, 1}, .bf16 = true};
  const es_prim_tensor y = {
      .n = 2, .dim = {a->k, a->n}, .stride = {1, a->k}, .bf16 = true};
  const es_prim_tensor c = {.n = 2, .dim = {a->m, a->n}, .stride = {a->n, 1}};
  es_prim *made = NULL;
  ES_TRY(es_prim_matmul(s->engine, &x, &y, &c, false, &made));
  es_prim_destroy(&p->prim);
  *p = (es_onednn_product){*a, made};
  s->products.oldest = (s->products.oldest + 1) % ES_ONEDNN_PRODUCTS;
  *out = made;
  return ES_OK;
}

es_status es_onednn_multiply(es_backend *b, const es_product_args *a, const void *x,
                             const void *y, es_buf c) {
  es_onednn *const s = b->impl;
  es_prim *prim = NULL;
  for (int i = 0; i < ES_ONEDNN_PRODUCTS && prim == NULL; i++)
    if (s->products.of[i].prim != NULL && equal(&s->products.of[i].size, a))
      prim = s->products.of[i].prim;
  if (prim == NULL) {
    const es_status st = plan(s, a, &prim);
    ES_CHECK(st != ES_ENOTSUP, st,
             "oneDNN has no product in bf16 of [%lld, %lld] and [%lld, %lld] on this "
             "processor; expected products in f32",
             (long long) a->m, (long long) a->k, (long long) a->k, (long long) a->n);
    ES_TRY(st);
  }
  return es_prim_run(prim, x, y, c);
}

void es_onednn_products_free(es_onednn_products *p) {
  for (int i = 0; i < ES_ONEDNN_PRODUCTS; i++) es_prim_destroy(&p->of[i].prim);
}
