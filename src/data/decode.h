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

/** Size of an image from its header; its end marker must be there too, which finds most
 *  truncated files without decoding them. @return false: why[ES_DECODE_WHY] says so */
bool es_decode_header(const uint8_t *bytes, size_t n, int *h, int *w, char *why);

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
