/* SPDX-License-Identifier: BSD-3-Clause */
/** @file folder_name.c  What an output folder is called where output.dir is not given. */
#include "eigenstep/folder_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/param.h"

enum { NAME = 96, TRIES = 10000 };

/* "out/e.h5:/a/z" -> "e-a-z"; "inputs/quickstart/run.ini" -> "quickstart". */
static void short_name(const char *input, char name[NAME]) {
  static const char *const ending[] = {".ini", ".h5", ".hdf5", ".npy", ".safetensors"};
  char text[NAME] = "";
  const char *const set = strstr(input, ":/");
  const size_t file = set != NULL ? (size_t) (set - input) : strlen(input);
  size_t from = file;
  while (from > 0 && input[from - 1] != '/') from--;
  if (strcmp(input + from, "run.ini") == 0 && from > 1) { /* then its folder tells more */
    from--;
    while (from > 0 && input[from - 1] != '/') from--;
  }
  snprintf(text, sizeof text, "%s", input + from);
  char *at = strstr(text, "/run.ini");
  if (at != NULL && at[8] == '\0') *at = '\0';
  for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
    const size_t n = strlen(ending[i]);
    at = strstr(text, ending[i]);
    if (at != NULL && (at[n] == '\0' || at[n] == ':'))
      memmove(at, at + n, strlen(at + n) + 1);
  }
  size_t n = 0;
  for (const char *c = text; *c != '\0'; c++) {
    const bool plain = isalnum((unsigned char) *c) || *c == '_' || *c == '.';
    if (plain || (n > 0 && name[n - 1] != '-')) name[n++] = plain ? *c : '-';
  }
  while (n > 0 && name[n - 1] == '-') n--;
  name[n] = '\0';
}

es_status es_folder_name(const es_comm *c, es_config *cfg, const char *command,
                         const char *input) {
  char name[NAME], dir[3 * NAME];
  if (es_config_given(cfg, "output", "dir") != NULL) return ES_OK;
  es_status st = ES_OK;
  if (c->rank == 0) {
    short_name(input, name);
    for (int i = 1; i < TRIES; i++) {
      const int n =
          snprintf(dir, sizeof dir, "%s%s%s", command, name[0] ? "-" : "", name);
      if (i > 1) snprintf(dir + n, sizeof dir - (size_t) n, "-%d", i);
      if (access(dir, F_OK) != 0) break;
    }
  }
  es_comm_bcast(c, dir, sizeof dir, 0);
  st = es_config_default(cfg, "output.dir", dir);
  return es_comm_agree(c, st);
}
