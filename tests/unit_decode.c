/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_decode.c  Images row by row: PNG of every kind in the colours of libpng's
 *  simplified interface, which decodes whole images; large images in little memory. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <png.h>
#include <cmocka.h>

#include "data/decode.h"
#include "dataset_files.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"

enum { H = 23, W = 37, FILE_MAX = 1 << 17, CHANNELS = 4 };

static es_comm *self;

/** What a PNG may be like. */
typedef struct kind {
  int type, depth, interlace;
  double gamma; /* 0: not given */
  bool clear;   /* tRNS */
} kind;

/** Numbers of up to 16 bits, the same for the same place. */
static unsigned value(int y, int x, int c) {
  es_rng r = es_rng_at(5, ES_STREAM_TEST, (uint64_t) (y * W + x), (uint32_t) c);
  return (unsigned) es_rng_below(&r, 65536);
}

static int channels(int type) {
  return 1 + 2 * (type == PNG_COLOR_TYPE_RGB || type == PNG_COLOR_TYPE_RGB_ALPHA) +
         ((type & PNG_COLOR_MASK_ALPHA) != 0);
}

static void write_row(const kind *k, int y, uint8_t *row) {
  const int n = channels(k->type);
  memset(row, 0, 2 * CHANNELS * W);
  for (int x = 0; x < W; x++)
    for (int c = 0; c < n; c++) {
      const int at = x * n + c;
      const unsigned v = value(y, x, c);
      if (k->depth == 16) {
        row[2 * at] = (uint8_t) (v >> 8);
        row[2 * at + 1] = (uint8_t) v;
      } else if (k->depth == 8) {
        row[at] = k->type == PNG_COLOR_TYPE_PALETTE ? v % 7 : (uint8_t) v;
      } else { /* one bit */
        row[at / 8] |= (uint8_t) ((v & 1) << (7 - at % 8));
      }
    }
}

