/* SPDX-License-Identifier: BSD-3-Clause */
/** @file folder_name.h  What an output folder is called where output.dir is not given. */
#ifndef ES_FOLDER_NAME_H
#define ES_FOLDER_NAME_H

#include "eigenstep/comm.h"
#include "eigenstep/param.h"

/** Collective. Make COMMAND-INPUT the default of output.dir: "spectrum-e-z" for e.h5:/z,
 *  "train-quickstart" for inputs/quickstart/run.ini; with a number behind where that is
 *  taken. Nothing where output.dir is given.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_folder_name(const es_comm *c, es_config *cfg, const char *command,
                         const char *input);

#endif
