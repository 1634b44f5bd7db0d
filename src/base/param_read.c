/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_read.c  Values from INI text (libinih) and from overrides.
 *
 *  libinih parses sections and keys. The lines are passed to it by a reader that counts
 *  lines, strips comments (libinih's rules for them depend on how it was built) and
 *  indentation (libinih would join an indented line to the previous one), and rejects
 *  long lines. libinih silently truncates a line to its buffer (200 bytes by default);
 *  therefore the value is taken from the reader's line, and section and key are checked
 *  to fit the buffers of libinih. */
#include <ctype.h>
#include <ini.h>
#include <string.h>

#include "eigenstep/mem.h"
#include "param_private.h"

enum { LINE_SIZE = 4096, NAME_SIZE = 50 /* libinih's buffer for a section */ };

typedef struct reader {
  es_ini_visit *visit;
  void *ctx;
  const char *origin;
  const char *next; /**< text not yet read */
  int line;
  char text[LINE_SIZE]; /**< the current line, without comment and indentation */
  es_status status;
} reader;

char *es_trim(char *text) {
  while (isspace((unsigned char) *text)) text++;
  size_t n = strlen(text);
  while (n > 0 && isspace((unsigned char) text[n - 1])) text[--n] = '\0';
  return text;
}

static bool is_blank(char c) {
  return isspace((unsigned char) c) != 0;
}

/** The start of a comment, '#' or ';' at the start of a line or after a blank; NULL if
 *  there is none. */
static const char *find_comment(const char *text) {
  for (const char *c = text; *c != '\0'; c++)
    if ((*c == '#' || *c == ';') && (c == text || is_blank(c[-1]))) return c;
  return NULL;
}

/** Can an INI line hold this value? Required, so that run.ini can be read again. */
static bool is_storable(const char *value) {
  return strpbrk(value, "\n\r") == NULL && find_comment(value) == NULL;
}

static bool is_name(const char *name) {
  for (const char *c = name; *c != '\0'; c++)
    if (!isalnum((unsigned char) *c) && *c != '_' && *c != '-' && *c != '.') return false;
  return *name != '\0';
}

/** Check a section line, "[name]". */
static es_status check_section(const reader *r) {
  char name[LINE_SIZE];
  const size_t n = strlen(r->text);
  ES_CHECK(n > 2 && r->text[n - 1] == ']', ES_ECONFIG,
           "%s:%d: got '%.80s', expected [section] alone on its line", r->origin, r->line,
           r->text);
  memcpy(name, r->text + 1, n - 2);
  name[n - 2] = '\0';
  ES_CHECK(
      is_name(name) && n - 2 < NAME_SIZE, ES_ECONFIG,
      "%s:%d: got section '%.80s', expected letters, digits, '_', '-' and '.', at most "
      "%d of them",
      r->origin, r->line, name, NAME_SIZE - 1);
  return ES_OK;
}

/** Copy the next line of the text to r->text. */
static es_status load_line(reader *r) {
  const size_t n = strcspn(r->next, "\n");
  r->line++;
  ES_CHECK(n < LINE_SIZE, ES_ECONFIG,
           "%s:%d: got a line of %zu characters, expected at most %d", r->origin, r->line,
           n, LINE_SIZE - 1);
  memcpy(r->text, r->next, n);
  r->text[n] = '\0';
  r->next += n + (r->next[n] == '\n');
  const char *comment = find_comment(r->text);
  if (comment != NULL) r->text[comment - r->text] = '\0';
  char *start = es_trim(r->text);
  memmove(r->text, start, strlen(start) + 1);
  return r->text[0] == '[' ? check_section(r) : ES_OK;
}

/** fgets for libinih: the next line, truncated to its buffer. */
static char *next_line(char *buffer, int size, void *stream) {
  reader *r = stream;
  if (*r->next == '\0' || r->status != ES_OK) return NULL;
  r->status = load_line(r);
  if (r->status != ES_OK) return NULL;
  snprintf(buffer, (size_t) size, "%.*s\n", size - 2, r->text);
  return buffer;
}

/* The key and value of the reader's line, for the caller. */
static es_status pass_on(reader *r, const char *section) {
  char key[LINE_SIZE];
  char *const separator = strpbrk(r->text, "=:");
  snprintf(key, sizeof key, "%.*s", (int) (separator - r->text), r->text);
  const es_ini_line line = {.origin = r->origin,
                            .line = r->line,
                            .section = section,
                            .key = es_trim(key),
                            .value = es_trim(separator + 1)};
  return r->visit(r->ctx, &line);
}

/** Callback of libinih: returns 1 to continue, 0 on error. */
static int on_value(void *user, const char *section, const char *name,
                    const char *value) {
  reader *r = user;
  (void) value; /* possibly truncated: pass_on reads r->text */
  (void) name;  /* so is the key */
  r->status = pass_on(r, section);
  return r->status == ES_OK;
}

es_status es_ini_read(const char *text, const char *origin, es_ini_visit *visit,
                      void *ctx) {
  static const char bom[] = "\xEF\xBB\xBF";
  reader r = {.visit = visit, .ctx = ctx, .origin = origin, .next = text};
  if (strncmp(text, bom, sizeof bom - 1) == 0) r.next += sizeof bom - 1;
  const int rc = ini_parse_stream(next_line, &r, on_value, &r);
  if (r.status != ES_OK) return r.status;
  ES_CHECK(rc >= 0, ES_ENOMEM, "%s: out of memory while parsing (libinih)", origin);
  ES_CHECK(rc == 0, ES_ECONFIG, "%s:%d: expected [section] or key = value", origin, rc);
  return ES_OK;
}

/** A line of a configuration. */
static es_status store(void *ctx, const es_ini_line *at) {
  es_config *const cfg = ctx;
  char key[ES_KEY_MAX];
  ES_CHECK(*at->section != '\0', ES_ECONFIG,
           "%s:%d: got '%.80s' before any section, expected a [section] line first",
           at->origin, at->line, at->key);
  ES_CHECK(is_name(at->key) && strlen(at->section) + strlen(at->key) + 2 <= ES_KEY_MAX,
           ES_ECONFIG,
           "%s:%d: got key '%.80s', expected letters, digits, '_', '-' and '.'",
           at->origin, at->line, at->key);
  es_config_key(at->section, at->key, key);
  es_param_rename(key);
  const es_given *old = es_config_find(cfg, key);
  ES_CHECK(old == NULL || old->source != cfg->sources, ES_ECONFIG,
           "%s:%d: got '%s' a second time, expected each key once", at->origin, at->line,
           key);
  ES_CHECK(is_storable(at->value), ES_ECONFIG,
           "%s:%d: got '%.80s = %.80s', expected a blank before the comment, or a value "
           "that does "
           "not start with '#' or ';'",
           at->origin, at->line, at->key, at->value);
  es_config_key(at->section, at->key, key);
  ES_TRY(es_config_put(cfg, key, at->value, cfg->sources));
  char where[LINE_SIZE];
  snprintf(where, sizeof where, "%s:%d: ", at->origin, at->line);
  es_param_rename(key);
  return es_strdup(where, &es_config_find(cfg, key)->where);
}

es_status es_config_read_text(es_config *cfg, const char *text, const char *origin) {
  cfg->sources++;
  return es_ini_read(text, origin, store, cfg);
}

es_status es_config_set(es_config *cfg, const char *assignment) {
  const char *equals = strchr(assignment, '=');
  char text[LINE_SIZE];
  ES_CHECK(strlen(assignment) < sizeof text - ES_KEY_MAX, ES_ECONFIG,
           "override: got %zu characters, expected at most %d", strlen(assignment),
           LINE_SIZE - ES_KEY_MAX - 1);
  snprintf(text, sizeof text, "%s", assignment);
  if (equals != NULL) text[equals - assignment] = '\0';
  char *key = es_trim(text);
  const char *dot = strrchr(key, '.');
  const bool named = equals != NULL && is_name(key) && dot != NULL && dot != key &&
                     dot[1] != '\0' && strlen(key) < ES_KEY_MAX;
  ES_CHECK(named, ES_ECONFIG, "override '%.200s': expected section.key=value%s",
           assignment, equals == NULL ? " (files that belong together: A,B)" : "");
  char *value = es_trim(text + (equals - assignment) + 1);
  ES_CHECK(
      is_storable(value), ES_ECONFIG,
      "override '%.200s': got a value with a line break, or with '#' or ';' at its start "
      "or after a blank, expected none of these (a comment would start there)",
      assignment);
  return es_config_put(cfg, key, value, 0);
}
