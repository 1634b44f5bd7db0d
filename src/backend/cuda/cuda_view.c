/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_view.c  Views made on the device from records of the host: some pairs at a
 *  time, as many as fit in the scratch. */
#include "cuda_state.h"

enum {
  ROOM = 64 << 20, /* bytes of scratch for images in the making, unless one takes more */
  RECORDS = 64 << 20, /* and for the records of one launch */
  ALIGN = 256
};

static size_t aligned(size_t bytes) {
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/** Pairs [first, first + n), and what they take. */
typedef struct part {
  int first, n;
  int64_t from, bytes; /**< of their records */
  int64_t stride;      /**< floats of an image in the making */
} part;

/** Floats of an image in the making: [3, side, side] twice, or beside [3, h, side] with
 *  a window of h rows. */
static int64_t floats_of(int side, int h) {
  return 3 * (int64_t) side * (side + (h > side ? h : side));
}

/** Bytes of the images in the making. */
static int64_t room_of(int views, const part *p) {
  return views * p->n * p->stride * (int64_t) sizeof(float);
}

/** In the scratch, where they begin: recipes of all views at 0, records, images in the
 *  making. */
typedef struct places {
  size_t records, images, end;
} places;

static places places_of(int views, const part *p) {
  const size_t recipes = (size_t) views * (size_t) p->n * sizeof(es_view_recipe);
  const size_t records = aligned(recipes);
  const size_t images = records + aligned((size_t) p->bytes);
  return (places){records, images, images + (size_t) room_of(views, p)};
}

/** The next part, at least one pair. */
static part part_from(const es_views *v, int first) {
  part p = {.first = first, .from = v->recipe[0][first].record};
  for (int i = first; i < v->n; i++) {
    const es_view_recipe *r = &v->recipe[0][i];
    const int64_t bytes = r->record + es_view_record_bytes(r) - p.from;
    int64_t stride = p.stride;
    for (int k = 0; k < v->views; k++) {
      const int64_t floats = floats_of(v->side, v->recipe[k][i].window.h);
      stride = floats > stride ? floats : stride;
    }
    const part more = {first, p.n + 1, p.from, bytes, stride};
    if (p.n > 0 && (bytes > RECORDS || room_of(v->views, &more) > ROOM)) break;
    p = more;
  }
  return p;
}

static int64_t within(int64_t all, int64_t one, int64_t limit) {
  const int64_t most = one > limit ? one : limit;
  return all < most ? all : most;
}

/* Which pairs make a part is not known before: records and images are each as many as
 * can be. */
es_status es_cuda_views_reserve(es_backend *b, const es_views_most *most) {
  const int64_t stride = floats_of(most->side, most->h), record = most->record;
  const part one = {.n = 1, .stride = stride}, all = {.n = most->n, .stride = stride};
  const int64_t images =
      within(room_of(most->views, &all), room_of(most->views, &one), ROOM);
  const part largest = {.n = most->n, .bytes = within(most->n * record, record, RECORDS)};
  return es_cuda_reserve(b, places_of(most->views, &largest).end + (size_t) images);
}

static es_status make_part(es_backend *b, const es_views *v, const part *p, bool bf16,
                           es_act dst) {
  const size_t recipes = (size_t) p->n * sizeof(es_view_recipe);
  const int64_t image = 3 * (int64_t) v->side * v->side;
  const places to = places_of(v->views, p);
  ES_TRY(es_cuda_reserve(b, to.end));
  es_cuda *s = es_cuda_of(b);
  char *const at = s->scratch;
  for (int k = 0; k < v->views; k++)
    ES_TRY(es_cuda_send(b, at + (size_t) k * recipes, v->recipe[k] + p->first, recipes));
  ES_TRY(es_cuda_send(b, at + to.records, v->records + p->from, (size_t) p->bytes));
  const es_cuda_views a = {.n = p->n,
                           .views = v->views,
                           .side = v->side,
                           .apart = v->n,
                           .bf16 = bf16,
                           .first = p->from,
                           .stride = p->stride,
                           .recipe = s->scratch,
                           .records = (unsigned char *) at + to.records,
                           .room = (float *) (at + to.images),
                           .y = es_cuda_at(dst, bf16, p->first * image)};
  return es_cuda_ok(es_cuda_make_views(s->stream, &a), "views");
}

es_status es_cuda_views_of(es_backend *b, es_precision precision, const es_views *v,
                           es_act dst) {
  for (int first = 0; first < v->n;) {
    const part p = part_from(v, first);
    ES_TRY(make_part(b, v, &p, precision == ES_BF16, dst));
    first += p.n;
  }
  return ES_OK;
}
