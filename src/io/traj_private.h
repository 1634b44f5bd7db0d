/* SPDX-License-Identifier: BSD-3-Clause */
/** @file traj_private.h  Groups of a trajectory, shared by the files traj*.c. */
#ifndef ES_TRAJ_PRIVATE_H
#define ES_TRAJ_PRIVATE_H

#include "eigenstep/traj.h"
#include "eigenstep/traj_read.h"
#include "eigenstep/collective_error.h"

enum { ES_TRAJ_PATH = 256 };

/** One declared series and where its values are in a row of its group. */
typedef struct es_traj_series {
  char path[ES_TRAJ_PATH]; /**< dataset */
  int64_t width, offset;   /**< doubles per row, first of them in the group's row */
  int ndim;
  int64_t dim[2];
} es_traj_series;

/** A group and its rows that are not written yet. */
typedef struct es_traj_group {
  char path[ES_TRAJ_PATH];
  es_traj_series *series; /**< owned, [n] */
  int n;
  int64_t width;    /**< doubles per row, all series together */
  int64_t written;  /**< rows in the file */
  int64_t waiting;  /**< rows in the buffer, the same on all ranks */
  int64_t capacity; /**< of the buffer, in rows; rank 0 */
  bool dropped;     /**< rank 0 had no memory for a row: an error of the next flush */
  int64_t *step;    /**< owned, [capacity], rank 0 */
  double *time;     /**< owned, [capacity], rank 0 */
  double *values;   /**< owned, [capacity, width], rank 0 */
} es_traj_group;

struct es_traj {
  const es_comm *comm; /**< borrowed */
  char path[1200];     /**< what readers see */
  char part[1208];     /**< of `file`: the same with .part appended */
  double published;    /**< es_now() when `path` was replaced last; 0: not yet */
  double copying;      /**< seconds that took */
  int guard;           /**< rank 0: open `path`, locked against writers; else -1 */
  bool warned;         /**< rank 0 has warned that it could not be replaced */
  es_h5 *file;
  es_traj_group *group; /**< owned, [n] */
  int n;
  bool failed;  /**< a write failed: closing does not try again */
  bool resumed; /**< opened by es_traj_open */
};

/* traj_publish.c */
/** Collective. Open the working file of a trajectory that readers find at `path`: an
 *  empty one (`path` must not exist), or a copy of it where t->resumed. */
es_status es_traj_file_open(es_traj *t, const char *path);
/** Not collective: rank 0 acts, after a flush. Replace what readers see by all that is
 *  flushed, unless that would take more than a hundredth of the time. A failure is a
 *  warning: nothing of the run is lost. */
void es_traj_publish_when_due(es_traj *t);
/** Collective. Close the working file; it becomes what readers see, unless a failed write
 *  may have left it damaged. */
es_status es_traj_file_close(es_traj *t);
/** Collective. Write the buffered rows of all groups to the working file. */
es_status es_traj_flush_rows(es_traj *t);

/** Collective. Create the datasets of a group and its scales; fills g. On error g owns
 *  nothing, but HDF5 objects created so far stay in the file. */
es_status es_traj_group_create(es_traj *t, const char *path, const char *description,
                               const es_traj_field *fields, int n, es_traj_group *g);
void es_traj_group_clear(es_traj_group *g);

/** Collective. The same for datasets that exist in a resumed file (traj_resume.c).
 *  g->path and g->series are set. */
es_status es_traj_group_reopen(es_traj *t, es_traj_group *g);

/** Collective. Rows [first, first + n) of a dataset, on all ranks: memory for
 *  n x (further dimensions) values of `type`, owned by the caller. */
es_status es_traj_read_block(es_h5 *f, const char *path, es_h5_type type, int64_t first,
                             int64_t n, void **values);

/** How many of the n steps, from the first on, are each after the one before. */
int64_t es_traj_ascending(const int64_t *step, int64_t n);

/** Collective. Rows [first, first + n) of series `path` in `group`. */
es_status es_traj_read_range(es_h5 *f, const char *group, const char *path, int64_t first,
                             int64_t n, es_traj_rows *rows);

/** Collective. Resize all series of a group, step and time to so many rows. */
es_status es_traj_group_resize(es_traj *t, const es_traj_group *g, int64_t rows);

#endif
