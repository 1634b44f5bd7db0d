/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5.h  Thin parallel-HDF5 layer. No hid_t leaves src/io. All functions are
 *  collective over the file's communicator unless said otherwise and return the same
 *  status on all ranks. Messages quote HDF5's own innermost error. */
#ifndef ES_H5_H
#define ES_H5_H

#include <stdbool.h>
#include "eigenstep/comm.h"

typedef struct es_h5 es_h5;
typedef enum es_h5_type {
  ES_H5_F64,
  ES_H5_F32,
  ES_H5_I64,
  ES_H5_I32,
  ES_H5_U8
} es_h5_type;

enum { ES_H5_MAXDIM = 8 };
enum { ES_H5_UNLIMITED = -1 }; /**< as dim[0]: grows from 0 rows on */

typedef struct es_h5_info {
  es_h5_type type; /**< nearest to the stored type */
  int ndim;
  int64_t dim[ES_H5_MAXDIM];
} es_h5_info;

/** A dataset to be created. */
typedef struct es_h5_dataset {
  const char *path;
  es_h5_type type; /**< on disk */
  int ndim;
  int64_t dim[ES_H5_MAXDIM]; /**< dim[0] may be ES_H5_UNLIMITED */
  int64_t chunk_rows;        /**< of an unlimited one; 0: chunks of about 1 MiB */
  const char *units, *doc;   /**< its attributes `units` and `description`, not empty */
} es_h5_dataset;

/** Create a file that does not exist, or open one for reading or for writing; the caller
 *  closes *f, which borrows c. @return ES_OK, ES_EIO, ES_ENOMEM */
es_status es_h5_create(const es_comm *c, const char *path, es_h5 **f);
es_status es_h5_open(const es_comm *c, const char *path, bool write, es_h5 **f);
/** Open for reading a file that another program may replace by rename at any time: the
 *  same one on all ranks. @return as es_h5_open, with *f = NULL on failure; ES_EIO, too,
 *  if it is replaced again and again before all ranks have opened it */
es_status es_h5_open_live(const es_comm *c, const char *path, es_h5 **f);
/** Write everything to disk (fsync). @return ES_OK, ES_EIO */
es_status es_h5_flush(es_h5 *f);
/** Has no write failed inside HDF5, so that the file is a complete one after a flush or
 *  es_h5_close? The same on all ranks. Not collective. */
bool es_h5_is_whole(const es_h5 *f);
/** Close; reports what could not be written. *f is NULL afterwards in any case. */
es_status es_h5_close(es_h5 **f);

/** Create groups along a path ("/a/b"); existing ones are fine. */
es_status es_h5_group(es_h5 *f, const char *path, const char *description);

/** Type and shape of a dataset.
 *  @return ES_OK; ES_EFORMAT naming file and path if it does not exist, or holds neither
 *          integers nor floats; ES_EIO if the file is damaged there */
es_status es_h5_stat(es_h5 *f, const char *path, es_h5_info *info);
/** Does an object exist? Where the file is damaged: no, and the next flush or the close
 *  returns ES_EIO, so that nothing damaged passes for absent. */
bool es_h5_exists(es_h5 *f, const char *path);

/** Paths of all datasets, in alphabetical order. */
typedef struct es_h5_names {
  int n;
  char **name; /**< [n] owned, each "/group/dataset" */
} es_h5_names;
es_status es_h5_list(es_h5 *f, es_h5_names *names);
void es_h5_names_free(es_h5_names *names);

/** Create a dataset; missing groups of its path are created too.
 *  @return ES_OK; ES_EARG (no units or description, a dimension other than the first
 *          unlimited); ES_EIO (it exists, the disk is full) */
es_status es_h5_declare(es_h5 *f, const es_h5_dataset *d);

/** Write / read rows [first, first + n) of the first dimension, each rank its own
 *  range (n may be 0). Extends an unlimited dataset to cover all ranks' rows. Data are
 *  row-major in memory of type `type`; converted to or from the stored type. Split
 *  where a rank's part exceeds 1 GiB. */
es_status es_h5_write_rows(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                           int64_t n, const void *data);
es_status es_h5_read_rows(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                          int64_t n, void *data);
/** Write rows [first, first + n) that rank 0 has: first and n are the same on all ranks,
 *  so that they need no message; data are read on rank 0. */
es_status es_h5_write_root(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                           int64_t n, const void *data);
/** Write / read a general hyperslab, each rank its own. */
es_status es_h5_write_slab(es_h5 *f, const char *path, es_h5_type type,
                           const int64_t *start, const int64_t *count, const void *data);
es_status es_h5_read_slab(es_h5 *f, const char *path, es_h5_type type,
                          const int64_t *start, const int64_t *count, void *data);
/** Shrink or extend the first dimension. */
es_status es_h5_resize(es_h5 *f, const char *path, int64_t rows);

/** Make `path` a second name (a hard link) of what `target` names; what had the name is
 *  unlinked. Its group exists. */
es_status es_h5_link(es_h5 *f, const char *target, const char *path);

/** Make `path` a dimension scale called `name`; attach scale `scale` to dimension
 *  `dim` of `path`. */
es_status es_h5_scale(es_h5 *f, const char *path, const char *name);
es_status es_h5_attach(es_h5 *f, const char *path, int dim, const char *scale);
/** Is it attached there? false also where one of them does not exist. */
bool es_h5_is_attached(es_h5 *f, const char *path, int dim, const char *scale);

/** Attributes of a group or dataset ("/" for the root); an existing one is replaced. */
es_status es_h5_attr_string(es_h5 *f, const char *path, const char *key,
                            const char *value);
es_status es_h5_attr_f64(es_h5 *f, const char *path, const char *key, double value);
es_status es_h5_attr_i64(es_h5 *f, const char *path, const char *key, int64_t value);
es_status es_h5_attr_i64s(es_h5 *f, const char *path, const char *key, int n,
                          const int64_t *values); /**< n > 0 */
/** Does `path` exist and have the attribute? */
bool es_h5_has_attr(es_h5 *f, const char *path, const char *key);
/** Read an attribute: a number, n integers, or a string (free with es_free).
 *  @return ES_EFORMAT naming file, path and key if there is none of this kind */
es_status es_h5_get_f64(es_h5 *f, const char *path, const char *key, double *value);
es_status es_h5_get_i64(es_h5 *f, const char *path, const char *key, int64_t *value);
es_status es_h5_get_i64s(es_h5 *f, const char *path, const char *key, int n,
                         int64_t *values);
es_status es_h5_get_string(es_h5 *f, const char *path, const char *key, char **value);
/** Write a string as a scalar dataset; an existing one is replaced. */
es_status es_h5_text(es_h5 *f, const char *path, const char *text,
                     const char *description);
/** Write a list of texts as a dataset [n]; rank 0's `text` is written, at most 2^20 bytes
 *  of each. @return ES_OK, ES_ENOMEM, ES_EIO (it exists, the disk is full) */
es_status es_h5_write_strings(es_h5 *f, const char *path, int64_t n,
                              const char *const *text, const char *description);
/** Read one, in one piece of memory (free with es_free). @return ES_OK; ES_EFORMAT (no
 *  such list, or of texts of variable length); ES_EIO; ES_ENOMEM */
es_status es_h5_read_strings(es_h5 *f, const char *path, int64_t *n, char ***text);
/** Read a text dataset (free with es_free). */
es_status es_h5_read_text(es_h5 *f, const char *path, char **text);

#endif
