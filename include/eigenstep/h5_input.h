/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5_input.h  HDF5 files of other programs: what they hold is looked at before it
 *  is read, so that what cannot be read is named with its cure. */
#ifndef ES_H5_INPUT_H
#define ES_H5_INPUT_H

#include "eigenstep/h5.h"

/** Collective. Type and shape of a dataset that can be read.
 *  @return ES_OK; ES_EFORMAT: it does not exist or is a group (the sentence names the
 *          datasets there are), holds no numbers, is virtual, or was written with a
 *          filter that this HDF5 lacks */
es_status es_h5_input_stat(es_h5 *f, const char *path, es_h5_info *info);

#endif
