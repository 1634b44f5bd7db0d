/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_private.h  Shared by the param_*.c files: the table of given values. */
#ifndef ES_PARAM_PRIVATE_H
#define ES_PARAM_PRIVATE_H

#include "eigenstep/param.h"

/** Size of "section.name" including the final zero. */
enum { ES_KEY_MAX = 128 };

/** One value as given by the user. */
typedef struct es_given {
  char *key;       /**< "section.name", owned */
  char *value;     /**< trimmed text, owned */
  const char *was; /**< the former name under which it was given, else NULL */
  char *where;     /**< "FILE:LINE: ", owned; NULL for an override */
  int source;      /**< number of the input file, 0 for an override */
  bool used;       /**< read by es_config_get */
  char why[2 * ES_KEY_MAX + 64]; /**< "data.name = ..." with which it has no effect */
} es_given;

struct es_config {
  es_given *given; /**< owned, in order of first appearance */
  size_t n, room;
  int sources; /**< number of input files read */
};

/** The value given for a full key, NULL if none. */
es_given *es_config_find(const es_config *cfg, const char *key);

/** Add a value under the present name of the key, or replace the existing one. The
 *  strings are copied. */
es_status es_config_put(es_config *cfg, const char *given, const char *value, int source);

/** Replace a former name in key[ES_KEY_MAX] by the present one. @return the former name;
 *  NULL: it is none, nothing was changed */
const char *es_param_rename(char *key);

/** The table row of a full key, NULL if unknown; *section: the section it belongs to. */
const es_param *es_param_find(const es_section *sections, size_t n, const char *key,
                              const es_section **section);

/** "section.name" into key[ES_KEY_MAX]. */
void es_config_key(const char *section, const char *name, char *key);

/** Convert text to the parameter's type and store it in *field, a variable of that type.
 *  @return ES_ECONFIG on a wrong type, bound or choice (logged: key, got, expected, doc)
 */
es_status es_param_parse(const char *section, const es_param *row, const char *text,
                         void *field);

/** The same of a value that was given at `where`, "FILE:LINE: ", for the message. */
es_status es_param_parse_at(const char *where, const char *section, const es_param *row,
                            const char *text, void *field);

/** What the parameter accepts, e.g. "a number in [0, inf)". */
void es_param_expected(const es_param *row, char *text, size_t size);

/** Bytes of a field of this type. */
size_t es_param_size(es_param_type type);

/** Strip blanks at both ends in place; returns the first other character. */
char *es_trim(char *text);

#endif
