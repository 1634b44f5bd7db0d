/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode.h  JPEG and PNG in memory -> rows of RGB, from the first on: an image
 *  takes the memory of a row, whatever its header says. Nothing is logged here: why a
 *  file cannot be read is a text, as the caller knows its name and whether that matters.
 */
#ifndef ES_DECODE_H
#define ES_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ES_DECODE_WHY = 256 };

typedef enum es_format { ES_UNKNOWN_FORMAT, ES_JPEG, ES_PNG } es_format;

/** What the first bytes say, whatever the file is called. */
es_format es_decode_format(const uint8_t *bytes, size_t n);

/** What the header of an image says. */
typedef struct es_picture {
  int h, w;
  /** No row is known before all of the file is read: a progressive JPEG, whose
   *  coefficients libjpeg keeps (2 to 6 bytes a pixel), or an interlaced PNG. */
  bool whole;
  size_t scratch; /**< bytes that es_decode needs: a row, or all of an interlaced PNG */
  size_t library; /**< bytes that libjpeg keeps meanwhile: coefficients, or 0 */
} es_picture;

/** From the first bytes of a file. @return false: why[ES_DECODE_WHY] says so */
bool es_decode_header(const uint8_t *bytes, size_t n, es_picture *p, char *why);

/** Is the end of an image among the last bytes of a file? */
bool es_decode_ends(es_format f, const uint8_t *bytes, size_t n);
/** Does a whole file hold an image from its first part to its end? The parts are followed
 *  by their lengths: nothing is decoded. What comes after the end is not looked at. */
bool es_decode_is_whole(es_format f, const uint8_t *bytes, size_t n);

/** Who takes the rows. */
typedef struct es_rows {
  void (*row)(void *ctx, int y, const uint8_t *rgb); /**< y = 0, 1, ...; rgb [w, 3] */
  void *ctx;
} es_rows;

/** Decode a file of n bytes, whose header said p, row by row. Grey, palette, 16-bit and
 *  CMYK images are converted, transparent ones laid over black.
 *  @param scratch  p->scratch bytes
 *  @return false: why[ES_DECODE_WHY] says so; some rows may have been taken */
bool es_decode(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
               const es_rows *to, char *why);

/* One format each. */
bool es_decode_jpeg_header(const uint8_t *bytes, size_t n, es_picture *p, char *why);
bool es_decode_jpeg(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
                    const es_rows *to, char *why);
bool es_decode_png_header(const uint8_t *bytes, size_t n, es_picture *p, char *why);
bool es_decode_png(const uint8_t *bytes, size_t n, const es_picture *p, uint8_t *scratch,
                   const es_rows *to, char *why);

#endif
