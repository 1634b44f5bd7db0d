/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prim.h  The few things we ask of oneDNN: matrix products, convolutions and
 *  changes of layout, each made once for its sizes and run many times.
 *
 *  Everything about oneDNN's C interface is behind this header: prim.c, and prim_v2.c or
 *  prim_v3.c for what differs between its major versions. */
#ifndef ES_PRIM_H
#define ES_PRIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/choices.h"
#include "eigenstep/status.h"

typedef struct es_prim_engine es_prim_engine;
typedef struct es_prim es_prim;

/** A tensor as a primitive takes it. */
typedef struct es_prim_tensor {
  int n; /**< dimensions, 2 or 4 */
  int64_t dim[4],
      stride[4];       /**< strides in elements; unused if another layout is said below */
  bool bf16;           /**< else f32 */
  int block;           /**< if not 0: in packed blocks of so many columns (packed.h) */
  bool free;           /**< the layout is the primitive's choice ("packed") */
  const es_prim *like; /**< the layout of argument `arg` of that primitive */
  int arg;
} es_prim_tensor;

/** @param alone  its primitives, made while OpenMP has one thread, are run by one thread
 *                while others run theirs */
es_status es_prim_engine_create(bool alone, es_prim_engine **e);
void es_prim_engine_destroy(es_prim_engine **e);
/** Library and instruction set in use: "oneDNN 2.6.3 avx512_core_bf16". */
void es_prim_engine_name(char *text, size_t size);
/** Can this processor and library compute in bf16? */
bool es_prim_engine_bf16(void);

/* All makers return ES_ENOTSUP, without a message, where the library has no
 * implementation on this processor: there is always another algorithm. */

/** C [m, n] = A [m, k] B [k, n], added to C if asked. Arguments 0, 1, 2 = A, B, C. */
es_status es_prim_matmul(es_prim_engine *e, const es_prim_tensor *a,
                         const es_prim_tensor *b, const es_prim_tensor *c, bool add,
                         es_prim **p);
/** A pass of y = conv2d(x, w): tensors as [N, C, H, W] and [O, I, k, k]. */
typedef struct es_prim_conv_desc {
  es_pass pass;
  es_prim_tensor x, w, y;
  int stride;
  int pad[4]; /**< top, left, bottom, right; bottom and right may be negative */
} es_prim_conv_desc;
/** Arguments 0, 1, 2: forward x, w, y; data dy, w, dx; weights x, dy, dw. */
es_status es_prim_conv(es_prim_engine *e, const es_prim_conv_desc *d, es_prim **p);
/** to = from in another layout or type, added if asked. Arguments 0 and 2. */
es_status es_prim_reorder(es_prim_engine *e, const es_prim_tensor *from,
                          const es_prim_tensor *to, bool add, es_prim **p);
/** A primitive of an engine that is `alone` once more, for another thread. */
es_status es_prim_again(const es_prim *p, es_prim **other);
void es_prim_destroy(es_prim **p);

/** Does argument `arg` have just this type, sizes and layout? */
bool es_prim_takes(const es_prim *p, int arg, const es_prim_tensor *t);
/** Bytes of argument 0, 1 or 2. */
size_t es_prim_bytes(const es_prim *p, int arg);
/** Execute and wait. `b` is NULL for a reorder. @return ES_EINTERNAL if oneDNN fails */
es_status es_prim_run(es_prim *p, const void *a, const void *b, void *c);

#endif
