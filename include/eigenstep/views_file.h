/* SPDX-License-Identifier: BSD-3-Clause */
/** @file views_file.h  Pairs of views in an HDF5 file, beside the images they were made
 *  from.
 *
 *  /image [n, 3, h, w] u8, where all records are images of one size; /view1, /view2
 *  [n, 3, side, side] f32; /id, /label [n]. Row i is record views.first + i stride. */
#ifndef ES_VIEWS_FILE_H
#define ES_VIEWS_FILE_H

#include "eigenstep/assembly.h"

/** Section [views]. */
typedef struct es_views_params {
  es_string file;
  int64_t count, first, stride, epoch;
  bool normalized;
} es_views_params;
extern const es_param es_views_table[];

/** Collective. Write the file v->file, each rank its rows, with the provenance of cfg.
 *  @param p  with the data open, and the views as they are to be written
 *  @return ES_OK; ES_ECONFIG (the data set has fewer records), ES_EIO (the file exists or
 *          cannot be written: nothing is left of it), ES_ENOMEM */
es_status es_views_file_write(const es_job *job, const es_config *cfg,
                              const es_settings *s, const es_assembly *p,
                              const es_views_params *v);

#endif
