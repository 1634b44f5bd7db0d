/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prim_private.h  What prim.c and prim_v*.c share: the makers of descriptors,
 *  whose calls differ between oneDNN 2 and 3. */
#ifndef ES_PRIM_PRIVATE_H
#define ES_PRIM_PRIVATE_H

#include <dnnl.h>
#include "prim.h"

struct es_prim_engine {
  bool alone;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
};

struct es_prim {
  es_prim_engine *engine; /* borrowed */
  dnnl_primitive_desc_t pd;
  dnnl_primitive_t prim;
  int id[3]; /**< oneDNN's number of arguments 0, 1, 2; 0 = none */
  dnnl_memory_t memory[3];
  dnnl_memory_t scratch; /**< of an engine that is `alone`; else the library has one */
  void *scratch_data;    /**< owned; NULL where it has no bytes */
};

dnnl_status_t es_prim_pd_matmul(dnnl_engine_t e, const es_prim_tensor *a,
                                const es_prim_tensor *b, const es_prim_tensor *c,
                                const_dnnl_primitive_attr_t attr,
                                dnnl_primitive_desc_t *pd);
dnnl_status_t es_prim_pd_conv(dnnl_engine_t e, const es_prim_conv_desc *c,
                              dnnl_primitive_desc_t *pd);
dnnl_status_t es_prim_pd_reorder(dnnl_engine_t e, const es_prim_tensor *from,
                                 const es_prim_tensor *to,
                                 const_dnnl_primitive_attr_t attr,
                                 dnnl_primitive_desc_t *pd);
/** The library's name for packed blocks of a width; `any` if it has none. */
static inline dnnl_format_tag_t es_prim_packed(const es_prim_tensor *t) {
  switch (t->block) {
  case 64:
    return t->bf16 ? dnnl_BA16a64b2a : dnnl_BA16a64b;
  case 48:
    return t->bf16 ? dnnl_BA16a48b2a : dnnl_BA16a48b;
  case 32:
    return t->bf16 ? dnnl_BA16a32b2a : dnnl_BA16a32b;
  case 16:
    return t->bf16 ? dnnl_BA16a16b2a : dnnl_BA16a16b;
  default:
    return dnnl_format_tag_any;
  }
}
/** Attributes of "add to the destination". */
dnnl_status_t es_prim_attr_add(dnnl_primitive_attr_t *attr);

#endif
