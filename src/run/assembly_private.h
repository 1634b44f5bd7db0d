/* SPDX-License-Identifier: BSD-3-Clause */
/** @file assembly_private.h  What the files of the assembly share. */
#ifndef ES_ASSEMBLY_PRIVATE_H
#define ES_ASSEMBLY_PRIVATE_H

#include "eigenstep/assembly.h"

/** Collective. Choose the held-out records and the others, and open their loaders, into
 *  an assembly with its data. @return the same status on all ranks */
es_status es_assembly_open_probe_loader(const es_comm *c, const es_settings *s,
                                        es_assembly *p);
es_status es_assembly_open_loader(const es_comm *c, const es_settings *s, es_assembly *p);

/** Of the data, and of what is held out of them. */
int64_t es_assembly_checksum(const es_assembly *p);

/** Collective. Say which records the probe is, and write it to the trajectory, once:
 *  /embedding/record, label, file, class_name, class_count, and the attribute `source`
 *  of /embedding. Nothing is written without /embedding. */
es_status es_assembly_record_probe(const es_assembly *p, es_traj *t);

#endif