static void describe(png_structp png, png_infop info, const kind *k) {
  png_color palette[7];
  png_byte alpha[3] = {0, 100, 200};
  png_color_16 through = {1, 10, 20, 30, 1};
  for (int i = 0; i < 7; i++) palette[i] = (png_color){(png_byte) (30 * i), 99, 255};
  png_set_IHDR(png, info, W, H, k->depth, k->type, k->interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (k->gamma > 0) png_set_gAMA(png, info, k->gamma);
  if (k->type == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 7);
  if (k->clear && k->type == PNG_COLOR_TYPE_PALETTE)
    png_set_tRNS(png, info, alpha, 3, NULL);
  else if (k->clear)
    png_set_tRNS(png, info, NULL, 0, &through);
}

static size_t write_png(const kind *k, uint8_t *bytes) {
  FILE *const f = tmpfile();
  static uint8_t row[2 * CHANNELS * W];
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  assert_non_null(f);
  png_init_io(png, f);
  describe(png, info, k);
  png_write_info(png, info);
  for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
    for (int y = 0; y < H; y++) {
      write_row(k, y, row);
      png_write_row(png, row);
    }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  rewind(f);
  const size_t n = fread(bytes, 1, FILE_MAX, f);
  assert_true(n > 0 && n < FILE_MAX);
  fclose(f);
  return n;
}

static void keep_row(void *all, int y, const uint8_t *rgb) {
  memcpy((uint8_t *) all + 3 * W * y, rgb, 3 * W);
}

static void expect_same(const kind *k, const uint8_t *got, const uint8_t *want) {
  for (int i = 0; i < 3 * W * H; i++)
    if (got[i] != want[i])
      fail_msg("type %d, %d bits, interlace %d, gamma %g, tRNS %d: value %d of row %d is "
               "%d, expected %d",
               k->type, k->depth, k->interlace, k->gamma, k->clear, i % (3 * W),
               i / (3 * W), got[i], want[i]);
}

/** The simplified interface, but for interlaced images of 16 bits, which it decodes
 *  wrongly: these as what they are without interlacing. */
static void oracle(const kind *k, uint8_t *rgb) {
  static uint8_t bytes[FILE_MAX];
  kind plain = *k;
  if (k->depth == 16) plain.interlace = PNG_INTERLACE_NONE;
  const size_t n = write_png(&plain, bytes);
  const png_color black = {0, 0, 0};
  png_image image = {.version = PNG_IMAGE_VERSION};
  assert_true(png_image_begin_read_from_memory(&image, bytes, n));
  image.format = PNG_FORMAT_RGB;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  assert_true(png_image_finish_read(&image, &black, rgb, 0, NULL));
}

static void check_kind(const kind *k) {
  static uint8_t bytes[FILE_MAX], got[3 * W * H], want[3 * W * H];
  char why[ES_DECODE_WHY];
  es_picture p;
  const size_t n = write_png(k, bytes);
  assert_true(es_decode_header(bytes, n, &p, why));
  assert_true(p.h == H && p.w == W && p.whole == (k->interlace != 0));
  assert_int_equal(p.scratch, 3 * W * (p.whole ? H : 1));
  uint8_t *const scratch = malloc(p.scratch);
  assert_true(es_decode(bytes, n, &p, scratch, &(es_rows){keep_row, got}, why));
  oracle(k, want);
  expect_same(k, got, want);
  for (size_t cut = 9; cut < n; cut += 1 + n / 40) /* every part may be missing */
    if (!es_decode(bytes, cut, &p, scratch, &(es_rows){keep_row, got}, why))
      assert_true(strlen(why) > 0);
  free(scratch);
}

static void png_of_every_kind(void **state) {
  static const struct {
    int type, depth;
  } kinds[] = {{PNG_COLOR_TYPE_GRAY, 1},       {PNG_COLOR_TYPE_GRAY, 8},
               {PNG_COLOR_TYPE_GRAY, 16},      {PNG_COLOR_TYPE_PALETTE, 8},
               {PNG_COLOR_TYPE_GRAY_ALPHA, 8}, {PNG_COLOR_TYPE_GRAY_ALPHA, 16},
               {PNG_COLOR_TYPE_RGB, 8},        {PNG_COLOR_TYPE_RGB, 16},
               {PNG_COLOR_TYPE_RGB_ALPHA, 8},  {PNG_COLOR_TYPE_RGB_ALPHA, 16}};
  static const double gamma[] = {0, 1 / 2.2, 0.6, 1};
  (void) state;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (int interlace = 0; interlace < 2; interlace++)
      for (size_t g = 0; g < sizeof gamma / sizeof *gamma; g++)
        for (int clear = 0; clear < 2; clear++) {
          const kind k = {kinds[i].type, kinds[i].depth, interlace, gamma[g], clear != 0};
          if (!clear || (k.type & PNG_COLOR_MASK_ALPHA) == 0) check_kind(&k);
        }
}

/** A picture of h x w black and white pixels: white where y and x / 2 are odd. */
static void write_large(const char *folder, int h, int w) {
  char path[256];
  uint8_t *const row = malloc((size_t) w);
  snprintf(path, sizeof path, "%s/large.png", folder);
  FILE *const f = fopen(path, "wb");
  assert_non_null(f);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, f);
  png_set_compression_level(png, 1);
  png_set_IHDR(png, info, (png_uint_32) w, (png_uint_32) h, 1, PNG_COLOR_TYPE_GRAY,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < h; y++) {
    memset(row, y % 2 == 1 ? 0x33 : 0, (size_t) (w + 7) / 8);
    png_write_row(png, row);
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  fclose(f);
  free(row);
}

/** Scratch of a loader for a folder with one such picture; *ds is to be closed. */
static size_t scratch_of(const char *folder, int64_t size, int h, int w,
                         es_dataset **ds) {
  es_data_params p = files_params("imagefolder", folder);
  p.size = size;
  p.max_pixels = 268435456;
  write_large(folder, h, w);
  assert_int_equal(es_dataset_open(self, &p, NULL, 1, ds), ES_OK);
  return (*ds)->scratch;
}

/** 2^28 pixels in less than 64 MiB; above 2^24 an image becomes means. */
static void large_images_in_little_memory(void **state) {
  char folder[64];
  es_dataset *ds = NULL;
  void *scratch = NULL;
  es_sample s;
  (void) state;
  files_make(folder);
  assert_in_range(scratch_of(folder, 224, 16384, 16384, &ds), 1, 64 << 20);
  es_dataset_close(&ds);
  assert_in_range(scratch_of(folder, 0, 16384, 16384, &ds), 1, 64 << 20);
  assert_in_range(ds->largest.pixels, 1 << 23, 1 << 24);
  es_dataset_close(&ds);
  const size_t room = scratch_of(folder, 0, 4100, 4097, &ds);
  assert_true(ds->h == 2050 && ds->w == 2048);
  assert_int_equal(es_alloc(room, "scratch", &scratch), ES_OK);
  assert_int_equal(ds->ops->get(ds, 0, 0, scratch, &s), ES_OK);
  assert_true(s.h == 2050 && s.w == 2048);
  for (int i = 0; i < 3 * s.h * s.w; i++) /* half of the rows are white there */
    assert_int_equal(s.u8[i], i / 3 % s.w % 2 == 1 ? 128 : 0);
  es_free(&scratch);
  es_dataset_close(&ds);
  files_clear(folder);
}

/** A progressive JPEG of SIDE x SIDE grey pixels, whose header says side x side. */
enum { SIDE = 2048 };
static void write_progressive(const char *folder, int side) {
  static uint8_t px[3 * SIDE], comment[60000];
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  uint8_t *all = NULL;
  unsigned long n = 0;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &all, &n);
  info.image_width = info.image_height = SIDE;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  jpeg_write_marker(&info, JPEG_COM, comment, sizeof comment);
  for (JSAMPROW row = px; info.next_scanline < SIDE;)
    jpeg_write_scanlines(&info, &row, 1);
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  uint8_t *const sof = memmem(all, n, "\xFF\xC2\0", 3);
  assert_non_null(sof);
  sof[5] = sof[7] = (uint8_t) (side >> 8);
  sof[6] = sof[8] = (uint8_t) side;
  files_write(folder, "progressive.jpg", all, n);
  free(all);
}

