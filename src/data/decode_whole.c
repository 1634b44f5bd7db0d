/* SPDX-License-Identifier: BSD-3-Clause */
/** @file decode_whole.c  Is an image file complete? Most truncated files are found by
 *  this without decoding them. */
#include <string.h>

#include "decode.h"

/** The 12 bytes that end a PNG: the empty IEND chunk. */
static const uint8_t png_end[] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82};

bool es_decode_ends(es_format f, const uint8_t *bytes, size_t n) {
  for (size_t at = 0; f == ES_JPEG && at + 2 <= n; at++)
    if (bytes[at] == 0xFF && bytes[at + 1] == 0xD9) return true;
  for (size_t at = 0; f == ES_PNG && at + sizeof png_end <= n; at++)
    if (memcmp(bytes + at, png_end, sizeof png_end) == 0) return true;
  return false;
}

/** The next marker of a JPEG from `at` on that is neither a stuffed byte nor a restart:
 *  where its second byte is; n if there is none. */
static size_t next_marker(const uint8_t *bytes, size_t at, size_t n) {
  for (; at + 1 < n; at++) {
    const uint8_t m = bytes[at + 1];
    if (bytes[at] == 0xFF && m != 0 && m != 0xFF && (m < 0xD0 || m > 0xD7)) return at + 1;
  }
  return n;
}

/** Segments with their lengths, compressed data up to the next marker, the end. */
static bool jpeg_is_whole(const uint8_t *bytes, size_t n) {
  for (size_t at = next_marker(bytes, 2, n); at < n; at = next_marker(bytes, at, n)) {
    if (bytes[at] == 0xD9) return true;
    if (at + 2 >= n) return false;
    at += 1 + ((size_t) bytes[at + 1] << 8 | bytes[at + 2]);
  }
  return false;
}

/** Chunks of length, name, data and checksum, up to IEND. */
static bool png_is_whole(const uint8_t *bytes, size_t n) {
  for (size_t at = 8; at + sizeof png_end <= n;) {
    const size_t length = (size_t) bytes[at] << 24 | (size_t) bytes[at + 1] << 16 |
                          (size_t) bytes[at + 2] << 8 | bytes[at + 3];
    if (memcmp(bytes + at, png_end, sizeof png_end) == 0) return true;
    at += 12 + length;
  }
  return false;
}

bool es_decode_is_whole(es_format f, const uint8_t *bytes, size_t n) {
  if (f == ES_JPEG) return jpeg_is_whole(bytes, n);
  return f == ES_PNG && png_is_whole(bytes, n);
}
