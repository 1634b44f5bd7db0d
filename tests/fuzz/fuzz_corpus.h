/* SPDX-License-Identifier: BSD-3-Clause */
/** @file fuzz_corpus.h  Good files of each kind, made in memory, for fuzz_inputs.c. */
#ifndef ES_FUZZ_CORPUS_H
#define ES_FUZZ_CORPUS_H

#include <png.h>
#include <stdio.h>
#include <jpeglib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** Owned by who asked for it (free). */
typedef struct fuzz_bytes {
  uint8_t *bytes;
  size_t n;
} fuzz_bytes;

static inline void fuzz_copy(fuzz_bytes *to, const void *bytes, size_t n) {
  to->bytes = malloc(n + 1);
  memcpy(to->bytes, bytes, n);
  to->n = n;
}

static inline int fuzz_corpus_ini(fuzz_bytes *seed, int most) {
  static const char *const text[] = {
      "[data]\nname = cifar10 # a set\nlimit = 10\npath = ~/x\n\n[augment]\n"
      "list = crop, flip\n[augment.crop]\nsize = 20\nratio = 0.75, 1.33\n",
      "[data]\nshuffle = yes\nnoise = 1e-3\nunreadable = skip\n",
      "; nothing\n[view2.crop]\n"};
  (void) most;
  for (int i = 0; i < 3; i++) fuzz_copy(&seed[i], text[i], strlen(text[i]));
  return 3;
}

static inline int fuzz_corpus_safetensors(fuzz_bytes *seed, int most) {
  static const char head[] =
      "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],"
      "\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"BF16\",\"shape\":[4],"
      "\"data_offsets\":[24,32]}}";
  uint8_t all[8 + sizeof head - 1 + 32] = {sizeof head - 1};
  (void) most;
  memcpy(all + 8, head, sizeof head - 1);
  fuzz_copy(&seed[0], all, sizeof all);
  return 1;
}

static inline int fuzz_corpus_npy(fuzz_bytes *seed, int most) {
  static const char *const head[] = {
      "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }",
      "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 4), }",
      "{'descr': '|b1', 'fortran_order': False, 'shape': (96,), }"};
  (void) most;
  for (int i = 0; i < 3; i++) {
    uint8_t all[256] = "\x93NUMPY\x01";
    const size_t n = strlen(head[i]);
    all[8] = (uint8_t) n;
    memcpy(all + 10, head[i], n);
    fuzz_copy(&seed[i], all, 10 + n + 96);
  }
  return 3;
}

static inline int fuzz_corpus_cifar10(fuzz_bytes *seed, int most) {
  uint8_t all[2 * 3073] = {3};
  (void) most;
  fuzz_copy(&seed[0], all, sizeof all);
  return 1;
}

/** Two images with labels and names: see feed_stl10. */
static inline int fuzz_corpus_stl10(fuzz_bytes *seed, int most) {
  static const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nten\n";
  static uint8_t all[4 + sizeof names - 1 + 2 * 27648] = {2, sizeof names - 1, 1, 10};
  (void) most;
  memcpy(all + 4, names, sizeof names - 1);
  fuzz_copy(&seed[0], all, sizeof all);
  return 1;
}

/** A gradient of 20 x 16 pixels. */
static inline void fuzz_png(fuzz_bytes *to, png_uint_32 format) {
  uint8_t px[4 * 320], all[1 << 14];
  png_image image = {
      .version = PNG_IMAGE_VERSION, .width = 20, .height = 16, .format = format};
  png_alloc_size_t n = sizeof all;
  for (size_t i = 0; i < sizeof px; i++) px[i] = (uint8_t) (i / 7);
  if (!png_image_write_to_memory(&image, all, &n, 0, px, 0, NULL)) n = 0;
  fuzz_copy(to, all, n);
}

static inline void fuzz_jpeg(fuzz_bytes *to, boolean progressive) {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  uint8_t px[3 * 320], *all = NULL;
  unsigned long n = 0;
  for (size_t i = 0; i < sizeof px; i++) px[i] = (uint8_t) (i / 5);
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &all, &n);
  info.image_width = 20;
  info.image_height = 16;
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  if (progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < 16) {
    JSAMPROW row = px + (size_t) info.next_scanline * 60;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  fuzz_copy(to, all, n);
  free(all);
}

static inline int fuzz_corpus_image(fuzz_bytes *seed, int most) {
  (void) most;
  fuzz_png(&seed[0], PNG_FORMAT_RGB);
  fuzz_png(&seed[1], PNG_FORMAT_RGBA);
  fuzz_png(&seed[2], PNG_FORMAT_GRAY);
  fuzz_jpeg(&seed[3], FALSE);
  fuzz_jpeg(&seed[4], TRUE);
  return 5;
}

#endif
