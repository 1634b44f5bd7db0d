/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_imagefolder.c  Folders of JPEG and PNG: classes, flat, broken ones. */
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jpeglib.h>
#include <png.h>
#include <cmocka.h>

#include "dataset_files.h"

enum { H = 24, W = 32, BYTES_MAX = 65536 };

static es_comm *self;

/** Smooth, so that JPEG keeps it within a few grey levels. */
static uint8_t color(int c, int y, int x) {
  return (uint8_t) (40 + c * 30 + 3 * y + 2 * x);
}

static void fill(uint8_t *px, int channels) {
  for (int k = 0; k < H * W; k++)
    for (int c = 0; c < channels; c++)
      px[channels * k + c] = c == 3 ? 255 : color(c, k / W, k % W);
}

static void path_in(char path[256], const char *folder, const char *name) {
  snprintf(path, 256, "%s/%s", folder, name);
}

static void write_png(const char *folder, const char *name, png_uint_32 format) {
  uint8_t px[4 * H * W];
  char path[256];
  png_image image = {
      .version = PNG_IMAGE_VERSION, .width = W, .height = H, .format = format};
  fill(px, (int) PNG_IMAGE_PIXEL_CHANNELS(format));
  path_in(path, folder, name);
  assert_true(png_image_write_to_file(&image, path, 0, px, 0, NULL));
}

static void write_jpeg(const char *folder, const char *name, J_COLOR_SPACE space,
                       int channels) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  uint8_t px[4 * H * W];
  char path[256];
  fill(px, channels);
  if (space == JCS_CMYK) /* inverted, as Adobe's: ink c = colour c, no black */
    for (int k = 0; k < H * W; k++) px[4 * k + 3] = 255;
  path_in(path, folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, f);
  info.image_width = W;
  info.image_height = H;
  info.input_components = channels;
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 98, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < H) {
    JSAMPROW row = px + (size_t) info.next_scanline * (size_t) channels * W;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fclose(f);
}

static void make_folder(const char *folder, const char *name, char path[256]) {
  path_in(path, folder, name);
  assert_int_equal(mkdir(path, 0755), 0);
}

static es_status open_set(const es_data_params *p, es_dataset **ds) {
  return es_dataset_open(self, p, NULL, 1, ds);
}

static void assert_colors(const es_dataset *ds, int64_t i, int label, int tolerance) {
  void *scratch;
  es_sample s;
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  assert_int_equal(ds->ops->get(ds, i, 0, scratch, &s), ES_OK);
  assert_int_equal(s.label, label);
  assert_int_equal(s.h, H);
  assert_int_equal(s.w, W);
  for (int k = 0; k < 3 * H * W; k++)
    assert_in_range(s.u8[k] + tolerance - color(k % 3, k / 3 / W, k / 3 % W), 0,
                    2 * tolerance);
  es_free(&scratch);
}

static void classes_in_order_of_their_names(void **state) {
  char folder[64], cat[256], dog[256];
  es_dataset *ds;
  (void) state;
  files_make(folder);
  make_folder(folder, "dog", dog);
  make_folder(folder, "cat", cat);
  write_png(dog, "b.png", PNG_FORMAT_RGB);
  write_jpeg(dog, "a.JPG", JCS_RGB, 3);
  write_png(cat, "c.png", PNG_FORMAT_RGBA);
  files_write(cat, "notes.txt", "no image", 8);
  const es_data_params p = files_params("imagefolder", folder);
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(ds->size, 3);
  assert_int_equal(ds->labels, 2);
  assert_int_equal(ds->h, H);
  assert_int_equal(ds->w, W);
  assert_colors(ds, 0, 0, 0);
  assert_colors(ds, 1, 1, 4);
  assert_colors(ds, 2, 1, 0);
  assert_string_equal(ds->ops->class_name(ds, 0), "cat");
  assert_string_equal(ds->ops->class_name(ds, 1), "dog");
  es_dataset_close(&ds);
  files_clear(folder);
}

static uint64_t checksum(const char *folder) {
  const es_data_params p = files_params("imagefolder", folder);
  es_dataset *ds;
  assert_int_equal(open_set(&p, &ds), ES_OK);
  const uint64_t sum = ds->checksum;
  es_dataset_close(&ds);
  return sum;
}

