/* SPDX-License-Identifier: BSD-3-Clause */
/** @file label_index.c  Labels of the bank, sorted and numbered (label_index.h). */
#include "label_index.h"

#include <stdlib.h>
#include "eigenstep/mem.h"

static int ascending(const void *a, const void *b) {
  const int x = *(const int *) a, y = *(const int *) b;
  return (x > y) - (x < y);
}

/* Number of different values, which come first. */
static int64_t keep_different(int *x, int64_t n) {
  int64_t kept = 0;
  qsort(x, (size_t) n, sizeof *x, ascending);
  for (int64_t i = 0; i < n; i++)
    if (i == 0 || x[i] != x[i - 1]) x[kept++] = x[i];
  return kept;
}

static void number(const int *known, int64_t n, const es_label_list *list) {
  for (int64_t i = 0; i < list->n; i++) {
    const int *const at =
        bsearch(&list->label[i], known, (size_t) n, sizeof *known, ascending);
    list->label[i] = at != NULL ? (int) (at - known) : -1;
  }
}

es_status es_labels_compact(const es_comm *c, int64_t total, const es_label_list *bank,
                            const es_label_list *test, int *classes) {
  int *all = NULL;
  if (*classes <= total) return ES_OK;
  es_status st = ES_COMM_NEW(c, total, &all);
  if (st == ES_OK) st = es_comm_allgather(c, bank->label, bank->n, sizeof *all, all);
  if (st == ES_OK) {
    const int64_t n = keep_different(all, total);
    number(all, n, bank);
    number(all, n, test);
    *classes = (int) n;
  }
  es_free(&all);
  return st;
}
