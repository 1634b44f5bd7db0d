/* SPDX-License-Identifier: BSD-3-Clause */
/** @file step_rate.c  How fast this machine computes, measured in a moment. */
#include "eigenstep/step_rate.h"

#include <cblas.h>
#include <math.h>
#include "eigenstep/assembly.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"

enum {
  MOST = 64,   /* pairs: more do not compute faster */
  LEAST = 2,   /* batch norm needs two, most losses too */
  TIMES = 3,   /* steps that are timed */
  ORDER = 1024 /* of the matrices that are timed */
};

static const double enough = 30e9; /* operations of a step: a fraction of a second */

double es_product_rate(void) {
  const size_t square = (size_t) ORDER * ORDER;
  double *a = NULL, best = 0;
  if (ES_NEW(3 * square, &a) != ES_OK) return 0;
  for (size_t i = 0; i < 2 * square; i++) a[i] = (double) (i % 7);
  for (int i = 0; i < TIMES; i++) {
    const double began = es_now();
    cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, ORDER, ORDER, ORDER, 1, a, ORDER,
                a + square, ORDER, 0, a + 2 * square, ORDER);
    const double rate = 2.0 * ORDER * ORDER * ORDER / (es_now() - began);
    if (rate > best) best = rate;
  }
  es_free(&a);
  return best;
}

/* Seconds of forward and backward, the least of some steps after one that warms up. */
static es_status time_steps(const es_assembly *p, double *seconds) {
  const es_clock *const clock = es_train_clock(p->train);
  es_batch *batch = NULL;
  es_step_result r;
  *seconds = INFINITY;
  ES_TRY(es_loader_get(p->input.loader, 0, &batch));
  for (int i = 0; i <= TIMES; i++) {
    const double before =
        clock->seconds[ES_PHASE_FORWARD] + clock->seconds[ES_PHASE_BACKWARD];
    ES_TRY(es_train_step(p->train, batch, 0, &r));
    const double took =
        clock->seconds[ES_PHASE_FORWARD] + clock->seconds[ES_PHASE_BACKWARD] - before;
    if (i > 0 && took < *seconds) *seconds = took;
  }
  return ES_OK;
}

/* This run as one rank takes it, with so many pairs. */
static es_settings small_run(const es_settings *s, int64_t pairs) {
  es_settings few = *s; /* its variants are borrowed */
  few.batch.pairs = few.spectrum.probe = pairs;
  few.batch.micro = 0;
  few.parallel.deterministic = false;
  few.precondition.eps = 0;
  few.accuracy.list[0] = '\0';
  return few;
}

static es_status measure(const es_comm *c, const es_settings *s, double flops,
                         double *rate, int64_t *pairs) {
  const double pair = 6 * flops; /* both views; backward counts twice */
  const double most = fmin(fmin(enough / pair, MOST), (double) s->batch.pairs);
  *pairs = most > LEAST ? (int64_t) most : LEAST;
  const es_settings few = small_run(s, *pairs);
  es_assembly *p = NULL;
  es_comm *self = NULL;
  double seconds = 0;
  ES_TRY(es_comm_create_part(c, MPI_COMM_SELF, &self));
  es_status st = es_assembly_create(self, &few, &p);
  if (st == ES_OK) st = time_steps(p, &seconds);
  if (st == ES_OK) *rate = pair * (double) *pairs / seconds;
  es_assembly_destroy(&p);
  es_comm_destroy(&self);
  return st;
}

es_status es_step_rate(const es_comm *c, const es_settings *s, double flops, double *rate,
                       int64_t *pairs) {
  es_status st = ES_OK;
  if (c->rank == 0) {
    const es_log_scope before = es_log_enter(0);
    const int busy = es_progress_depth();
    st = measure(c, s, flops, rate, pairs);
    es_progress_unwind(busy);
    es_log_leave(before);
    if (st == ES_ECONFIG || st == ES_ENOTSUP || st == ES_EDEVICE) {
      *rate = 0;
      st = ES_OK;
    }
    if (st != ES_OK) es_error("%s", es_log_last_error());
  }
  ES_TRY(es_comm_agree(c, st));
  es_comm_bcast(c, rate, sizeof *rate, 0);
  es_comm_bcast(c, pairs, sizeof *pairs, 0);
  return ES_OK;
}
