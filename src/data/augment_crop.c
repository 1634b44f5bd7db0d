/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_crop.c  Random resized crop, and the random crop of fixed size.
 *
 *  mode = resized: torchvision's RandomResizedCrop. Up to 10 times: area = A U(scale),
 *  ratio = exp U(log ratio), w = round(sqrt(area ratio)), h = round(sqrt(area / ratio)),
 *  taken if it fits, at a uniform place; else the largest central crop with a ratio in
 *  bounds. Then resized to size x size with antialiasing, as Pillow does it: clamped to
 *  [0, 255] after each direction.
 *  mode = fixed: a size x size window at a uniform place, not resized. */
#include <math.h>
#include <string.h>

#include "clamp.h"
#include "crop.h"
#include "data_private.h"

enum { RESIZED, FIXED, TRIES = 10 };

typedef es_crop crop;

static const es_param table[] = {
    ES_CHOICE(crop, mode, "resized", "resized|fixed",
              "resized: of random area and ratio, then resized; fixed: a random window"),
    ES_INT(crop, size, "0", 0, ES_IMAGE_SIDE_MAX, "pixels",
           "side of the view; 0 = the side of the data set's images"),
    ES_DOUBLE(crop, scale_min, "0.08", 1e-6, 1, "1", "smallest area, of the image's"),
    ES_DOUBLE(crop, scale_max, "1", 1e-6, 1, "1", "largest area, of the image's"),
    ES_LIST(crop, ratio, "0.75, 1.3333333333333333", 1e-2, 1e2, "1",
            "smallest and largest width / height"),
    ES_CHOICE(crop, interpolation, "bicubic", "bilinear|bicubic",
              "filter of the resizing, with antialiasing"),
    ES_PARAM_END};

static es_status prepare(void *par, const char *section, int *h, int *w) {
  crop *c = par;
  ES_CHECK(c->size > 0 || (*h > 0 && *h == *w), ES_ECONFIG,
           "%s.size: got 0 with images of %s, expected the side of a view in pixels; or "
           "set data.size, which makes squares of the images of a folder",
           section, *h > 0 ? "unequal sides" : "different sizes");
  if (c->size == 0) c->size = *h;
  ES_CHECK(c->scale_min <= c->scale_max, ES_ECONFIG,
           "%s.scale_min: got %g, expected at most scale_max = %g", section, c->scale_min,
           c->scale_max);
  ES_CHECK(c->ratio.n == 2 && c->ratio.v[0] <= c->ratio.v[1], ES_ECONFIG,
           "%s.ratio: got %d numbers%s, expected the smaller and the larger bound",
           section, c->ratio.n, c->ratio.n == 2 ? ", the larger first" : "");
  const bool fits = *h == 0 || (c->size <= *h && c->size <= *w);
  ES_CHECK(c->mode == RESIZED || fits, ES_ECONFIG,
           "%s.size: got %lld with mode = fixed, expected at most the images' %d x %d",
           section, (long long) c->size, *h, *w);
  *h = *w = (int) c->size;
  return ES_OK;
}

/** The largest central square, resized. */
static void whole(void *par) {
  crop *c = par;
  c->mode = RESIZED;
  c->scale_min = c->scale_max = 1;
  c->ratio = (es_list){.n = 2, .v = {1, 1}};
}

/** The largest central window with a ratio within bounds; of a pixel at least. */
static es_window central(const crop *c, int h, int w) {
  const double ratio = (double) w / h;
  es_window win = {.h = h, .w = w, .stride = w};
  if (ratio < c->ratio.v[0]) win.h = (int) nearbyint(w / c->ratio.v[0]);
  if (ratio > c->ratio.v[1]) win.w = (int) nearbyint(h * c->ratio.v[1]);
  if (win.h < 1) win.h = 1;
  if (win.w < 1) win.w = 1;
  win.y = (h - win.h) / 2;
  win.x = (w - win.w) / 2;
  return win;
}

es_window es_crop_draw(const es_crop *c, es_rng *r, int h, int w) {
  const double area = (double) h * w;
  const double low = log(c->ratio.v[0]), high = log(c->ratio.v[1]);
  for (int i = 0; i < TRIES; i++) {
    const double target = area * es_rng_range(r, c->scale_min, c->scale_max);
    const double ratio = exp(es_rng_range(r, low, high));
    es_window win = {.stride = w};
    win.w = (int) nearbyint(sqrt(target * ratio));
    win.h = (int) nearbyint(sqrt(target / ratio));
    if (win.w < 1 || win.h < 1 || win.w > w || win.h > h) continue;
    win.y = (int) es_rng_below(r, (uint64_t) (h - win.h + 1));
    win.x = (int) es_rng_below(r, (uint64_t) (w - win.w + 1));
    return win;
  }
  return central(c, h, w);
}

