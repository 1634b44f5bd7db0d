/* SPDX-License-Identifier: BSD-3-Clause */
/** @file accuracy.h  Section [accuracy]: accuracy of classifiers on frozen features
 *  during training. Features are the encoder's output (before the projector) for a
 *  labelled bank of training records and for held-out records: whole images without
 *  random augmentation, batch normalisation by its running averages. No gradient reaches
 *  the encoder. Variants: accuracy_list.h. */
#ifndef ES_ACCURACY_H
#define ES_ACCURACY_H

#include "eigenstep/cadence.h"
#include "eigenstep/probe_data.h"
#include "eigenstep/traj.h"

/** Features with labels, distributed over the ranks. */
typedef struct es_labelled {
  int64_t n, total; /**< records on this rank, on all ranks */
  int dim, classes;
  float *x;    /**< [n, dim] features; owned */
  int *label;  /**< [n] 0 .. classes - 1; owned */
  int64_t *id; /**< [n] 0 .. total - 1; owned */
} es_labelled;

typedef struct es_accuracy_ops {
  const char *name, *doc;
  const es_param *params; /**< table of section [accuracy.NAME] */
  size_t size;
  /** Collective. Fraction of `test` whose label is predicted correctly from `bank`: the
   *  same on all ranks and at any rank count, but for ties within round-off. */
  es_status (*eval)(const es_comm *c, const void *par, const es_labelled *bank,
                    const es_labelled *test, double *value);
} es_accuracy_ops;
size_t es_accuracy_list(const es_accuracy_ops *const **list);

/** Section [accuracy]. */
typedef struct es_accuracy_params {
  es_string list;  /**< "knn, linear" */
  es_string every; /**< as spectrum.every; empty: with each snapshot */
  int64_t bank, test;
} es_accuracy_params;
extern const es_param es_accuracy_table[];

/** Sections accuracy and accuracy.NAME, appended to s[max]; returns how many. */
size_t es_accuracy_sections(es_section *s, size_t max);

/** The variants of accuracy.list, each with the values of its section; n = 0: nothing is
 *  measured. */
enum { ES_ACCURACY_MAX = 8 };
typedef struct es_accuracy_choice {
  int n;
  const es_accuracy_ops *ops[ES_ACCURACY_MAX];
  void *par[ES_ACCURACY_MAX]; /**< [ops->size] bytes each */
} es_accuracy_choice;
/** Find the variants of a list; par stays NULL. @return ES_OK; ES_ECONFIG (unknown) */
es_status es_accuracy_find(const char *list, es_accuracy_choice *c);

/** When accuracies are due, given when snapshots are.
 *  @return ES_OK; ES_ECONFIG (accuracy.every is no cadence): *c unchanged */
es_status es_accuracy_cadence(const es_accuracy_params *p, const es_cadence *snapshots,
                              es_cadence *c);

/** Where features come from. All borrowed; from each loader the first view of the first
 *  `bank` (`test`) records is taken. */
typedef struct es_accuracy_source {
  es_net *net;  /**< the evaluation network */
  int features; /**< its value that holds the features */
  int micro;    /**< pairs it has room for, at most; 0 = a whole batch */
  es_loader *bank_loader, *test_loader;
  int64_t bank, test, chunk; /**< records; records of a forward, as the loaders have */
  int classes;
  const char *data_name;
} es_accuracy_source;

typedef struct es_accuracy es_accuracy;

/** Collective. Declare /metrics/NAME_accuracy in the trajectory. The trajectory and the
 *  values of `which` are borrowed and must outlive it. */
es_status es_accuracy_create(const es_comm *c, const es_accuracy_choice *which,
                             const es_accuracy_source *s, es_traj *traj, es_accuracy **a);
void es_accuracy_destroy(es_accuracy **a);
/** Collective. Features of both sets as the network is now, accuracies, a row each at
 *  this step and time. */
es_status es_accuracy_measure(es_accuracy *a, int64_t step, double time);
/** Is this series of the trajectory one of its accuracies? false without any (NULL). */
bool es_accuracy_owns(const es_accuracy *a, int series);
/** Last value of a variant, NaN if not measured. */
double es_accuracy_value(const es_accuracy *a, const char *name);

#endif
