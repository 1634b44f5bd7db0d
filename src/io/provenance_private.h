/* SPDX-License-Identifier: BSD-3-Clause */
/** @file provenance_private.h  Growable list of facts (key, value). */
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

/** Collective. Copy rank 0's list to all ranks. */
es_status es_facts_share(es_facts *l, const es_comm *c);

/** Iterate: the key after `key` (NULL: the first), NULL at the end. *value points into
 *  the list. */
const char *es_facts_next(const es_facts *l, const char *key, const char **value);

void es_facts_print(const es_facts *l, FILE *out);
void es_facts_clear(es_facts *l);

/** Collective. Add the facts about this job: start time, hosts, ranks, argv,
 *  environment. */
es_status es_facts_job(es_facts *l, const es_job *job);

#endif
