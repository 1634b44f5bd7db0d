/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tune.h  The algorithm of each convolution: timed once, agreed by all ranks,
 *  kept in a file. */
#ifndef ES_TUNE_H
#define ES_TUNE_H

#include "conv_algo.h"

/** Collective over the backend's communicator. Time the algorithms of all convolutions
 *  and linear layers of desc[n] (equal ones once) with max_n images, unless the file of
 *  the backend's options has them; every rank gets the same choice, the least mean over
 *  ranks; rank 0 writes what is new to the file. A file that cannot be read or written
 *  is a warning.
 *  @return the same status on all ranks */
es_status es_onednn_tune(es_backend *b, const es_op_desc *const *desc, int n);

/** A linear layer as a 1x1 convolution on a map of one pixel; convolutions unchanged. */
es_op_desc es_onednn_as_conv(const es_op_desc *d);

/** The algorithm chosen for a pass; by fixed rules where nothing was timed.
 *  @param timed  was it? Then it has been checked (conv_verify.h) */
const es_conv_algo_ops *es_onednn_choice(const es_backend *b, const es_op_desc *d,
                                         es_pass pass, bool *timed);

/** "type, threads, shape, pass": key[ES_ONEDNN_KEY]. */
enum { ES_ONEDNN_KEY = 80 };
void es_onednn_key(const es_backend *b, const es_op_desc *d, es_pass pass, char *key);

/** A row of what is known. */
typedef struct es_onednn_choice_row {
  char key[ES_ONEDNN_KEY]; /**< type, threads, shape and pass */
  int n;                   /**< images */
  const es_conv_algo_ops *algo;
} es_onednn_choice_row;
struct es_onednn_choices {
  es_onednn_choice_row *row; /* owned [n] */
  int n, cap;
};

/** @return ES_OK; ES_EFORMAT without a message (unknown algorithm, long key, n < 1) */
es_status es_onednn_choices_add(es_onednn_choices *c, const char *key, int n,
                                const char *algo);
/** The row of this key with the nearest number of images; NULL if there is none. */
const es_onednn_choice_row *es_onednn_choices_find(const es_onednn_choices *c,
                                                   const char *key, int n);
void es_onednn_choices_destroy(es_onednn_choices **c);

/* Between runs they are kept in a file (tune_file.c) of lines
 *   processor <tab> library <tab> key <tab> images <tab> algorithm
 * of which those of this processor and library count. Not collective. */

/** Add the rows of a file; a file that does not exist has none. Failures are warnings,
 *  and so is a path to anything but a regular file. */
es_status es_onednn_choices_read(const char *path, es_onednn_choices *c);
/** Write rows, keeping the lines of other processors; atomic. What fails is a warning;
 *  what cannot be read stays as it is. */
es_status es_onednn_choices_write(const char *path, const es_onednn_choices *c);

#endif
