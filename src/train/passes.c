/* SPDX-License-Identifier: BSD-3-Clause */
/** @file passes.c  A batch through the network and back, whole or a few pairs at a time.
 *
 *  With `micro` the network's memory is that of `micro` pairs. Forward keeps only the
 *  embeddings; the loss is that of the whole batch; backward runs each part through the
 *  network once more before backward of its share of dL/dz (GradCache: Gao, Zhang, Han,
 *  Callan 2021). Accumulating the gradients of the parts' own losses would be wrong:
 *  these losses are not sums over pairs. */
#include "passes.h"

#include <string.h>
#include "eigenstep/mem.h"

/** Pairs [first, first + n) of this rank. */
typedef struct part {
  int first, n;
} part;

static size_t image_size(const es_passes *p) {
  const es_shape s = es_net_shape(p->o.net, 0);
  return (size_t) s.c * (size_t) s.h * (size_t) s.w;
}

es_status es_passes_create(const es_passes_options *o, es_passes *p) {
  const int views = o->views, room = 2 * o->micro / views;
  const bool cut = o->micro > 0 && room < o->n_max;
  const size_t most = (size_t) views * (size_t) (cut ? room : o->n_max);
  const size_t dim = (size_t) es_net_dim(o->net);
  es_status st;
  *p = (es_passes){.o = *o, .per_pass = o->micro > 0 ? room : 0};
  ES_TRY_GOTO(ES_NEW(most * dim, &p->z), fail);
  if (o->backward) ES_TRY_GOTO(ES_NEW(most * dim, &p->dz), fail);
  return ES_OK;
fail:
  es_passes_free(p);
  return st;
}

void es_passes_free(es_passes *p) {
  es_free(&p->images);
  es_free(&p->z);
  es_free(&p->dz);
}

/** Collective. Passes for the batch, the same number on all ranks, as batch norm sums
 *  over ranks in each. */
static int count_passes(const es_passes *p, int pairs) {
  if (p->per_pass == 0) return 1;
  int64_t passes = (pairs + p->per_pass - 1) / p->per_pass;
  es_comm_max_i64(p->o.layout.comm, &passes, 1);
  return passes > 0 ? (int) passes : 1;
}

static part part_of(int pairs, int pass, int passes) {
  const int first = (int) ((int64_t) pairs * pass / passes);
  return (part){first, (int) ((int64_t) pairs * (pass + 1) / passes) - first};
}

/** Images of a part, one view after the other. */
static es_status images_of(es_passes *p, const es_batch *b, part of, const float **x) {
  const size_t image = image_size(p), size = (size_t) of.n * image;
  *x = p->o.views == 1 ? b->x + (size_t) of.first * image : b->x;
  if (p->o.views == 1 || of.n == b->n) return ES_OK;
  if (p->images == NULL) ES_TRY(ES_NEW(2 * (size_t) p->per_pass * image, &p->images));
  for (int view = 0; view < 2; view++)
    memcpy(p->images + (size_t) view * size,
           b->x + (size_t) (view * b->n + of.first) * image, size * sizeof(float));
  *x = p->images;
  return ES_OK;
}

/** The same as records and recipes. */
static es_status forward_views(es_passes *p, const es_batch *b, part of,
                               es_bn_mode mode) {
  const es_views v = {.n = of.n,
                      .views = p->o.views,
                      .side = es_net_shape(p->o.net, 0).h,
                      .records = b->records,
                      .recipe = {b->recipe + of.first, b->recipe + b->n + of.first}};
  return es_net_forward_views(p->o.net, &v, p->o.groups, mode, p->z);
}

static es_status forward_here(es_passes *p, const es_batch *b, part of, es_bn_mode mode) {
  if (b->recipe != NULL) return forward_views(p, b, of, mode);
  const float *x = NULL;
  ES_TRY(images_of(p, b, of, &x));
  return es_net_forward(p->o.net, p->o.views * of.n, p->o.groups, mode, x, p->z);
}

/** Collective; where a rank fails alone, the others wait in batch norm's sums. */
static es_status forward(es_passes *p, const es_batch *b, part of, es_bn_mode mode) {
  return es_comm_abort_if_alone(p->o.layout.comm, forward_here(p, b, of, mode));
}

