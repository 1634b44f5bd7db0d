/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param.h  Parameters: declared in tables, read from INI text and overrides. Not
 *  collective: every rank calls these functions with the same text.
 *
 *  A module declares a struct and a table of rows {name, type, default, bounds, unit,
 *  doc, offset}; parsing, range checks, help, reference.ini, the effective run.ini
 *  and the provenance in the trajectory are derived from the table. Keys are
 *  "section.name", where the section may contain dots ("augment.crop.size" is `size` of
 *  section "augment.crop").
 *
 *  Order of calls: es_config_create
 *  -> es_config_read_text (text read by rank 0, on every rank)
 *  -> es_config_set for each override -> es_config_check against all known sections
 *  -> es_config_get section by section -> es_config_write. */
#ifndef ES_PARAM_H
#define ES_PARAM_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "eigenstep/status.h"

enum { ES_STRING_MAX = 1024, ES_LIST_MAX = 64 };

typedef char es_string[ES_STRING_MAX];
typedef struct es_list { /**< `a, b, c` of numbers */
  int n;
  double v[ES_LIST_MAX];
} es_list;

typedef enum es_param_type {
  ES_P_INT,    /**< int64_t */
  ES_P_DOUBLE, /**< double; NaN for the word `choices`, where that is not NULL */
  ES_P_BOOL,   /**< bool; true/false, yes/no, on/off, 1/0 */
  ES_P_STRING, /**< es_string */
  ES_P_CHOICE, /**< int: index into `choices` */
  ES_P_LIST    /**< es_list of doubles */
} es_param_type;

/** One parameter. */
typedef struct es_param {
  const char *name;
  es_param_type type;
  const char *value; /**< default, as text */
  double min, max;   /**< inclusive bounds of numbers (and of list elements) */
  const char
      *choices;     /**< "none|batch" for ES_P_CHOICE; for ES_P_DOUBLE the word that may
                            stand for a number, "auto", or NULL */
  const char *unit; /**< "1" when dimensionless, "" for text */
  const char *doc;  /**< one sentence */
  size_t offset;    /**< in the struct */
} es_param;

