/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode_png.c  PNG through libpng's simplified interface, which does all colour
 *  conversions; and the choice of the format. */
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

bool es_decode_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why) {
  const es_format f = es_decode_format(bytes, n);
  if (f == ES_JPEG) return es_decode_jpeg_header(bytes, n, h, w, why);
  if (f == ES_PNG) return es_decode_png_header(bytes, n, h, w, why);
  return refuse(n, why);
}

bool es_decode(const uint8_t *bytes, size_t n, int h, int w, uint8_t *rgb, char *why) {
  const es_format f = es_decode_format(bytes, n);
  if (f == ES_JPEG) return es_decode_jpeg(bytes, n, h, w, rgb, why);
  if (f == ES_PNG) return es_decode_png(bytes, n, h, w, rgb, why);
  return refuse(n, why);
}

static bool fail(png_image *image, char *why) {
  snprintf(why, ES_DECODE_WHY, "libpng: %s", image->message);
  png_image_free(image);
  return false;
}

bool es_decode_png_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_memory(&image, bytes, n)) return fail(&image, why);
  *h = (int) image.height;
  *w = (int) image.width;
  png_image_free(&image);
  return true;
}

bool es_decode_png(const uint8_t *bytes, size_t n, int h, int w, uint8_t *rgb,
                   char *why) {
  const png_color black = {0, 0, 0};
  png_image image = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_memory(&image, bytes, n)) return fail(&image, why);
  if (image.height != (png_uint_32) h || image.width != (png_uint_32) w) {
    png_image_free(&image);
    snprintf(why, ES_DECODE_WHY, "the file has changed");
    return false;
  }
  image.format = PNG_FORMAT_RGB;
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB; /* as most writers mean it */
  if (!png_image_finish_read(&image, &black, rgb, 0, NULL)) return fail(&image, why);
  return true;
}
