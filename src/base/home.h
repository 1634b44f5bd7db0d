/* SPDX-License-Identifier: BSD-3-Clause */
/** @file home.h  Home folders in paths. */
#ifndef ES_HOME_H
#define ES_HOME_H

#include <stdbool.h>
#include <stddef.h>

/** Copy a text; one that begins with ~/ or ~USER/ with the home folder that the system
 *  has for that user. @return false: there is no such user, or the path is too long */
bool es_home_expand(const char *text, char *path, size_t size);

#endif
