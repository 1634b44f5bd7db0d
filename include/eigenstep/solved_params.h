/* SPDX-License-Identifier: BSD-3-Clause */
/** @file solved_params.h  Sections [linear] and [kernel]: the models that are solved. */
#ifndef ES_SOLVED_PARAMS_H
#define ES_SOLVED_PARAMS_H

#include "eigenstep/param.h"

enum { ES_LINEAR_OF_LOSS, ES_LINEAR_JEPA, ES_LINEAR_MAE };
enum { ES_LINEAR_GD, ES_LINEAR_FLOW, ES_LINEAR_DIRECT, ES_LINEAR_MUON };

typedef struct es_linear_params {
  int64_t dim, sample, steps, rows, batch, modes, depth;
  double alpha, lr, momentum, offdiag, weight_decay, tol;
  es_list times;
  bool center;
  int model, method;
  es_string solver;
} es_linear_params;
extern const es_param es_linear_table[];

enum { ES_KERNEL_GD, ES_KERNEL_FLOW, ES_KERNEL_DIRECT };
enum { ES_KERNEL_AUTO, ES_KERNEL_FULL, ES_KERNEL_SUBSPACE };

typedef struct es_kernel_params {
  es_string name;
  int64_t dim, sample, held_out, steps, rows, seeds, modes;
  double alpha, lr, offdiag, weight_decay, tol, memory;
  es_list times, widths;
  bool center;
  int method, solver;
} es_kernel_params;
extern const es_param es_kernel_table[];

#endif
