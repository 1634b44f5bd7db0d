/* SPDX-License-Identifier: BSD-3-Clause */
/** @file folder.h  The folder of a sweep.
 *
 *      DIR/NAME/         the output folder of a run      DIR/NAME.state  its state
 *      DIR/sweep.ini     the sweep's file                DIR/base.ini    its base file
 *      DIR/base.HASH.ini the base file of this text, from which runs are made: a job that
 *                        accepts another one leaves those of the jobs at work alone
 *      DIR/origin.ini    where the sweep's file lies     DIR/queue/      claims
 *      DIR/aside/        beginnings of runs that were killed before a checkpoint
 *      DIR/sweep.csv, DIR/sweep.h5   a row a run */
#ifndef ES_SWEEP_FOLDER_H
#define ES_SWEEP_FOLDER_H

#include "plan.h"

/** DIR/base.HASH.ini. @param size  of path */
void es_sweep_folder_base(const char *dir, const es_sweep_spec *s, char *path,
                          size_t size);

/** Collective. Is this the folder of this sweep, with the same base file, or none yet? If
 *  so the runs of the plan take the names that they have there.
 *  @param accept  also if the sweep's file lies elsewhere now or its base file differs
 *  @return ES_OK; ES_ECONFIG (of another sweep, another base file: names what differs; or
 *          not a sweep's); ES_EIO, ES_ENOMEM */
es_status es_sweep_folder_check(const es_job *job, const es_sweep_spec *s, bool accept,
                                es_sweep_plan *p);
/** Collective. Make the folder, its files and a state for each run that has none; before
 *  it es_sweep_folder_check. @return as that */
es_status es_sweep_folder_make(const es_job *job, const es_sweep_spec *s, bool accept,
                               es_sweep_plan *p);

#endif
