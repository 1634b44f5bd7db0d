/* SPDX-License-Identifier: BSD-3-Clause */
/** @file transition_note.c  What is to be said of a row of the transition detector. */
#include <math.h>
#include <stdio.h>
#include "eigenstep/transitions.h"

void es_transition_note(const es_transition *row, int64_t steps, char text[64]) {
  char first[32] = "in the first snapshot";
  if (isfinite(row->step_first))
    snprintf(first, sizeof first, "at step %.0f", row->step_first);
  text[0] = '\0';
  switch (row->state) {
  case ES_MODE_LEARNED:
    if (!isfinite(row->forecast.gamma)) snprintf(text, 64, "no exponential phase seen");
    break;
  case ES_MODE_UNSTABLE:
    snprintf(text, 64, "unstable: above first %s, then fell", first);
    break;
  case ES_MODE_FROM_START:
    snprintf(text, 64, "above half its value from the start");
    break;
  case ES_MODE_FELL:
    snprintf(text, 64, "unstable: above %s, then fell", first);
    break;
  case ES_MODE_GROWING:
    snprintf(text, 64, "not reached within %lld steps", (long long) steps);
    break;
  case ES_MODE_STOPPED:
    snprintf(text, 64, "stopped at %.2g, below %.2g: not counted as learned", row->value,
             row->half);
    break;
  case ES_MODE_IRREGULAR:
    snprintf(text, 64, "not reached; growth irregular, no forecast");
    break;
  case ES_MODE_FLAT:
    snprintf(text, 64, "never rose above its noise");
    break;
  }
}
