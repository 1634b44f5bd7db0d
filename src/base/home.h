/* SPDX-License-Identifier: BSD-3-Clause */
/** @file home.h  Home folders in paths. */
#ifndef ES_HOME_H
#define ES_HOME_H

#include <stddef.h>

/** Copy a text; one that begins with ~/ or ~USER/ with the home folder that the system
 *  has for that user, whatever $HOME says.
 *  @param path  [size] written on success only
 *  @return NULL, or what is wrong with the text and what to do */
const char *es_home_expand(const char *text, char *path, size_t size);

#endif
