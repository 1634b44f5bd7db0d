/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim.h  Optimisers (optim_list.h) and learning-rate schedules
 *  (sched_list.h). */
#ifndef ES_OPTIM_H
#define ES_OPTIM_H

#include "eigenstep/partition.h"
#include "eigenstep/param.h"
#include "eigenstep/params.h"

/** Section [optim]. */
typedef struct es_optim_params {
  es_string name;
  double lr; /**< NaN: auto, to be chosen before the optimiser is used */
  double momentum, weight_decay;
  double lr_1d; /**< rate of 1-D tensors (biases, gains) over that of the others */
  bool nesterov;
} es_optim_params;
extern const es_param es_optim_table[];

/** Section [sched]. */
typedef struct es_sched_params {
  es_string name;
  int64_t warmup; /**< steps of linear warm-up from 0 */
  double final;   /**< cosine: last learning rate as a fraction of the base */
} es_sched_params;
extern const es_param es_sched_table[];

/** Several ranks may share the work of one update: each updates ranges of the flat
 *  buffers, and what it needs of whole tensors is summed first, over all ranges of all
 *  ranks. An optimiser does not depend on where its ranges begin and end. Sums of one
 *  update are collected in the backend's memory and read once. */
typedef struct es_optim es_optim;
/** What `finish` of an update computes and sends; for the cost model (step_model.h). */
typedef struct es_optim_work {
  double operations, most; /**< of all tensors; of that which takes most */
  double numbers;          /**< of all these tensors */
} es_optim_work;
typedef struct es_optim_ops {
  const char *name, *doc;
  const es_param *params; /**< table of section [optim.NAME], NULL for none */
  size_t size;            /**< of its parameter struct */
  int moments;   /**< flat buffers of n elements it needs besides value and grad */
  bool momentum; /**< optim.momentum and optim.nesterov have a meaning; with a momentum of
                      0 it needs no moments, and `update` passes on those it has not */
  int sums;      /**< sums over each tensor that update reads (norms), the last one g'g of
                      its gradient; 0: elementwise */
  /** Add what the elements of `r` contribute to the sums of their tensors,
   *  o->partial [n_tensors, sums]. NULL where sums is 0. */
  es_status (*gather)(es_optim *o, es_range r);
  /** Update the elements of `r`, reading o->sum. */
  es_status (*update)(es_optim *o, double lr, es_range r);
  /** Collective over o->comm. Update whole tensors once all ranges are updated; what is
   *  computed of a tensor is computed by one rank, for all. Optional (NULL: elements were
   *  enough). */
  es_status (*finish)(es_optim *o, double lr);
  /** What it takes, by the values of section [optim.NAME]; with `finish`. */
  es_optim_work (*finishes)(const void *own, const es_params *p);
  /** Numbers of o->work. Optional (NULL: none). */
  size_t (*workspace)(const es_params *p);
} es_optim_ops;
struct es_optim {
  const es_optim_ops *ops;
  es_optim_params par;
  void *own;         /* owned: values of section [optim.NAME] */
  es_params *params; /* borrowed; must outlive */
  const es_comm
      *comm;        /* borrowed: the ranks that hold these parameters, NULL: this one */
  int moments;      /**< es_optim_moments */
  es_buf moment[2]; /* owned [n] each, as many as that; else NULL */
  es_shared *shared[2]; /* owned: their memory if the ranks of a node share them */
  es_buf64 partial;     /* owned [n_tensors, ops->sums], at least [1]: this rank's sums */
  es_buf work;          /* owned [ops->workspace] */
  double *sum;          /* owned [n_tensors, ops->sums]: those of all ranks */
  int64_t steps;        /**< updates done */
};

/** Sections optim and optim.NAME of the optimisers that have one, appended to s[max];
 *  returns how many. */
size_t es_optim_sections(es_section *s, size_t max);
/** Not collective. Find by name; check momentum and nesterov against it.
 *  @return ES_OK, ES_ECONFIG */
es_status es_optim_find(const es_optim_params *par, const es_optim_ops **ops);
/** Flat buffers that an optimiser keeps with these parameters. */
int es_optim_moments(const es_optim_params *par, const es_optim_ops *ops);
/** Not collective. An optimiser with zeroed moments; the caller destroys *o.
 *  @param own     values of section [optim.NAME], copied; NULL: its defaults
 *  @param params  allocated; borrowed, must outlive
 *  @return ES_OK, ES_ECONFIG (as es_optim_find), ES_ENOMEM */
es_status es_optim_create(const es_optim_params *par, const void *own, es_params *params,
                          es_optim **o);
void es_optim_destroy(es_optim **o);
/** Collective, after es_params_share. Hold one of each moment a node too, contents kept.
 *  @param moment  [moments] one part of n floats each; owned from now on */
void es_optim_share(es_optim *o, es_shared *const *moment);
/** Not collective. params.value <- update(value, grad, lr), all elements on this rank. */
es_status es_optim_update(es_optim *o, double lr);
/** Collective where the parameters are shared, after es_optim_norm of the same gradients
 *  and ranges. The update of this rank's ranges only; the other ranks update theirs. With
 *  ops->finish ranges are parts of the whole only where parameters and moments are
 *  shared. */
es_status es_optim_update_part(es_optim *o, double lr, const es_partition *d);
/** Collective. Norm of the whole gradient, of which this rank holds the ranges of d, and
 *  in the same pass the sums that the update reads. Not finite, on any rank, if an
 *  element is not. */
es_status es_optim_norm(es_optim *o, const es_partition *d, double *norm);
/** Not collective. State visitor: "optim/moment0", ..., "optim/steps". */
es_status es_optim_visit(es_optim *o, es_visitor *v);

typedef struct es_sched_ops {
  const char *name, *doc;
  const char *reads; /**< "final": keys of [sched] that not all schedules read */
  /** Factor on the base rate at `step` of `steps` after warm-up. */
  double (*factor)(const es_sched_params *p, int64_t step, int64_t steps);
} es_sched_ops;
size_t es_sched_list(const es_sched_ops *const **list);
/** Find by name. @return ES_OK, ES_ECONFIG */
es_status es_sched_find(const es_sched_params *p, const es_sched_ops **ops);
/** Learning rate of step (0-based): base x warm-up factor (step+1)/warmup, then the
 *  schedule. */
double es_sched_lr(const es_sched_ops *ops, const es_sched_params *p, double base,
                   int64_t step, int64_t steps);

#endif