/** A window of the view's size; in an image that is smaller, the largest that fits. */
static es_window draw_fixed(int size, es_rng *r, int h, int w) {
  es_window win = {.h = size < h ? size : h, .w = size < w ? size : w, .stride = w};
  win.y = (int) es_rng_below(r, (uint64_t) (h - win.h + 1));
  win.x = (int) es_rng_below(r, (uint64_t) (w - win.w + 1));
  return win;
}

static void copy_window(es_image *img, es_window win) {
  const size_t in = (size_t) img->h * (size_t) img->w, line = (size_t) win.w;
  float *to = img->tmp;
  for (size_t plane = 0; plane < 3; plane++)
    for (int y = 0; y < win.h; y++, to += line)
      memcpy(to,
             img->px + plane * in + (size_t) (win.y + y) * (size_t) win.stride + win.x,
             line * sizeof *to);
  float *old = img->px;
  img->px = img->tmp;
  img->tmp = old;
  img->h = win.h;
  img->w = win.w;
}

static void clamp(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = es_clamp_f32(x[i], 0, 255);
}

void es_crop_resize(es_image *img, es_window win, es_filter f, int size) {
  const size_t in = (size_t) img->h * (size_t) img->w,
               out = (size_t) size * (size_t) size;
  const es_resample rows = es_resample_plan(f, win.h, size, img->work);
  float *work = img->work + es_resample_work(win.h, size);
  const es_resample columns = es_resample_plan(f, win.w, size, work);
  work += es_resample_work(win.w, size);
  const size_t between = (size_t) win.h * (size_t) size;
  for (size_t plane = 0; plane < 3; plane++) {
    float *to = img->tmp + plane * between;
    es_resample_along(&columns, img->px + plane * in, win, work, to);
    clamp(to, between); /* the cubic overshoots; as Pillow, in each direction */
  }
  for (size_t plane = 0; plane < 3; plane++) {
    float *to = img->px + plane * out;
    es_resample_across(&rows, img->tmp + plane * between, size, to);
    clamp(to, out);
  }
  img->h = img->w = size;
}

/** Areas and ratios nearer to the whole image's; a fixed window has no measure. */
static void weaken(void *par, double strength) {
  crop *c = par;
  if (c->mode == FIXED) return;
  c->scale_min = 1 - (1 - c->scale_min) * strength;
  c->scale_max = 1 - (1 - c->scale_max) * strength;
  for (int i = 0; i < c->ratio.n; i++) c->ratio.v[i] = pow(c->ratio.v[i], strength);
}

static es_window draw_window(const crop *c, es_rng *r, int h, int w) {
  return c->mode == FIXED ? draw_fixed((int) c->size, r, h, w) : es_crop_draw(c, r, h, w);
}

static void apply(const void *par, es_rng *r, es_image *img) {
  const crop *c = par;
  const int size = (int) c->size;
  const es_window win = draw_window(c, r, img->h, img->w);
  if (win.h == size && win.w == size)
    copy_window(img, win);
  else
    es_crop_resize(img, win, c->interpolation == 1 ? ES_BICUBIC : ES_BILINEAR, size);
}

static void plan(const void *par, es_rng *r, es_view_recipe *v) {
  const crop *c = par;
  const es_window win = draw_window(c, r, v->h, v->w);
  v->window = (es_view_window){.y = win.y, .x = win.x, .h = win.h, .w = win.w};
  v->bicubic = c->interpolation == 1;
}

static void draw(const void *par, es_rng *r, int h, int w, es_drawn *d) {
  const es_window win = draw_window(par, r, h, w);
  d->x = (win.x + 0.5 * win.w) / w;
  d->y = (win.y + 0.5 * win.h) / h;
  d->area = (double) win.h * win.w / ((double) h * w);
}

const es_augment_ops es_augment_crop = {
    .name = "crop",
    .doc = "random part of the image, resized (or of fixed size)",
    .params = table,
    .size = sizeof(crop),
    .takes_window = true,
    .prepare = prepare,
    .whole = whole,
    .weaken = weaken,
    .plan = plan,
    .draw = draw,
    .apply = apply};
