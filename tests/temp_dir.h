/* SPDX-License-Identifier: BSD-3-Clause */
/** @file temp_dir.h  A folder of its own for each test: cmocka's state is its path. */
#ifndef ES_TESTS_TEMP_DIR_H
#define ES_TESTS_TEMP_DIR_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int make_dir(void **state) {
  static char dir[64];
  strcpy(dir, "/tmp/eigenstep_unit.XXXXXX");
  *state = mkdtemp(dir);
  return *state == NULL;
}

static int remove_dir(void **state) {
  char path[512];
  DIR *d = opendir(*state);
  for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
    snprintf(path, sizeof path, "%s/%s", (char *) *state, e->d_name);
    unlink(path);
  }
  closedir(d);
  return rmdir(*state);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

#endif
