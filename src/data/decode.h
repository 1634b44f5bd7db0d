/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode.h  JPEG and PNG in memory -> RGB. Nothing is logged here: why a file
 *  cannot be read is a text, as the caller knows its name and whether that matters. */
#ifndef ES_DECODE_H
#define ES_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ES_DECODE_WHY = 256 };

typedef enum es_format { ES_UNKNOWN_FORMAT, ES_JPEG, ES_PNG } es_format;

/** What the first bytes say, whatever the file is called. */
es_format es_decode_format(const uint8_t *bytes, size_t n);

/** Size of an image from its header, the first bytes of a file.
 *  @return false: why[ES_DECODE_WHY] says so */
bool es_decode_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why);

/** Is the end of an image among the last bytes of a file? */
bool es_decode_ends(es_format f, const uint8_t *bytes, size_t n);
/** Does a whole file hold an image from its first part to its end? The parts are followed
 *  by their lengths: nothing is decoded. What comes after the end is not looked at. */
bool es_decode_is_whole(es_format f, const uint8_t *bytes, size_t n);

/** Decode into rgb [h, w, 3], h and w as the header said. Grey, palette, 16-bit and CMYK
 *  images are converted, transparent ones laid over black.
 *  @return false: why[ES_DECODE_WHY] says so */
bool es_decode(const uint8_t *bytes, size_t n, int h, int w, uint8_t *rgb, char *why);

/* One format each. */
bool es_decode_jpeg_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why);
bool es_decode_jpeg(const uint8_t *bytes, size_t n, int h, int w, uint8_t *rgb,
                    char *why);
bool es_decode_png_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why);
bool es_decode_png(const uint8_t *bytes, size_t n, int h, int w, uint8_t *rgb, char *why);

#endif
