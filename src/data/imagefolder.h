/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder.h  What a scan of a folder of images finds. */
#ifndef ES_IMAGEFOLDER_H
#define ES_IMAGEFOLDER_H

#include "data_private.h"
#include "decode.h"

/** A readable image. */
typedef struct es_image_file {
  int64_t name;  /**< where in `text` its path below the folder begins */
  int64_t bytes; /**< of the file */
  int label;     /**< -1: no classes */
  es_picture picture;
} es_image_file;

/** Growing array of characters: texts, each with its end. */
typedef struct es_image_text {
  char *at; /**< owned */
  int64_t n, room;
} es_image_text;

typedef struct es_image_scan {
  int64_t n, room;
  es_image_file *file; /**< owned: by class, then in byte order of the names */
  int labels;
  int64_t *class_name; /**< [labels] owned: where in `text` the names begin */
  es_image_text text;
  uint64_t checksum; /**< of names, sizes, labels, first and last bytes */
} es_image_scan;

/** What may be an image, and what happens to others. */
typedef struct es_image_rules {
  bool skip;          /**< leave out what cannot be read (named), else refuse */
  int64_t max_pixels; /**< of an image */
} es_image_rules;

/** Not collective. Look through a folder: the images of its sub-folders, one a class, or
 *  those in it. What is left out (deeper folders, other formats, images beside the
 *  class folders, classes without images) is counted in one warning. s: zeroed; to be
 *  freed, also after a failure.
 *  @return ES_OK; ES_EIO, ES_EFORMAT (nothing to read, an unreadable image), ES_ENOMEM */
es_status es_image_scan_folder(const char *path, const es_image_rules *r,
                               es_image_scan *s);
void es_image_scan_free(es_image_scan *s);

/** Is it a folder? Is the name that of an image that can be read? */
bool es_image_is_folder(const char *path);

/** Not collective. Size of one image, from its first and last bytes; `hash` takes them
 *  up. Nothing is logged. @return false: why[ES_DECODE_WHY] says so */
bool es_image_look(const char *path, int64_t max_pixels, es_image_file *f, uint64_t *hash,
                   char *why);

/** What was left out, by kind. */
typedef enum es_left_out {
  ES_LEFT_DEEPER,
  ES_LEFT_FORMAT,
  ES_LEFT_BESIDE,
  ES_LEFT_EMPTY,
  ES_LEFT_KINDS
} es_left_out;
typedef struct es_left {
  int64_t n[ES_LEFT_KINDS];
  char first[ES_LEFT_KINDS][64]; /**< name of the first of them */
} es_left;
/** Count one. */
void es_left_add(es_left *l, es_left_out kind, const char *name);
/** One warning, where anything was left out. */
void es_left_warn(const es_left *l, const char *path);

#endif