static void checksum_is_of_images_and_labels(void **state) {
  char folder[64], cat[256], dog[256], from[300], to[300], moved[80];
  (void) state;
  files_make(folder);
  make_folder(folder, "cat", cat);
  make_folder(folder, "dog", dog);
  write_png(cat, "a.png", PNG_FORMAT_RGB);
  write_png(dog, "b.png", PNG_FORMAT_RGB);
  write_png(dog, "c.png", PNG_FORMAT_RGB);
  const uint64_t sum = checksum(folder);
  assert_true(checksum(folder) == sum);
  snprintf(moved, sizeof moved, "%s-moved", folder);
  assert_int_equal(rename(folder, moved), 0);
  assert_true(checksum(moved) == sum);
  /* the same files in the same order, one of them in the other class */
  snprintf(from, sizeof from, "%s/dog/b.png", moved);
  snprintf(to, sizeof to, "%s/cat/b.png", moved);
  assert_int_equal(rename(from, to), 0);
  assert_true(checksum(moved) != sum);
  assert_int_equal(rename(to, from), 0);
  assert_true(checksum(moved) == sum);
  files_write(moved, "dog/notes.txt", "no image", 8);
  assert_true(checksum(moved) == sum);
  snprintf(dog, sizeof dog, "%s/dog", moved);
  write_png(dog, "b.png", PNG_FORMAT_RGBA);
  assert_true(checksum(moved) != sum);
  files_clear(moved);
}

static void flat_folder_has_no_labels(void **state) {
  char folder[64], train[256];
  es_dataset *ds;
  (void) state;
  files_make(folder);
  make_folder(folder, "train", train);
  write_png(train, "1.png", PNG_FORMAT_RGB);
  write_jpeg(train, "2.jpeg", JCS_RGB, 3);
  es_data_params p = files_params("imagefolder", folder);
  strcpy(p.split, "train");
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(ds->size, 2);
  assert_int_equal(ds->labels, 0);
  assert_colors(ds, 0, -1, 0);
  assert_colors(ds, 1, -1, 4);
  es_dataset_close(&ds);
  strcpy(p.split, "test");
  assert_int_equal(open_set(&p, &ds), ES_EIO);
  assert_non_null(strstr(es_log_last_error(), "/test"));
  files_clear(folder);
}

static void other_colors_become_rgb(void **state) {
  char folder[64];
  es_dataset *ds;
  es_sample s;
  void *scratch;
  (void) state;
  files_make(folder);
  write_jpeg(folder, "1.jpg", JCS_CMYK, 4);
  write_png(folder, "2.png", PNG_FORMAT_GRAY);
  write_jpeg(folder, "3.jpg", JCS_GRAYSCALE, 1);
  const es_data_params p = files_params("imagefolder", folder);
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_colors(ds, 0, -1, 4);
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  for (int64_t i = 1; i < 3; i++) {
    assert_int_equal(ds->ops->get(ds, i, 0, scratch, &s), ES_OK);
    for (int k = 0; k < H * W; k++) {
      assert_in_range(s.u8[3 * k] + 3 - color(0, k / W, k % W), 0, 6);
      assert_int_equal(s.u8[3 * k], s.u8[3 * k + 1]);
      assert_int_equal(s.u8[3 * k], s.u8[3 * k + 2]);
    }
  }
  es_free(&scratch);
  es_dataset_close(&ds);
  files_clear(folder);
}

static void resized_to_the_central_square(int size) {
  char folder[64];
  es_dataset *ds;
  es_sample s;
  void *scratch;
  files_make(folder);
  write_png(folder, "1.png", PNG_FORMAT_RGB);
  es_data_params p = files_params("imagefolder", folder);
  p.size = size;
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(ds->h, size);
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  assert_int_equal(ds->ops->get(ds, 0, 0, scratch, &s), ES_OK);
  assert_int_equal(s.w, size);
  for (int y = size / 4; y < 3 * size / 4; y++) /* a linear ramp stays one, inside */
    for (int x = size / 4; x < 3 * size / 4; x++) {
      const double v = (y + 0.5) * H / size - 0.5;
      const double u = (x + 0.5) * H / size - 0.5 + (W - H) / 2.0;
      const double expected = 40 + 3 * v + 2 * u;
      assert_true(s.u8[3 * (y * size + x)] > expected - 1.2);
      assert_true(s.u8[3 * (y * size + x)] < expected + 1.2);
    }
  es_free(&scratch);
  es_dataset_close(&ds);
  files_clear(folder);
}

static void resizing_down_and_up(void **state) {
  (void) state;
  resized_to_the_central_square(12);
  resized_to_the_central_square(60);
}

/** Copy a file without its last `cut` bytes, or with `damage` zeros in its middle. */
static void copy_damaged(const char *folder, const char *from, const char *to, size_t cut,
                         size_t damage) {
  static uint8_t bytes[BYTES_MAX];
  char path[256];
  path_in(path, folder, from);
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  const size_t n = fread(bytes, 1, sizeof bytes, f);
  fclose(f);
  assert_true(n > 2 * (cut + damage));
  memset(bytes + n / 2, 0, damage);
  files_write(folder, to, bytes, n - cut);
}

