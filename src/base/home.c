/* SPDX-License-Identifier: BSD-3-Clause */
/** @file home.c  "~/x" as a path: a shell expands it at the beginning of a word only, not
 *  behind "output.dir=" nor in a parameter file. */
#define _POSIX_C_SOURCE 200809L
#include "home.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOO_LONG "expected fewer characters, those of the home folder counted"

const char *es_home_expand(const char *text, char *path, size_t size) {
  char user[64];
  const char *home = "";
  if (text[0] == '~') {
    const size_t n = strcspn(text + 1, "/");
    if (n >= sizeof user) return TOO_LONG;
    memcpy(user, text + 1, n);
    user[n] = '\0';
    /* in a container the system may know the number of a user only */
    const struct passwd *const entry = n > 0 ? getpwnam(user) : getpwuid(getuid());
    if (entry == NULL || entry->pw_dir[0] != '/')
      return n > 0
                 ? "of a user without a home folder, expected another name, or the whole "
                   "path, from / on"
                 : "but the system has no home folder for the user who runs this "
                   "(getent passwd), expected the whole path, from / on";
    home = entry->pw_dir;
    text += 1 + n;
  }
  if (strlen(home) + strlen(text) >= size) return TOO_LONG;
  snprintf(path, size, "%s%s", home, text);
  return NULL;
}
