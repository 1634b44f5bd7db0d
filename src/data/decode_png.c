/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode_png.c  PNG through libpng, row by row, in the colours of its simplified
 *  interface; and the choice of the format. */
#include <png.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"

es_format es_decode_format(const uint8_t *bytes, size_t n) {
  static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (n >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) return ES_JPEG;
  if (n >= sizeof png && memcmp(bytes, png, sizeof png) == 0) return ES_PNG;
  return ES_UNKNOWN_FORMAT;
}

static bool refuse(size_t n, char *why) {
  snprintf(why, ES_DECODE_WHY, "got %s, expected a JPEG or PNG image",
           n == 0 ? "an empty file" : "unknown first bytes");
  return false;
}

bool es_decode_header(const uint8_t *bytes, size_t n, es_picture *p, char *why) {
  const es_format f = es_decode_format(bytes, n);
  if (f == ES_JPEG) return es_decode_jpeg_header(bytes, n, p, why);
  if (f == ES_PNG) return es_decode_png_header(bytes, n, p, why);
  return refuse(n, why);
}

bool es_decode(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
               const es_rows *to, char *why) {
  const es_format f = es_decode_format(bytes, n);
  if (f == ES_JPEG) return es_decode_jpeg(bytes, n, p, scratch, to, why);
  if (f == ES_PNG) return es_decode_png(bytes, n, p, scratch, to, why);
  return refuse(n, why);
}

/** What libpng calls instead of stderr, and where it reads. */
typedef struct source {
  const uint8_t *bytes;
  size_t left;
  char *why;
} source;

static void stop(png_structp png, png_const_charp text) {
  source *const s = png_get_error_ptr(png);
  snprintf(s->why, ES_DECODE_WHY, "libpng: %.200s", text);
  png_longjmp(png, 1);
}

static void hear(png_structp png, png_const_charp text) {
  (void) png;
  (void) text;
}

static void take(png_structp png, png_bytep to, size_t n) {
  source *const s = png_get_io_ptr(png);
  if (n > s->left) png_error(png, "read beyond end of data");
  memcpy(to, s->bytes, n);
  s->bytes += n;
  s->left -= n;
}

/** Of the chunks beside the image, only those that say what its numbers mean. */
static void skip_chunks(png_structp png) {
  static const png_byte used[] = "bKGD\0cHRM\0gAMA\0iCCP\0sBIT\0sRGB";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, used, 6);
}

/** 8-bit sRGB over black, as png_image_finish_read of libpng's simplified interface
 *  makes it, which needs room for the whole image. 16 bits are sRGB, as most writers mean
 *  it. */
static void convert_to_rgb(png_structp png, png_infop info) {
  const int type = png_get_color_type(png, info);
  const bool clear =
      (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  const png_color_16 black = {0};
  png_set_expand(png);
  if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png);
  png_set_alpha_mode_fixed(png, PNG_ALPHA_PNG, PNG_DEFAULT_sRGB);
  if (png_get_bit_depth(png, info) == 16) png_set_scale_16(png);
  if (clear) png_set_background_fixed(png, &black, PNG_BACKGROUND_GAMMA_SCREEN, 0, 0);
  png_set_alpha_mode_fixed(png, PNG_ALPHA_PNG, PNG_DEFAULT_sRGB);
}

static bool interlaced(png_structp png, png_infop info) {
  return png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
}

static void read_header(png_structp png, png_infop info, source *s) {
  png_set_read_fn(png, s, take);
  png_set_benign_errors(png, 1);
  skip_chunks(png);
  png_read_info(png, info);
}

/** Each pass fills in some pixels; after the last one all are there. */
static void read_rows(png_structp png, int passes, const es_picture *p, uint8_t *scratch,
                      const es_rows *to) {
  const size_t line = 3 * (size_t) p->w, stride = passes > 1 ? line : 0;
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < p->h; y++) {
      uint8_t *const row = scratch + (size_t) y * stride;
      png_read_row(png, row, NULL);
      if (pass == passes - 1) to->row(to->ctx, y, row);
    }
}

bool es_decode_png_header(const uint8_t *bytes, size_t n, es_picture *p, char *why) {
  source s = {bytes, n, why};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, stop, hear);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (info == NULL || setjmp(png_jmpbuf(png)) != 0) {
    if (info == NULL) snprintf(why, ES_DECODE_WHY, "libpng: out of memory");
    png_destroy_read_struct(&png, &info, NULL);
    return false;
  }
  read_header(png, info, &s);
  *p = (es_picture){.h = (int) png_get_image_height(png, info),
                    .w = (int) png_get_image_width(png, info),
                    .whole = interlaced(png, info)};
  p->scratch = 3 * (size_t) p->w * (p->whole ? (size_t) p->h : 1);
  png_destroy_read_struct(&png, &info, NULL);
  return true;
}

bool es_decode_png(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
                   const es_rows *to, char *why) {
  source s = {bytes, n, why};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, stop, hear);
  png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
  if (info == NULL || setjmp(png_jmpbuf(png)) != 0) {
    if (info == NULL) snprintf(why, ES_DECODE_WHY, "libpng: out of memory");
    png_destroy_read_struct(&png, &info, NULL);
    return false;
  }
  read_header(png, info, &s);
  const bool same = png_get_image_height(png, info) == (png_uint_32) p->h &&
                    png_get_image_width(png, info) == (png_uint_32) p->w &&
                    interlaced(png, info) == p->whole;
  if (same) {
    convert_to_rgb(png, info);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    read_rows(png, passes, p, scratch, to);
  } else {
    snprintf(why, ES_DECODE_WHY, "the file has changed");
  }
  png_destroy_read_struct(&png, &info, NULL);
  return same;
}
