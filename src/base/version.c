/* SPDX-License-Identifier: BSD-3-Clause */
/** @file version.c  Version and build facts. version_build.h is generated at build
 *  time. */
#include "eigenstep/version.h"

#include "config.h"
#include "version_build.h"

static const es_fact build_facts[] = {
    {"version", PACKAGE_VERSION},      {"git", ES_BUILD_GIT},
    {"compiler", ES_BUILD_CC},         {"cflags", ES_BUILD_CFLAGS},
    {"configure", ES_BUILD_CONFIGURE}, {"built", ES_BUILD_DATE},
};

const char *es_version(void) {
  return PACKAGE_VERSION;
}

const char *es_version_git(void) {
  return ES_BUILD_GIT;
}

int es_version_facts(const es_fact **facts) {
  *facts = build_facts;
  return (int) (sizeof build_facts / sizeof build_facts[0]);
}