static void refused_or_skipped(const char *folder, const char *bad, int64_t left) {
  es_data_params p = files_params("imagefolder", folder);
  es_dataset *ds = NULL;
  assert_int_equal(open_set(&p, &ds), ES_EFORMAT);
  assert_null(ds);
  assert_non_null(strstr(es_log_last_error(), bad));
  p.unreadable = 1;
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(ds->size, left);
  es_dataset_close(&ds);
}

static void broken_headers_and_ends(void **state) {
  char folder[64], path[256];
  (void) state;
  files_make(folder);
  write_jpeg(folder, "good.jpg", JCS_RGB, 3);
  write_png(folder, "good.png", PNG_FORMAT_RGB);
  copy_damaged(folder, "good.jpg", "a_cut.jpg", 100, 0);
  refused_or_skipped(folder, "a_cut.jpg", 2);
  path_in(path, folder, "a_cut.jpg");
  assert_int_equal(unlink(path), 0);
  copy_damaged(folder, "good.png", "b_cut.png", 20, 0);
  refused_or_skipped(folder, "b_cut.png", 2);
  files_write(folder, "a_text.jpg", "not an image", 12);
  refused_or_skipped(folder, "a_text.jpg", 2);
  files_write(folder, "a_text.jpg", "", 0);
  refused_or_skipped(folder, "empty file", 2);
  files_clear(folder);
}

static void pixels_that_cannot_be_decoded(void **state) {
  char folder[64];
  es_dataset *ds;
  es_sample s;
  void *scratch;
  (void) state;
  files_make(folder);
  write_png(folder, "good.png", PNG_FORMAT_RGB);
  copy_damaged(folder, "good.png", "a_broken.png", 0, 40);
  es_data_params p = files_params("imagefolder", folder);
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  assert_int_equal(ds->ops->get(ds, 0, 0, scratch, &s), ES_EFORMAT);
  assert_non_null(strstr(es_log_last_error(), "a_broken.png"));
  es_free(&scratch);
  es_dataset_close(&ds);
  p.unreadable = 1;
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(ds->size, 2);
  assert_colors(ds, 0, -1, 0); /* the next one took its place */
  assert_non_null(strstr(es_log_last_error(), "a_broken.png"));
  es_dataset_close(&ds);
  files_clear(folder);
}

/** A JPEG that ends properly, but too early. */
static void short_jpeg_is_an_error(void **state) {
  char folder[64];
  uint8_t end[2] = {0xFF, 0xD9};
  es_dataset *ds;
  es_sample s;
  void *scratch;
  (void) state;
  files_make(folder);
  write_jpeg(folder, "whole.jpg", JCS_RGB, 3);
  copy_damaged(folder, "whole.jpg", "short.jpg", 150, 0);
  char path[256];
  path_in(path, folder, "short.jpg");
  FILE *f = fopen(path, "ab");
  assert_non_null(f);
  assert_int_equal(fwrite(end, 1, 2, f), 2);
  fclose(f);
  const es_data_params p = files_params("imagefolder", folder);
  assert_int_equal(open_set(&p, &ds), ES_OK);
  assert_int_equal(es_alloc(ds->scratch, "scratch", &scratch), ES_OK);
  assert_int_equal(ds->ops->get(ds, 0, 0, scratch, &s), ES_EFORMAT);
  assert_non_null(strstr(es_log_last_error(), "short.jpg"));
  assert_int_equal(ds->ops->get(ds, 1, 0, scratch, &s), ES_OK);
  es_free(&scratch);
  es_dataset_close(&ds);
  files_clear(folder);
}

static void empty_folder_is_refused(void **state) {
  char folder[64];
  es_dataset *ds = NULL;
  (void) state;
  files_make(folder);
  es_data_params p = files_params("imagefolder", folder);
  assert_int_equal(open_set(&p, &ds), ES_EFORMAT);
  assert_non_null(strstr(es_log_last_error(), folder));
  files_clear(folder);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(classes_in_order_of_their_names),
      cmocka_unit_test(checksum_is_of_images_and_labels),
      cmocka_unit_test(flat_folder_has_no_labels),
      cmocka_unit_test(other_colors_become_rgb),
      cmocka_unit_test(resizing_down_and_up),
      cmocka_unit_test(broken_headers_and_ends),
      cmocka_unit_test(pixels_that_cannot_be_decoded),
      cmocka_unit_test(short_jpeg_is_an_error),
      cmocka_unit_test(empty_folder_is_refused),
  };
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_SELF, &self) != ES_OK) return 99;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&self);
  failed += es_mem_now() != 0; /* all was freed */
  MPI_Finalize();
  return failed;
}
