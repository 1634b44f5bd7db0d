/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_unread.c  Keys of a section that some of its variants read, but not the
 *  one that is selected: a value given for them has no effect. */
#include <string.h>

#include "param_private.h"

bool es_reader_has(const es_reader *r, const char *key) {
  const size_t length = strlen(key);
  for (const char *c = r->keys; c != NULL;) {
    const size_t n = strcspn(c, "|");
    if (n == length && strncmp(c, key, n) == 0) return true;
    c = c[n] == '|' ? c + n + 1 : NULL;
  }
  return false;
}

int es_readers_of(const es_reader *list, size_t n, const char *key, char *text,
                  size_t size) {
  int found = 0, written = 0;
  size_t used = 0;
  for (size_t i = 0; i < n; i++) found += es_reader_has(&list[i], key);
  text[0] = '\0';
  for (size_t i = 0; i < n && used < size; i++) {
    if (!es_reader_has(&list[i], key)) continue;
    const char *const gap = written == 0 ? "" : written + 1 < found ? ", " : " or ";
    used += (size_t) snprintf(text + used, size - used, "%s%s", gap, list[i].name);
    written++;
  }
  return found;
}

void es_config_unread(es_config *cfg, const es_section *s, const es_reader *list,
                      size_t n, const char *selected) {
  const es_reader *own = NULL;
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i].name, selected) == 0) own = &list[i];
  if (cfg == NULL) return;
  for (const es_param *row = s->table; own != NULL && row->name != NULL; row++) {
    char key[ES_KEY_MAX], readers[ES_KEY_MAX];
    es_config_key(s->name, row->name, key);
    es_given *const given = es_config_find(cfg, key);
    if (given == NULL || strcmp(given->value, row->value) == 0) continue;
    if (es_reader_has(own, row->name)) continue;
    if (es_readers_of(list, n, row->name, readers, sizeof readers) == 0) continue;
    given->used = false;
    snprintf(given->why, sizeof given->why, "%s.name = %s; it is for %s.name = %s",
             s->name, selected, s->name, readers);
  }
}