#define ES_INT(s, f, def, lo, hi, unit, doc)                                             \
  { #f, ES_P_INT, def, lo, hi, NULL, unit, doc, offsetof(s, f) }
#define ES_DOUBLE(s, f, def, lo, hi, unit, doc)                                          \
  { #f, ES_P_DOUBLE, def, lo, hi, NULL, unit, doc, offsetof(s, f) }
#define ES_DOUBLE_OR(s, f, def, lo, hi, unit, word, doc)                                 \
  { #f, ES_P_DOUBLE, def, lo, hi, word, unit, doc, offsetof(s, f) }
#define ES_BOOL(s, f, def, doc)                                                          \
  { #f, ES_P_BOOL, def, 0, 0, NULL, "1", doc, offsetof(s, f) }
#define ES_STRING(s, f, def, doc)                                                        \
  { #f, ES_P_STRING, def, 0, 0, NULL, "", doc, offsetof(s, f) }
#define ES_CHOICE(s, f, def, choices, doc)                                               \
  { #f, ES_P_CHOICE, def, 0, 0, choices, "", doc, offsetof(s, f) }
#define ES_LIST(s, f, def, lo, hi, unit, doc)                                            \
  { #f, ES_P_LIST, def, lo, hi, NULL, unit, doc, offsetof(s, f) }
#define ES_PARAM_END                                                                     \
  { NULL, ES_P_INT, NULL, 0, 0, NULL, NULL, NULL, 0 }
#define ES_INF INFINITY

/** A section of parameters: name, table and documentation. */
typedef struct es_section {
  const char *name;      /**< "loss.barlow" */
  const es_param *table; /**< ends with ES_PARAM_END */
  const char *doc;       /**< heading in params / reference.ini */
  const char
      *base; /**< section that provides the values of keys not given here, or NULL */
} es_section;

typedef struct es_config es_config;

/** An empty configuration; destroyed by the caller. @return ES_OK, ES_ENOMEM */
es_status es_config_create(es_config **cfg);
void es_config_destroy(es_config **cfg);

/** Parse INI text ("[section]" lines, "key = value  # comment"); `origin` names it in
 *  messages.
 *  @return ES_ECONFIG with the line number on a syntax error or a key given twice. */
es_status es_config_read_text(es_config *cfg, const char *text, const char *origin);

/** A line "key = value" of INI text, trimmed and without its comment. */
typedef struct es_ini_line {
  const char *origin; /**< of the text, and ... */
  int line;           /**< ... the number of the line, for messages */
  const char *section, *key, *value;
} es_ini_line;
typedef es_status es_ini_visit(void *ctx, const es_ini_line *at);

/** Call visit for each line of INI text in the dialect of es_config_read_text, whatever
 *  its keys; ends with the first status that is not ES_OK.
 *  @return that status; ES_ECONFIG on a syntax error, ES_ENOMEM */
es_status es_ini_read(const char *text, const char *origin, es_ini_visit *visit,
                      void *ctx);

/** Apply one override "section.key=value"; later ones replace earlier ones.
 *  @return ES_OK, ES_ECONFIG (malformed), ES_ENOMEM */
es_status es_config_set(es_config *cfg, const char *assignment);

/** A default of one command, in place of the table's, for "section.key" unless it is
 *  given; part of the effective values. @return ES_OK, ES_ENOMEM */
es_status es_config_default(es_config *cfg, const char *key, const char *value);

/** Check that all keys are known (the message suggests the nearest name) and all values
 *  have the right type, bounds and choices, also in sections that are not used. Warn of
 *  values given under a former name (param_alias.c), which set the present parameter.
 *  @return ES_OK or ES_ECONFIG */
es_status es_config_check(const es_config *cfg, const es_section *sections, size_t n);

/** Is "section.key" a parameter, under its present name? Otherwise the message suggests
 *  the nearest name. @return ES_OK, ES_ECONFIG */
es_status es_config_check_key(const char *key, const es_section *sections, size_t n);

/** Fill out[size] from the given values of `section`, marking them as used; the other
 *  fields from the struct `base`, or from the defaults if it is NULL. Allocates nothing,
 *  so that it has the same status on all ranks.
 *  @param cfg  NULL: defaults only
 *  @return ES_OK, ES_ECONFIG (type or range of a value) */
es_status es_config_get(es_config *cfg, const char *section, const es_param *table,
                        const void *base, size_t size, void *out);

/** The same into new memory of `size` bytes, freed by the caller: for variants, whose
 *  structs are private. *out: NULL if size is 0. Also ES_ENOMEM. */
es_status es_config_get_new(es_config *cfg, const char *section, const es_param *table,
                            const void *base, size_t size, void **out);

/** The text given for "section.key", NULL if not given. */
const char *es_config_given(const es_config *cfg, const char *section, const char *key);

/** Is a key of this section, or of one of its parts ("linear.x.key"), given? */
bool es_config_has(const es_config *cfg, const char *section);

/** Write all sections as a runnable INI with effective values (given or default).
 *  Annotated: with doc, unit, bounds and choices as comments. */
void es_config_write(const es_config *cfg, const es_section *sections, size_t n,
                     bool annotated, FILE *out);

/** The same as an allocated string (free with es_free). */
es_status es_config_text(const es_config *cfg, const es_section *sections, size_t n,
                         bool annotated, char **text);

/** Call visit(ctx, "section.key", value) for each given key that es_config_get has not
 *  read. */
void es_config_unused(const es_config *cfg,
                      void (*visit)(void *ctx, const char *key, const char *value),
                      void *ctx);

/** What a variant reads of the section that names it, beside what all variants read. */
typedef struct es_reader {
  const char *name; /**< of the variant */
  const char *keys; /**< "path|size"; NULL: none */
} es_reader;
bool es_reader_has(const es_reader *r, const char *key);
/** "a, b or c", the names of those that read `key`. @return how many they are */
int es_readers_of(const es_reader *list, size_t n, const char *key, char *text,
                  size_t size);

/** After es_config_get of section `s`: keys that were given, with another value than the
 *  default, and that are read by others of the list but not by `selected`, count as
 *  unused, and es_config_warn_unused says who reads them. */
void es_config_unread(es_config *cfg, const es_section *s, const es_reader *list,
                      size_t n, const char *selected);

/** Warn of the keys of overrides that es_config_get has not read, by name, and of the
 *  number of others in files.
 *  @param where  the file that lists them all; NULL: none does, and these are not told */
void es_config_warn_unused(const es_config *cfg, const char *where);

/** Call visit for each key of the sections with its effective value: for provenance. */
void es_config_each(const es_config *cfg, const es_section *sections, size_t n,
                    void (*visit)(void *ctx, const char *key, const char *value),
                    void *ctx);

/** The text of a value of "section.key" in one form for all ways to write it: "1e-3" and
 *  "0.001" both give "0.001". What is no value of the key's type stays as it is, cut to
 *  size. */
void es_config_canonical(const char *key, const char *text, const es_section *sections,
                         size_t n, char out[ES_STRING_MAX]);

/** As es_config_each, for the keys whose effective value is not the default; values in
 *  their canonical form. */
void es_config_each_changed(const es_config *cfg, const es_section *sections, size_t n,
                            void (*visit)(void *ctx, const char *key, const char *value),
                            void *ctx);

/** Split "a, b,c" into at most `max` trimmed items; "" and "none" give 0 items.
 *  @param key  name of the parameter, for messages
 *  @return ES_ECONFIG if too many or an item is longer than 63 characters */
es_status es_split(const char *key, const char *text, size_t max, char items[][64],
                   size_t *n);

#endif
