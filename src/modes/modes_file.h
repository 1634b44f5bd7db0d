/* SPDX-License-Identifier: BSD-3-Clause */
/** @file modes_file.h  modes.h5, and what eigenstep modes prints. */
#ifndef ES_STUDY_MODES_FILE_H
#define ES_STUDY_MODES_FILE_H

#include "last_step.h"

/** Collective. Write FOLDER/modes.h5 with provenance; nothing is left of it after a
 *  failure.
 *  @param set  the records that the held-out pairs are of, for their files and classes
 *  @return ES_OK, ES_EIO, ES_ENOMEM: the same on all ranks */
es_status es_study_write(const es_job *job, const es_config *cfg, const char *dir,
                         const es_dataset *set, const es_study_findings *r);

/** Print the tables. */
void es_study_print(const es_study_findings *r);

#endif