static void measure_memory(void *most, int y, const uint8_t *rgb) {
  size_t *const bytes = most;
  (void) rgb;
  if (y == 0) *bytes = es_mem_rss_now();
}

/** Resident memory that the decoder adds, besides the scratch. */
static size_t memory_of(const char *folder, const es_picture *p) {
  char path[256], why[ES_DECODE_WHY];
  size_t most = 0;
  uint8_t *const bytes = malloc(FILE_MAX), *const scratch = calloc(p->scratch, 1);
  snprintf(path, sizeof path, "%s/progressive.jpg", folder);
  FILE *const f = fopen(path, "rb");
  assert_non_null(f);
  const size_t n = fread(bytes, 1, FILE_MAX, f);
  assert_true(n > 0 && n < FILE_MAX);
  fclose(f);
  const size_t before = es_mem_rss_now();
  assert_true(es_decode(bytes, n, p, scratch, &(es_rows){measure_memory, &most}, why));
  free(bytes);
  free(scratch);
  return most - before;
}

/** Coefficients are memory that libjpeg takes by what the header says: three halves of a
 *  number of two bytes for each pixel here. It is counted, and there is a most. */
static void coefficients_are_counted(void **state) {
  const size_t expected = 3 * (size_t) SIDE * SIDE;
  const es_picture picture = {SIDE, SIDE, true, 3 * SIDE, expected};
  char folder[64];
  es_dataset *ds = NULL;
  void *scratch = NULL;
  (void) state;
  files_make(folder);
  write_progressive(folder, SIDE);
  assert_in_range(memory_of(folder, &picture), expected / 10 * 9,
                  expected + (4 << 20)); /* libjpeg's rows */
  es_data_params p = files_params("imagefolder", folder);
  p.size = 32;
  p.max_pixels = 268435456;
  assert_int_equal(es_dataset_open(self, &p, NULL, 1, &ds), ES_OK);
  const size_t before = es_mem_now();
  assert_int_equal(es_dataset_room(ds, &scratch), ES_OK);
  assert_int_equal(es_mem_now() - before, ds->scratch + expected);
  es_dataset_room_free(ds, &scratch);
  assert_int_equal(es_mem_now(), before);
  ds->largest.library = (size_t) 1 << 60; /* more than any machine gives */
  assert_int_equal(es_dataset_room(ds, &scratch), ES_ENOMEM);
  es_dataset_close(&ds);
  write_progressive(folder, 8192);
  es_log_mute(false);
  assert_int_equal(es_dataset_open(self, &p, NULL, 1, &ds), ES_EFORMAT);
  assert_non_null(strstr(es_log_last_error(), "several scans"));
  es_log_mute(true);
  files_clear(folder);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(coefficients_are_counted),
      cmocka_unit_test(png_of_every_kind),
      cmocka_unit_test(large_images_in_little_memory),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_SELF, &self) != ES_OK) return 99;
  es_log_setup(0, ES_LOG_ERROR, false);
  es_log_mute(true);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&self);
  MPI_Finalize();
  return failed;
}
