/* SPDX-License-Identifier: BSD-3-Clause */
/** @file array_private.h  An array of numbers in an open file. */
#ifndef ES_ARRAY_PRIVATE_H
#define ES_ARRAY_PRIVATE_H

#include "eigenstep/array_file.h"
#include "number.h"

struct es_array_file {
  int fd;
  char *path;   /**< owned; for messages */
  int64_t data; /**< offset of the first number in the file */
  es_number type;
  bool fortran; /**< the first index runs fastest */
  es_array_info info;
};

/** n bytes at an offset. @return ES_OK; ES_EIO; ES_EFORMAT: the file ends before */
es_status es_array_bytes(const es_array_file *a, int64_t at, void *bytes, int64_t n);

/** The text of a .npy header, without its length -> type, order and shape.
 *  @param path  for messages */
es_status es_npy_parse(const char *path, const char *text, size_t n, es_array_file *a);

#endif
