/* SPDX-License-Identifier: BSD-3-Clause */
/** @file home.c  "~/x" as a path: a shell expands it at the beginning of a word only, not
 *  behind "output.dir=" nor in a parameter file. */
#define _POSIX_C_SOURCE 200809L
#include "home.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool es_home_expand(const char *text, char *path, size_t size) {
  char user[64];
  if (text[0] != '~') return snprintf(path, size, "%s", text) < (int) size;
  const size_t n = strcspn(text + 1, "/");
  if (n >= sizeof user) return false;
  memcpy(user, text + 1, n);
  user[n] = '\0';
  const struct passwd *const entry = n > 0 ? getpwnam(user) : getpwuid(getuid());
  if (entry == NULL || entry->pw_dir[0] != '/') return false;
  return snprintf(path, size, "%s%s", entry->pw_dir, text + 1 + n) < (int) size;
}
