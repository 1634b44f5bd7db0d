/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_private.h  What the HDF5 files of src/io share: the handle and its guards.
 *
 *  Order inside every collective function: local checks -> agree -> reserve space ->
 *  HDF5 calls, all of them on all ranks even after a failure -> agree, or where nothing
 *  but HDF5 can have failed es_h5_report. */
#ifndef ES_H5_PRIVATE_H
#define ES_H5_PRIVATE_H

#include <hdf5.h>
#include "eigenstep/h5.h"
#include "eigenstep/collective_error.h"

struct es_h5 {
  const es_comm *comm; /**< borrowed */
  hid_t id;
  int fd;        /**< rank 0 of a writable file: to reserve space and to sync; else -1 */
  int64_t end;   /**< rank 0: no less than the file's length after its next flush */
  int64_t ahead; /**< bytes reserved for later operations; the same on all ranks */
  bool writable;
  es_collective_error unanswered; /**< a question that HDF5 could not answer; all ranks */
  bool failed;                    /**< HDF5 could not write; the same on all ranks */
  bool short_of_room;  /**< no room was left, which has been said; the same on all */
  int64_t round_bytes; /**< most bytes a rank transfers in one collective HDF5 call */
  char *path;          /**< owned; for messages */
};

/** Record that HDF5 failed to `action` `object`, with its innermost message. Where the
 *  other ranks do not fail as well they wait inside HDF5, where no error reaches them:
 *  all ranks are aborted. */
#define es_h5_blame(n, f, action, object) es_h5_blame_(n, __func__, f, action, object)
void es_h5_blame_(es_collective_error *n, const char *where, const es_h5 *f,
                  const char *action, const char *object);

/** Collective. The end of HDF5 calls whose failures were all recorded by es_h5_blame:
 *  those are of all ranks or of none, so that no rank has to ask the others. Reported
 *  once. */
es_status es_h5_report(const es_h5 *f, const es_collective_error *n);

/** HDF5's answer to a question about `path`, < 0: it fails. No is no on all ranks: a
 *  failure of this rank alone aborts all. One of all ranks means a damaged file, unless
 *  `path` leads through what is no group or a link to nothing: it is kept, and the file
 *  cannot be used as if that had been absent, as its flush or close reports it. */
bool es_h5_answer(es_h5 *f, const char *path, htri_t answer);

/** Not collective. What has not been answered becomes this failure. */
void es_h5_take_unanswered(es_h5 *f, es_collective_error *n);

/** Collective. Every rank must be able to open the file itself: a clearer message than
 *  MPI-IO's, and no rank enters HDF5 alone. @return ES_OK, ES_EIO, ES_EFORMAT (reading:
 *  it is of another kind) */
es_status es_h5_check_file(const es_comm *c, const char *path, bool write);
/** Collective. Open a file that another program may replace, so that its number is not
 *  given to another; es_h5_let_go closes *fd. *same: of all ranks the same size and time.
 *  @return ES_OK, ES_EIO */
es_status es_h5_hold(const es_comm *c, const char *path, int *fd, bool *same);
/** Collective. Is it still that file, for all ranks? */
bool es_h5_let_go(const es_comm *c, const char *path, int fd);

/** Collective. Open the dataset `path`; < 0: there is none, or *n is set as the file is
 *  damaged. */
hid_t es_h5_open_dataset(es_h5 *f, const char *path, es_collective_error *n);

/** Collective. Make sure the disk can take `bytes` more (and some metadata) before HDF5
 *  writes them: after a full disk MPI-IO may report success, or fail on one rank while
 *  the others wait inside HDF5. Reserves for later operations, too, where there is room:
 *  most calls need no message. The same bytes on all ranks. @return ES_OK or ES_EIO */
es_status es_h5_reserve(es_h5 *f, int64_t bytes);

/** Collective. Give an open dataset of shape dim[ndim] (updated) that many rows. Where no
 *  chunk is added nothing is written, and a failure is the same on all ranks anyway. */
es_status es_h5_set_rows(es_h5 *f, const char *path, hid_t ds, int ndim, hsize_t *dim,
                         int64_t rows);

/** Fixed little-endian type on disk, native type in memory, bytes of one element. */
hid_t es_h5_disk_type(es_h5_type t);
hid_t es_h5_memory_type(es_h5_type t);
int64_t es_h5_type_size(es_h5_type t);

/** Link creation property list that creates missing groups of a path; < 0 on failure. */
hid_t es_h5_link_plist(void);

/** Set (or replace) a string attribute of `object`, which messages call `path`. */
void es_h5_put_string(const es_h5 *f, const char *path, hid_t object, const char *key,
                      const char *value, es_collective_error *n);

#endif
