/* SPDX-License-Identifier: BSD-3-Clause */
/** @file version.h  Version and build facts of this binary, printed by --version and
 *  written to output files. Not collective. */
#ifndef ES_VERSION_H
#define ES_VERSION_H

/** "0.1.0". */
const char *es_version(void);
/** Git hash with -dirty, or "unknown" in a tarball. */
const char *es_version_git(void);

/** Facts fixed at build time (version, git, compiler, flags, configure line), n rows.
 *  io/provenance.h adds the run-time versions of libraries. */
typedef struct es_fact {
  const char *key, *value;
} es_fact;
int es_version_facts(const es_fact **facts);

#endif
