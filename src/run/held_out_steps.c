/* SPDX-License-Identifier: BSD-3-Clause */
/** @file held_out_steps.c  Which steps of a run a text names. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/held_out.h"

static es_status parse_step(const char *key, const char *text, int64_t *step) {
  char *end = NULL;
  if (strcmp(text, "first") == 0 || strcmp(text, "last") == 0) {
    *step = text[0] == 'f' ? ES_HELD_OUT_FIRST : ES_HELD_OUT_LAST;
    return ES_OK;
  }
  errno = 0;
  *step = strtoll(text, &end, 10);
  ES_CHECK(errno == 0 && end != text && *end == '\0' && *step >= 0, ES_ECONFIG,
           "%s: got '%s', expected first, last or the step of a checkpoint", key, text);
  if (*step == 0) *step = ES_HELD_OUT_FIRST;
  return ES_OK;
}

es_status es_held_out_steps(const char *key, const char *text, int *n,
                            int64_t step[ES_HELD_OUT_STEPS]) {
  char item[ES_HELD_OUT_STEPS][64];
  size_t items = 0;
  ES_TRY(es_split(key, text, ES_HELD_OUT_STEPS, item, &items));
  ES_CHECK(items > 0, ES_ECONFIG, "%s: got no step, expected at least one", key);
  for (size_t i = 0; i < items; i++) {
    ES_TRY(parse_step(key, item[i], &step[i]));
    const bool rises = i == 0 || (step[i - 1] != ES_HELD_OUT_LAST &&
                                  (step[i] == ES_HELD_OUT_LAST || step[i] > step[i - 1]));
    ES_CHECK(rises, ES_ECONFIG, "%s: got '%s', expected ascending steps", key, text);
  }
  *n = (int) items;
  return ES_OK;
}

es_status es_held_out_all_steps(const char *key, const es_comm *c, const char *dir,
                                int *n, int64_t step[ES_HELD_OUT_STEPS]) {
  char path[ES_STRING_MAX + 16];
  int64_t found = 0;
  snprintf(path, sizeof path, "%s/ckpt", dir);
  if (c->rank == 0) {
    const int all = es_ckpt_count(path);
    found = all < 0 ? -1 : es_ckpt_list(path, ES_HELD_OUT_STEPS, step);
    if (found < 0) es_error("cannot read the folder %s: %s", path, strerror(errno));
    if (all > found)
      es_warn("%s: got %d checkpoints in %s, of which the newest %lld are taken; name "
              "steps to have others",
              key, all, path, (long long) found);
  }
  es_comm_bcast(c, &found, sizeof found, 0);
  es_comm_bcast(c, step, ES_HELD_OUT_STEPS * sizeof *step, 0);
  if (found < 0) return ES_EIO;
  ES_CHECK(found > 0, ES_EIO, "got no complete checkpoint in %s", path);
  *n = (int) found;
  return ES_OK;
}
