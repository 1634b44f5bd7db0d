/* SPDX-License-Identifier: BSD-3-Clause */
/** @file emit_views.c  Single steps of views at given parameters, for
 *  views_torchvision.py to compare: no test by itself.
 *
 *    emit_views H W STEP [VALUE ...]    < image u8 [H, W, 3]   > f32 [3, h, w]
 *      resize FILTER Y X H W SIZE       FILTER: bilinear, bicubic
 *      brightness|contrast|saturation|hue VALUE
 *      flip|gray|solarize|blur [KEY=VALUE ...]
 *    emit_views H W windows N SCALE_MIN SCALE_MAX   > i32 [N, 4]: y, x, h, w */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/color.h"
#include "data/crop.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

enum { PARAMS_MAX = 4096 };

static bool is_name(const char *text, const char *name) {
  return strcmp(text, name) == 0;
}

static es_status load(int h, int w, int side, es_image *img) {
  const size_t pixels = (size_t) h * (size_t) w, square = (size_t) side * (size_t) side;
  const size_t room = 3 * (pixels > square ? pixels : square);
  uint8_t *u8 = NULL;
  *img = (es_image){.h = h, .w = w};
  ES_TRY(ES_NEW(room, &img->px));
  ES_TRY(ES_NEW(room, &img->tmp));
  ES_TRY(ES_NEW(ES_IMAGE_WORK * (h + w + 2 * side), &img->work));
  ES_TRY(ES_NEW(3 * pixels, &u8));
  const bool whole = fread(u8, 3, pixels, stdin) == pixels;
  for (size_t i = 0; i < 3 * pixels; i++) img->px[i % 3 * pixels + i / 3] = u8[i];
  es_free(&u8);
  ES_CHECK(whole, ES_EIO, "got an incomplete image on stdin");
  return ES_OK;
}

/** A step of augment_list.h, always taken. */
static es_status apply_step(const char *name, int n, char *const *setting,
                            es_image *img) {
  const es_augment_ops *const *list;
  const void *found;
  es_config *cfg;
  char section[64], text[128];
  _Alignas(max_align_t) char par[PARAMS_MAX];
  const size_t count = es_augment_list(&list);
  ES_TRY(es_registry_find("step", name, (const void *const *) list, count, &found));
  const es_augment_ops *ops = found;
  ES_TRY(es_config_create(&cfg));
  snprintf(section, sizeof section, "augment.%s", name);
  snprintf(text, sizeof text, "%s.p=1", section);
  es_status st = es_config_set(cfg, text);
  for (int i = 0; i < n && st == ES_OK; i++) {
    snprintf(text, sizeof text, "%s.%s", section, setting[i]);
    st = es_config_set(cfg, text);
  }
  if (st == ES_OK) st = es_config_get(cfg, section, ops->params, NULL, ops->size, par);
  es_config_destroy(&cfg);
  ES_TRY(st);
  es_rng r = es_rng_at(1, ES_STREAM_TEST, 0, 0);
  ops->apply(par, &r, img);
  return ES_OK;
}

static es_status change(int n, char *const *arg, es_image *img) {
  static const char *const colour[] = {"brightness", "contrast", "saturation", "hue"};
  if (n == 7 && is_name(arg[0], "resize")) {
    const es_window win = {atoi(arg[2]), atoi(arg[3]), atoi(arg[4]), atoi(arg[5]),
                           img->w};
    const es_filter f = is_name(arg[1], "bicubic") ? ES_BICUBIC : ES_BILINEAR;
    es_crop_resize(img, win, f, atoi(arg[6]));
    return ES_OK;
  }
  for (int k = 0; n == 2 && k < 4; k++)
    if (is_name(arg[0], colour[k])) {
      const es_color c = {(es_color_kind) k, strtof(arg[1], NULL)};
      es_color_change(img, &c, 1);
      return ES_OK;
    }
  return apply_step(arg[0], n - 1, arg + 1, img);
}

static void windows(int h, int w, char *const *arg) {
  const es_crop c = {.scale_min = atof(arg[2]),
                     .scale_max = atof(arg[3]),
                     .ratio = {.n = 2, .v = {3.0 / 4, 4.0 / 3}}};
  for (int i = 0; i < atoi(arg[1]); i++) {
    es_rng r = es_rng_at(1, ES_STREAM_TEST, (uint64_t) i, 0);
    const es_window win = es_crop_draw(&c, &r, h, w);
    const int32_t row[4] = {win.y, win.x, win.h, win.w};
    fwrite(row, sizeof row, 1, stdout);
  }
}

static es_status emit(int h, int w, int n, char *const *arg) {
  es_image img;
  es_status st = load(h, w, is_name(arg[0], "resize") && n == 7 ? atoi(arg[6]) : 1, &img);
  if (st == ES_OK) st = change(n, arg, &img);
  if (st == ES_OK) fwrite(img.px, 3 * sizeof(float), (size_t) (img.h * img.w), stdout);
  es_free(&img.px);
  es_free(&img.tmp);
  es_free(&img.work);
  return st;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const int h = atoi(argv[1]), w = atoi(argv[2]);
  if (h < 1 || w < 1) return 2;
  if (argc == 7 && is_name(argv[3], "windows")) {
    windows(h, w, argv + 3);
    return 0;
  }
  return emit(h, w, argc - 3, argv + 3) == ES_OK ? 0 : 1;
}
