/* SPDX-License-Identifier: BSD-3-Clause */
/** @file passes.c  A batch through the network and back, whole or a few pairs at a time.
 *
 *  With `micro` the network's memory is that of `micro` pairs. Forward keeps the
 *  embeddings alone; the loss is that of the whole batch; backward runs each part through
 *  the network once more before its share of dL/dz goes back (GradCache: Gao, Zhang, Han,
 *  Callan 2021). Accumulating the gradients of the parts' own losses would be wrong:
 *  these losses are no sums over pairs. */
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/train.h"

/** Pairs [first, first + n) of this rank's. */
typedef struct part {
  int first, n;
} part;

/** Collective. Passes for the batch, the same number on all ranks: batch norm talks. */
static int count_passes(const es_train *t, int pairs) {
  if (t->micro == 0) return 1;
  int64_t passes = (pairs + t->micro - 1) / t->micro;
  es_comm_max_i64(t->comm, &passes, 1);
  return passes > 0 ? (int) passes : 1;
}

static part part_of(int pairs, int pass, int passes) {
  const int first = (int) ((int64_t) pairs * pass / passes);
  return (part){first, (int) ((int64_t) pairs * (pass + 1) / passes) - first};
}

/** Images of both views of a part, next to each other. */
static const float *images_of(const es_train *t, const es_batch *b, part p) {
  if (p.n == b->n) return b->x;
  const es_shape s = es_net_shape(t->net, 0);
  const size_t image = (size_t) s.c * (size_t) s.h * (size_t) s.w;
  const size_t size = (size_t) p.n * image;
  for (int view = 0; view < 2; view++)
    memcpy(t->x + (size_t) view * size, b->x + (size_t) (view * b->n + p.first) * image,
           size * sizeof(float));
  return t->x;
}

/** Collective; where a rank fails alone, the others are in batch norm's sums. */
static es_status forward(es_train *t, es_net *net, const es_batch *b, part p,
                         es_bn_mode mode) {
  const float *const x = images_of(t, b, p);
  return es_comm_abort_if_alone(t->comm,
                                es_net_forward(net, 2 * p.n, t->groups, mode, x, t->z));
}

/** Row of this rank's first pair in a view as the loss sees it, and rows of a view. */
static int rows_of(const es_train *t, int pairs, int *first) {
  *first = t->deterministic ? t->comm->rank * pairs : 0;
  return t->deterministic ? t->comm->size * pairs : pairs;
}

/** Collective. Fill in the other ranks' rows of both views. */
static es_status gather(const es_train *t, int pairs, size_t dim, double *z) {
  int first;
  const int rows = rows_of(t, pairs, &first);
  for (size_t view = 0; view < 2; view++) {
    double *const all = z + view * (size_t) rows * dim;
    ES_TRY(es_comm_allgather(t->comm, all + (size_t) first * dim, pairs,
                             dim * sizeof *all, all));
  }
  return ES_OK;
}

/** Collective. Rows of a value, through `pass`, which has room for a pass of it; value
 *  -1: the output, which forward leaves in `pass` = t->z. */
static es_status run(es_train *t, const es_batch *b, es_bn_mode mode, int value,
                     size_t dim, float *pass, int *n, double *z) {
  const int passes = count_passes(t, b->n);
  int first;
  const int rows = rows_of(t, b->n, &first);
  es_net *const net = mode == ES_BN_TRAIN ? t->net : t->eval_net;
  for (int c = 0; c < passes; c++) {
    const part p = part_of(b->n, c, passes);
    ES_TRY(forward(t, net, b, p, mode));
    if (value >= 0) ES_TRY(es_comm_agree(t->comm, es_net_read(net, value, pass)));
    const size_t count = (size_t) p.n * dim;
    for (int view = 0; view < 2; view++) {
      const float *from = pass + (size_t) view * count;
      double *to = z + (size_t) (view * rows + first + p.first) * dim;
      for (size_t i = 0; i < count; i++) to[i] = from[i];
    }
  }
  if (t->deterministic) ES_TRY(gather(t, b->n, dim, z));
  *n = rows;
  return ES_OK;
}

es_status es_train_embed(es_train *t, const es_batch *b, es_bn_mode mode, int *n,
                         double *z) {
  return run(t, b, mode, -1, (size_t) es_net_dim(t->net), t->z, n, z);
}

es_status es_train_features(es_train *t, const es_batch *b, es_bn_mode mode, int value,
                            int *n, double *z) {
  const es_shape s = es_net_shape(t->net, value);
  const size_t dim = (size_t) s.c * (size_t) s.h * (size_t) s.w;
  float *pass = NULL;
  es_status st = es_comm_agree(t->comm, ES_NEW(2 * (size_t) b->n * dim, &pass));
  if (st == ES_OK) st = run(t, b, mode, value, dim, pass, n, z);
  es_free(&pass);
  return st;
}

es_status es_train_backward(es_train *t, const es_batch *b, const double *dz,
                            const es_net_listener *to) {
  const int passes = count_passes(t, b->n);
  const size_t dim = (size_t) es_net_dim(t->net);
  int first;
  const int rows = rows_of(t, b->n, &first);
  for (int c = passes - 1; c >= 0; c--) {
    const part p = part_of(b->n, c, passes);
    /* the network still holds the last part; running averages have seen the others */
    if (c < passes - 1) ES_TRY(forward(t, t->net, b, p, ES_BN_BATCH));
    const size_t count = (size_t) p.n * dim;
    for (int view = 0; view < 2; view++) {
      const double *from = dz + (size_t) (view * rows + first + p.first) * dim;
      float *part_dz = t->dz + (size_t) view * count;
      for (size_t i = 0; i < count; i++) part_dz[i] = (float) from[i];
    }
    ES_TRY(es_comm_abort_if_alone(
        t->comm, es_net_backward_tell(t->net, t->dz, c == 0 ? to : NULL)));
  }
  return ES_OK;
}
