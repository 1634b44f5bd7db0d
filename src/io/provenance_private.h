/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance_private.h  A growing list of facts (key, value); after es_facts_share
 * the same on all ranks. */
#ifndef ES_PROVENANCE_PRIVATE_H
#define ES_PROVENANCE_PRIVATE_H

#include "eigenstep/provenance.h"

/** "key\0value\0key\0value\0" */
typedef struct es_facts {
  char *text; /**< owned */
  int64_t used, room;
} es_facts;

/** Append a fact. Not collective. @return ES_OK or ES_ENOMEM */
es_status es_facts_add(es_facts *l, const char *key, const char *value);

/** Collective. Replace every rank's list by rank 0's. */
es_status es_facts_share(es_facts *l, const es_comm *c);

/** The fact after `key` (NULL: the first), NULL at the end. *value is the list's. */
const char *es_facts_next(const es_facts *l, const char *key, const char **value);

void es_facts_print(const es_facts *l, FILE *out);
void es_facts_clear(es_facts *l);

/** Collective. Facts of this job: start, hosts, ranks, argv, environment. */
es_status es_facts_job(es_facts *l, const es_job *job);

#endif
