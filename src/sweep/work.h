/* SPDX-License-Identifier: BSD-3-Clause */
/** @file work.h  The ranks of a job, in groups, make the runs of a sweep. */
#ifndef ES_SWEEP_WORK_H
#define ES_SWEEP_WORK_H

#include "launch.h"
#include "queue.h"

/** Collective over the job. Split it into groups of sweep.ranks ranks that take runs
 *  until none is left; the first rank of the job reports.
 *  @param q  on the first rank of each group; borrowed
 *  @return ES_OK (runs may have failed); ES_STOPPED; ES_EIO (states could not be read or
 *          written), ES_ENOMEM: the same on all ranks */
es_status es_work_all(const es_job *job, const es_launch *l, const es_queue *q);

#endif
