/* SPDX-License-Identifier: BSD-3-Clause */
/** @file imagefolder_record.h  The rows of an image file, as they are decoded, become a
 *  record. The memory is that of the record and of some rows.
 *
 *  data.size = n: the central square, resized to n x n. Else the image as it is or,
 *  above ES_RECORD_PIXELS pixels, the means of its k x k squares, of the smallest k that
 *  makes it small enough: views are smaller still. */
#ifndef ES_IMAGEFOLDER_RECORD_H
#define ES_IMAGEFOLDER_RECORD_H

#include "imagefolder.h"

enum { ES_RECORD_PIXELS = 1 << 24 };

/** The parts of a loader's scratch, in their order, in bytes: for any of its images. */
typedef struct es_record_plan {
  int size;    /**< data.size */
  size_t rgb;  /**< the record; up to whole cache lines */
  size_t work; /**< sums or floats of the rows that are being resized */
  size_t row;  /**< es_picture.scratch */
  size_t file;
  size_t library; /**< es_picture.library: beside the scratch */
} es_record_plan;

/** h x w of the record that an image becomes. */
void es_record_shape(int size, const es_picture *p, int *h, int *w);
/** Room for this image, too. */
void es_record_plan_add(es_record_plan *plan, const es_image_file *x);
size_t es_record_plan_bytes(const es_record_plan *plan);

/** Read and decode the file `path` into the scratch, which begins with the record.
 *  @return false: why[ES_DECODE_WHY] says so */
bool es_record_read(const es_record_plan *plan, const es_image_file *x, const char *path,
                    uint8_t *scratch, char *why);

#endif