static size_t width_of(const es_passes *p, int value) {
  const es_shape s = es_net_shape(p->o.net, value < 0 ? 0 : value);
  if (value < 0) return (size_t) es_net_dim(p->o.net);
  return (size_t) s.c * (size_t) s.h * (size_t) s.w;
}

/** Collective. Rows of a value in the part that went through the network last, to their
 *  places among the rows from `own` on; `room` takes one pass of it, NULL: the output,
 *  which forward leaves in p->z. */
static es_status take(es_passes *p, const es_passes_value *v, part of, int own,
                      float *room) {
  const size_t dim = width_of(p, v->value), count = (size_t) of.n * dim;
  if (room != NULL)
    ES_TRY(es_comm_agree(p->o.layout.comm, es_net_read(p->o.net, v->value, room)));
  for (int i = 0; i < p->o.views; i++) {
    const float *const from = (room != NULL ? room : p->z) + (size_t) i * count;
    double *const to = v->view[i] + (size_t) (own + of.first) * dim;
    for (size_t k = 0; k < count; k++) to[k] = from[k];
  }
  return ES_OK;
}

/** Collective. All passes of a batch; room[n] as in take. */
static es_status run(es_passes *p, const es_batch *b, es_bn_mode mode,
                     const es_passes_value *v, int n, float *const *room) {
  const es_row_layout *const layout = &p->o.layout;
  const int passes = count_passes(p, b->n);
  const int own = es_row_layout_first(layout, b->n);
  for (int c = 0; c < passes; c++) {
    const part of = part_of(b->n, c, passes);
    ES_TRY(forward(p, b, of, mode));
    for (int i = 0; i < n; i++) ES_TRY(take(p, &v[i], of, own, room[i]));
  }
  for (int i = 0; i < n; i++)
    for (int k = 0; k < p->o.views; k++)
      ES_TRY(es_row_layout_gather(layout, b->n, width_of(p, v[i].value), v[i].view[k]));
  return ES_OK;
}

es_status es_passes_embed(es_passes *p, const es_batch *b, es_bn_mode mode,
                          double *const *view) {
  const es_passes_value embeddings = {-1, view};
  float *const none = NULL;
  return run(p, b, mode, &embeddings, 1, &none);
}

es_status es_passes_read(es_passes *p, const es_batch *b, es_bn_mode mode,
                         const es_passes_value *v, int n) {
  const int most = p->per_pass > 0 && p->per_pass < b->n ? p->per_pass : b->n;
  float **room = NULL;
  es_status st = ES_NEW(n, &room);
  for (int i = 0; i < n && st == ES_OK; i++)
    if (v[i].value >= 0)
      st =
          ES_NEW((size_t) p->o.views * (size_t) most * width_of(p, v[i].value), &room[i]);
  st = es_comm_agree(p->o.layout.comm, st);
  if (st == ES_OK) st = run(p, b, mode, v, n, room);
  for (int i = 0; room != NULL && i < n; i++) es_free(&room[i]);
  es_free(&room);
  return st;
}

es_status es_passes_backward(es_passes *p, const es_batch *b, const double *dz,
                             const es_net_listener *listener) {
  const es_row_layout *const layout = &p->o.layout;
  const int passes = count_passes(p, b->n);
  const size_t dim = (size_t) es_net_dim(p->o.net);
  const int own = es_row_layout_first(layout, b->n);
  const int rows = es_row_layout_rows(layout, b->n);
  for (int c = passes - 1; c >= 0; c--) {
    const part of = part_of(b->n, c, passes);
    /* the network still holds the last part; the others already went into the running
     * averages */
    if (c < passes - 1) ES_TRY(forward(p, b, of, ES_BN_BATCH));
    const size_t count = (size_t) of.n * dim;
    for (int view = 0; view < 2; view++) {
      const double *from = dz + (size_t) (view * rows + own + of.first) * dim;
      float *to = p->dz + (size_t) view * count;
      for (size_t i = 0; i < count; i++) to[i] = (float) from[i];
    }
    ES_TRY(es_comm_abort_if_alone(
        layout->comm, es_net_backward_notify(p->o.net, p->dz, c == 0 ? listener : NULL)));
  }
  return ES_OK;
}
