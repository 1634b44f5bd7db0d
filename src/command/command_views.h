/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_views.h  Section [views]. */
#ifndef ES_COMMAND_VIEWS_H
#define ES_COMMAND_VIEWS_H

#include "eigenstep/param.h"

typedef struct es_views_params {
  es_string file;
  int64_t count, first, epoch;
  bool normalized;
} es_views_params;
extern const es_param es_views_table[];

#endif
