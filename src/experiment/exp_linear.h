/* SPDX-License-Identifier: BSD-3-Clause */
/** @file exp_linear.h  Section [linear]. */
#ifndef ES_EXP_LINEAR_H
#define ES_EXP_LINEAR_H

#include "eigenstep/param.h"

enum { ES_LINEAR_GD, ES_LINEAR_FLOW, ES_LINEAR_DIRECT };

typedef struct es_linear_params {
  int64_t dim, sample, steps, rows, batch, modes;
  double alpha, lr, offdiag, weight_decay, tol;
  es_list times;
  bool center;
  int method;
  es_string solver;
} es_linear_params;
extern const es_param es_linear_table[];

#endif
