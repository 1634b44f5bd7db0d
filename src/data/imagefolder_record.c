/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder_record.c  Rows of an image file -> record, as they come. */
#include "imagefolder_record.h"

#include <stdio.h>
#include <string.h>

#include "resample.h"

static int least(int a, int b) {
  return a < b ? a : b;
}

/** Side of the squares that are averaged. */
static int reduction(const es_picture *p) {
  int k = 1;
  while ((int64_t) (p->h / k) * (p->w / k) > ES_RECORD_PIXELS) k++;
  return k;
}

void es_record_shape(int size, const es_picture *p, int *h, int *w) {
  const int k = reduction(p);
  *h = size > 0 ? size : p->h / k;
  *w = size > 0 ? size : p->w / k;
}

static size_t round_up(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

static void grow(size_t *room, size_t bytes) {
  if (bytes > *room) *room = bytes;
}

/** Floats of a square of side m that becomes one of side n. */
static size_t square_floats(int side, int size) {
  const size_t m = (size_t) side, n = (size_t) size;
  return 3 * ES_RESAMPLE_LANES * m + 3 * m * n + n * n + es_resample_work(side, size) +
         ES_RESAMPLE_LANES * (m + n);
}

void es_record_plan_add(es_record_plan *plan, const es_image_file *x) {
  const es_picture *const p = &x->picture;
  int h, w;
  es_record_shape(plan->size, p, &h, &w);
  grow(&plan->rgb, round_up(3 * (size_t) h * (size_t) w));
  if (plan->size > 0)
    grow(&plan->work,
         round_up(sizeof(float) * square_floats(least(p->h, p->w), plan->size)));
  else
    grow(&plan->work, round_up(3 * (size_t) w * sizeof(uint32_t)));
  grow(&plan->row, round_up(p->scratch));
  grow(&plan->file, (size_t) x->bytes);
  grow(&plan->library, p->library);
}

size_t es_record_plan_bytes(const es_record_plan *plan) {
  return plan->rgb + plan->work + plan->row + plan->file;
}

/** An image as it is, or the means of squares. */
typedef struct means {
  int k, h, w;   /* of the record */
  uint32_t *sum; /* [3 w] of the rows of a square so far */
  uint8_t *rgb;  /* [h, w, 3] */
} means;

static void add_to_means(void *ctx, int y, const uint8_t *rgb) {
  means *const m = ctx;
  const size_t line = 3 * (size_t) m->w;
  const uint32_t area = (uint32_t) (m->k * m->k);
  if (y / m->k >= m->h) return;
  uint8_t *const to = m->rgb + (size_t) (y / m->k) * line;
  if (m->k == 1) {
    memcpy(to, rgb, line);
    return;
  }
  if (y % m->k == 0) memset(m->sum, 0, line * sizeof *m->sum);
  for (int x = 0; x < m->w * m->k; x++)
    for (int c = 0; c < 3; c++) m->sum[3 * (x / m->k) + c] += rgb[3 * x + c];
  for (size_t i = 0; i < line && y % m->k == m->k - 1; i++)
    to[i] = (uint8_t) ((m->sum[i] + area / 2) / area);
}

/** The central square. Rows are resized in strips, columns when the last row is there. */
typedef struct square {
  int y, x, m, n; /* its corner, its side, that of the record */
  es_resample r;
  float *strip;   /* [3, lanes, m] */
  float *between; /* [3, m, n] */
  float *out;     /* [n, n] */
  float *work;
} square;

static square square_begin(const es_picture *p, int size, float *work) {
  const size_t m = (size_t) least(p->h, p->w), n = (size_t) size;
  square s = {.m = (int) m, .n = size, .strip = work};
  s.y = (p->h - s.m) / 2;
  s.x = (p->w - s.m) / 2;
  s.between = s.strip + 3 * ES_RESAMPLE_LANES * m;
  s.out = s.between + 3 * m * n;
  float *const plan = s.out + n * n;
  s.r = es_resample_plan(ES_BILINEAR, s.m, size, plan);
  s.work = plan + es_resample_work(s.m, size);
  return s;
}

static void add_to_square(void *ctx, int y, const uint8_t *rgb) {
  square *const s = ctx;
  const int at = y - s->y, lane = at % ES_RESAMPLE_LANES;
  const size_t m = (size_t) s->m, n = (size_t) s->n, plane = ES_RESAMPLE_LANES * m;
  const es_window strip = {.h = lane + 1, .w = s->m, .stride = s->m};
  if (at < 0 || at >= s->m) return;
  for (size_t c = 0; c < 3; c++) {
    float *const to = s->strip + c * plane + (size_t) lane * m;
    for (size_t x = 0; x < m; x++) to[x] = rgb[3 * ((size_t) s->x + x) + c];
  }
  if (lane < ES_RESAMPLE_LANES - 1 && at < s->m - 1) return;
  for (size_t c = 0; c < 3; c++)
    es_resample_along(&s->r, s->strip + c * plane, strip, s->work,
                      s->between + c * m * n + (size_t) (at - lane) * n);
}

static void square_end(const square *s, uint8_t *rgb) {
  const size_t n = (size_t) s->n;
  for (size_t c = 0; c < 3; c++) {
    es_resample_across(&s->r, s->between + c * (size_t) s->m * n, s->n, s->out);
    for (size_t k = 0; k < n * n; k++) rgb[3 * k + c] = (uint8_t) (s->out[k] + 0.5f);
  }
}

/** bytes: the file, n of them. */
static bool decode(const es_record_plan *plan, const es_image_file *x, uint8_t *scratch,
                   const uint8_t *bytes, size_t n, char *why) {
  const es_picture *const p = &x->picture;
  uint8_t *const row = scratch + plan->rgb + plan->work;
  void *const work = scratch + plan->rgb;
  if (plan->size > 0) {
    square s = square_begin(p, plan->size, work);
    if (!es_decode(bytes, n, p, row, &(es_rows){add_to_square, &s}, why)) return false;
    square_end(&s, scratch);
    return true;
  }
  means m = {.k = reduction(p), .sum = work, .rgb = scratch};
  es_record_shape(0, p, &m.h, &m.w);
  return es_decode(bytes, n, p, row, &(es_rows){add_to_means, &m}, why);
}

bool es_record_read(const es_record_plan *plan, const es_image_file *x, const char *path,
                    uint8_t *scratch, char *why) {
  uint8_t *const bytes = scratch + plan->rgb + plan->work + plan->row;
  size_t n = 0;
  int64_t size = 0;
  const char *closed = es_data_file_part(path, 0, bytes, plan->file, &n, &size);
  if (closed == NULL && size == x->bytes && n == (size_t) size)
    return decode(plan, x, scratch, bytes, n, why);
  snprintf(why, ES_DECODE_WHY, "%s%s",
           closed != NULL ? "it cannot be opened any more: " : "the file has changed",
           closed != NULL ? closed : "");
  return false;
}
