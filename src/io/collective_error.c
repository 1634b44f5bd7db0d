/* SPDX-License-Identifier: BSD-3-Clause */
/** @file collective_error.c  Agree on the failure of any rank (see
 *  collective_error.h). */
#include "eigenstep/collective_error.h"

#include <stdarg.h>
#include <stdio.h>

void es_collective_error_set_(es_collective_error *n, const char *where, es_status st,
                              const char *fmt, ...) {
  if (n->status != ES_OK) return;
  n->status = st;
  snprintf(n->where, sizeof n->where, "%s", where);
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(n->text, sizeof n->text, fmt, ap);
  va_end(ap);
}

es_status es_collective_error_agree(const es_comm *c, const es_collective_error *n) {
  return es_collective_error_agree_max(c, n, NULL, 0);
}

es_status es_collective_error_agree_max(const es_comm *c, const es_collective_error *n,
                                        int64_t *wants, int k) {
  int64_t all[1 + ES_AGREED_MAXIMA] = {n->status == ES_OK ? 0 : c->size - c->rank};
  for (int i = 0; i < k; i++) all[1 + i] = wants[i];
  es_comm_max_i64(c, all, 1 + k);
  for (int i = 0; i < k; i++) wants[i] = all[1 + i];
  if (all[0] == 0) return ES_OK;
  const int who = c->size - (int) all[0];
  es_collective_error first = *n;
  es_comm_bcast(c, &first, sizeof first, who);
  if (c->rank == 0 && who == 0) es_log(ES_LOG_ERROR, first.where, "%s", first.text);
  if (c->rank == 0 && who != 0) {
    es_log(ES_LOG_ERROR, first.where, "rank %d: %s", who, first.text);
  }
  return first.status;
}
