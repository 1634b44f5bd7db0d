/* SPDX-License-Identifier: BSD-3-Clause */
/** @file condition.h  Conditions on parameters: comparisons joined by `and` and `or`,
 *  where `and` binds more strongly.
 *
 *      optim.lr > 1e-2 and loss.name = simclr or batch.pairs <= 16
 *
 *  A comparison is KEY OP VALUE with OP one of = == != < <= > >=; VALUE is a word, a
 *  list such as 64, 64, or a text in double quotes. Two numbers compare as numbers, two
 *  texts by = and != alone. Not collective. */
#ifndef ES_SWEEP_CONDITION_H
#define ES_SWEEP_CONDITION_H

#include "eigenstep/param.h"

enum { ES_CONDITION_MOST = 32 };

typedef struct es_comparison {
  char key[128], value[256];
  char op[3];
  bool or_before; /**< joined to the comparison before by `or`; else by `and` */
} es_comparison;

typedef struct es_condition {
  int n; /**< 0: never true */
  es_comparison term[ES_CONDITION_MOST];
} es_condition;

/** @param what  name of the condition in messages
 *  @return ES_OK, ES_ECONFIG (quotes the place) */
es_status es_condition_parse(const char *text, const char *what, es_condition *c);

/** Is it true of the values that value(ctx, key) gives? NULL from it: a comparison with
 *  that key is false. `<` and the like of a text is false. */
bool es_condition_holds(const es_condition *c,
                        const char *(*value)(void *ctx, const char *key), void *ctx);

#endif
