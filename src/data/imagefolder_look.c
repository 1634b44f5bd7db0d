/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder_look.c  One image file, without decoding it: its size, whether it is
 *  whole, whether it may be decoded. */
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "eigenstep/mem.h"
#include "imagefolder.h"

enum { HEAD = 1 << 16, HASHED = 4096 };
enum { WHOLE = 1 << 25 }; /* pixels of an image that is decoded as a whole */

/** The first bytes as far as the header goes: it may have a long preamble (thumbnail,
 *  colour profile), so four times as many until it is all there. */
static bool look_at_head(const char *path, uint8_t **bytes, size_t *n, es_image_file *f,
                         char *why) {
  for (size_t room = HEAD;; room *= 4) {
    es_free(bytes);
    if (es_alloc(room, "the beginning of an image", (void **) bytes) != ES_OK) {
      snprintf(why, ES_DECODE_WHY, "out of memory");
      return false;
    }
    const char *closed = es_data_file_part(path, 0, *bytes, room, n, &f->bytes);
    if (closed != NULL) {
      snprintf(why, ES_DECODE_WHY, "%s", closed);
      return false;
    }
    if (es_decode_header(*bytes, *n, &f->picture, why)) return true;
    if (*n < room || es_decode_format(*bytes, *n) == ES_UNKNOWN_FORMAT) return false;
  }
}

/** Is the end of the image there? In most files it is that of the file; what cameras and
 *  phones append (a second picture, a film) may be of any length. */
static bool has_end(const char *path, es_format format, char *why) {
  uint8_t *tail = NULL, *all = NULL;
  size_t n = 0;
  int64_t size = 0;
  bool found = false;
  if (es_alloc(HEAD, "the end of an image", (void **) &tail) == ES_OK) {
    const char *closed = es_data_file_part(path, 0, tail, 0, &n, &size);
    const int64_t from = size > HEAD ? -HEAD : 0;
    if (closed == NULL) closed = es_data_file_part(path, from, tail, HEAD, &n, &size);
    found = closed == NULL && es_decode_ends(format, tail, n);
  }
  es_free(&tail);
  if (!found && size > HEAD &&
      es_alloc((size_t) size, "an image file", (void **) &all) == ES_OK)
    found = es_data_file_part(path, 0, all, (size_t) size, &n, &size) == NULL &&
            es_decode_is_whole(format, all, n);
  es_free(&all);
  if (!found) snprintf(why, ES_DECODE_WHY, "got no end of the image: truncated");
  return found;
}

/** Decoding takes time by what the header says, whatever the file holds; and memory where
 *  no row is known before the last one. */
static bool is_plausible(es_format format, const es_image_file *f, int64_t max_pixels,
                         char *why) {
  const es_picture *const p = &f->picture;
  const int64_t pixels = (int64_t) p->h * p->w;
  /* the least of a flat image: a bit for 512 pixels, DEFLATE's 1032 bytes of 8 pixels */
  const int64_t most = f->bytes * (format == ES_JPEG ? 4096 : 8 * 1032);
  if (p->h > ES_IMAGE_SIDE_MAX || p->w > ES_IMAGE_SIDE_MAX)
    snprintf(why, ES_DECODE_WHY, "got %d x %d pixels, expected at most %d a side", p->h,
             p->w, ES_IMAGE_SIDE_MAX);
  else if (pixels > most)
    snprintf(why, ES_DECODE_WHY,
             "its header says %d x %d pixels, more than its %lld bytes can hold", p->h,
             p->w, (long long) f->bytes);
  else if (pixels > max_pixels)
    snprintf(why, ES_DECODE_WHY,
             "got %d x %d = %lld pixels, expected at most data.max_pixels = %lld", p->h,
             p->w, (long long) pixels, (long long) max_pixels);
  else if (p->whole && pixels > WHOLE)
    snprintf(
        why, ES_DECODE_WHY,
        "got %d x %d pixels of %s, which is decoded as a whole, expected at most %d; "
        "save it %s",
        p->h, p->w, format == ES_JPEG ? "a JPEG in several scans" : "an interlaced PNG",
        WHOLE, format == ES_JPEG ? "as a baseline JPEG" : "without interlacing");
  else
    return true;
  return false;
}

bool es_image_look(const char *path, int64_t max_pixels, es_image_file *f, uint64_t *hash,
                   char *why) {
  uint8_t *head = NULL;
  size_t n = 0;
  bool good = look_at_head(path, &head, &n, f, why);
  const es_format format = good ? es_decode_format(head, n) : ES_UNKNOWN_FORMAT;
  good = good && is_plausible(format, f, max_pixels, why) && has_end(path, format, why);
  if (good) {
    const uint64_t facts[] = {(uint64_t) f->bytes, (uint64_t) f->picture.h,
                              (uint64_t) f->picture.w};
    *hash = es_hash_bytes(*hash, facts, sizeof facts);
    *hash = es_hash_bytes(*hash, head, n < HASHED ? n : HASHED);
  }
  es_free(&head);
  return good;
}
