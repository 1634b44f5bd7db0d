/* SPDX-License-Identifier: BSD-3-Clause */
/** @file steps.c  ntk.at. */
#include "steps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/held_out.h"

static es_status parse_step(const char *text, int64_t *step) {
  char *end = NULL;
  if (strcmp(text, "first") == 0 || strcmp(text, "last") == 0) {
    *step = text[0] == 'f' ? ES_HELD_OUT_FIRST : ES_HELD_OUT_LAST;
    return ES_OK;
  }
  errno = 0;
  *step = strtoll(text, &end, 10);
  ES_CHECK(errno == 0 && end != text && *end == '\0' && *step >= 0, ES_ECONFIG,
           "ntk.at: got '%s', expected first, last or the step of a checkpoint", text);
  if (*step == 0) *step = ES_HELD_OUT_FIRST;
  return ES_OK;
}

es_status es_ntk_steps(const char *at, int *n, int64_t step[ES_NTK_TIMES]) {
  char item[ES_NTK_TIMES][64];
  size_t items = 0;
  ES_TRY(es_split("ntk.at", at, ES_NTK_TIMES, item, &items));
  ES_CHECK(items > 0, ES_ECONFIG, "ntk.at: got no step, expected at least one");
  for (size_t i = 0; i < items; i++) {
    ES_TRY(parse_step(item[i], &step[i]));
    const bool rises = i == 0 || (step[i - 1] != ES_HELD_OUT_LAST &&
                                  (step[i] == ES_HELD_OUT_LAST || step[i] > step[i - 1]));
    ES_CHECK(rises, ES_ECONFIG, "ntk.at: got '%s', expected ascending steps", at);
  }
  *n = (int) items;
  return ES_OK;
}
