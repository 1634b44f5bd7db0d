/* SPDX-License-Identifier: BSD-3-Clause */
/** @file choices.h  Which algorithm computes a layer: what was timed, in memory and in a
 *  file, for the backends that time.
 *
 *  The file has lines of
 *    machine <tab> library <tab> key <tab> images <tab> algorithm
 *  of which a table reads those of its machine and library. Nothing is collective, but
 *  where it says so. */
#ifndef ES_CHOICES_H
#define ES_CHOICES_H

#include <stdbool.h>
#include "eigenstep/backend.h"

enum { ES_CHOICE_KEY = 80, ES_CHOICE_ALGO = 16, ES_CHOICE_PLACE = 256 };

/** The passes of a layer with weights: y from x and w; dx from dy and w; dw from x and
 *  dy. */
typedef enum es_pass { ES_FORWARD, ES_DATA, ES_WEIGHTS, ES_PASSES } es_pass;

typedef struct es_choice {
  char key[ES_CHOICE_KEY];   /**< type, shape and pass */
  int n;                     /**< images */
  char algo[ES_CHOICE_ALGO]; /**< name of the algorithm */
} es_choice;

typedef struct es_choices {
  es_choice *row; /* owned [n] */
  int n, cap;
  bool (*is_known)(const char *algo); /**< is there an algorithm of this name? */
  char
      place[ES_CHOICE_PLACE]; /**< "machine <tab> library <tab>": what lines begin with */
} es_choices;

/** An empty table. @return ES_OK, ES_ENOMEM */
es_status es_choices_create(bool (*is_known)(const char *algo), const char *machine,
                            const char *library, es_choices **c);
void es_choices_destroy(es_choices **c);
/** @return ES_OK; ES_ENOMEM; ES_EFORMAT without a message (unknown algorithm, long key,
 *          n < 1) */
es_status es_choices_add(es_choices *c, const char *key, int n, const char *algo);
/** The row of this key with the nearest number of images; NULL if there is none. */
const es_choice *es_choices_find(const es_choices *c, const char *key, int n);
/** Is there a row of this key and number of images? */
bool es_choices_has(const es_choices *c, const char *key, int n);

/** Add the rows of a file; a file that does not exist has none. Failures are warnings,
 *  and so is a path to anything but a regular file.
 *  @return ES_OK; ES_EFORMAT: nothing was added */
es_status es_choices_read(const char *path, es_choices *c);
/** Write rows, keeping the lines of other machines; atomic. What fails is a warning; what
 *  cannot be read stays as it is. */
es_status es_choices_write(const char *path, const es_choices *c);
/** Collective over comm (NULL: this process alone). Every rank has the rows that rank 0
 *  reads from the file, "" for none. @return the same on all ranks */
es_status es_choices_share(const es_comm *comm, const char *path, es_choices *c);

/** A linear layer as a 1x1 convolution on a map of one pixel; convolutions unchanged. */
es_op_desc es_choices_as_conv(const es_op_desc *d);
/** Collective over b->comm. Time the algorithms of one convolution for those of its
 *  passes that have no row, and add one each, the same on all ranks. */
typedef es_status (*es_choices_timer)(es_backend *b, const es_op_desc *d, es_choices *c);
/** Collective over b->comm. All convolutions and linear layers of desc[n] that are large
 *  enough to be worth it, with the most images of any rank; rank 0 writes what is new to
 *  b->plans. @return the same on all ranks */
es_status es_choices_tune(es_backend *b, const es_op_desc *const *desc, int n,
                          es_choices_timer time, es_choices *c);

#endif
