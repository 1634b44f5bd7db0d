/* SPDX-License-Identifier: BSD-3-Clause */
/** @file version.h  What this binary is: one list, printed by --version and written to
 *  files. */
#ifndef ES_VERSION_H
#define ES_VERSION_H

/** "0.1.0". */
const char *es_version(void);
/** Git hash with -dirty, or "unknown" in a tarball. */
const char *es_version_git(void);

/** Facts fixed at build time (version, git, compiler, flags, configure line), n rows.
 *  Libraries' run-time facts are added by es_stamp (io/provenance.h). */
typedef struct es_fact {
  const char *key, *value;
} es_fact;
int es_version_facts(const es_fact **facts);

#endif
