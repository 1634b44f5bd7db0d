/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tune.c  Time the algorithms for each convolution, and agree on the best.
 *
 *  All ranks time the same candidates at the same time, as loaded as they will be in a
 *  step, and take the least mean over ranks: one choice for all, or their results would
 *  differ in rounding. */
#define _POSIX_C_SOURCE 200809L
#include "tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include "eigenstep/clock.h"
#include "conv_verify.h"
#include "eigenstep/mem.h"

enum {
  REPEATS = 4,
  ALGOS = 0
#define ES_CONV_ALGO(n) +1
#include "conv_algo_list.h"
#undef ES_CONV_ALGO
};

void es_onednn_key(const es_backend *b, const es_op_desc *d, es_pass pass, char *key) {
  static const char *const names[ES_PASSES] = {"forward", "data", "weights"};
  snprintf(key, ES_CHOICE_KEY, "%s t%d %dx%dx%d to %d k%d s%d p%d %s",
           es_precision_name(d->precision), b->threads, d->in.c, d->in.h, d->in.w,
           d->out.c, d->window.k, d->window.stride, d->window.pad, names[pass]);
}

/** Without timings: products where they fit; unrolled for maps of few positions and many
 *  weights, where the library's weight gradients are slow; else the library. */
static const es_conv_algo_ops *by_rule(const es_op_desc *d, es_pass pass) {
  if (es_conv_algo_product.fits(d, pass)) return &es_conv_algo_product;
  if (es_conv_algo_dense.fits(d, pass)) return &es_conv_algo_dense;
  const bool small = d->out.h * d->out.w <= 16 && d->in.c >= 128;
  return pass == ES_WEIGHTS && small ? &es_conv_algo_unrolled : &es_conv_algo_direct;
}

static const es_conv_algo_ops *algo_named(const char *name) {
  const es_conv_algo_ops *const *list;
  const size_t n = es_conv_algo_list(&list);
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i]->name, name) == 0) return list[i];
  return NULL;
}

static bool is_algo(const char *name) {
  return algo_named(name) != NULL;
}

es_status es_onednn_choices(es_choices **c) {
  char model[128] = "", line[256], library[96];
  struct utsname machine;
  if (uname(&machine) == 0) snprintf(model, sizeof model, "%s", machine.machine);
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    const char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
    snprintf(model, sizeof model, "%.*s", (int) strcspn(colon + 2, "\n\t"), colon + 2);
    break;
  }
  if (f != NULL) fclose(f);
  es_prim_engine_name(library, sizeof library);
  return es_choices_create(is_algo, model, library, c);
}

const es_conv_algo_ops *es_onednn_choice(const es_backend *b, const es_op_desc *d,
                                         es_pass pass, bool *timed) {
  const es_choices *c = ((const es_onednn *) b->impl)->tuned;
  char key[ES_CHOICE_KEY];
  es_onednn_key(b, d, pass, key);
  const es_choice *row = c != NULL ? es_choices_find(c, key, d->max_n) : NULL;
  const es_conv_algo_ops *const ops = row != NULL ? algo_named(row->algo) : NULL;
  *timed = ops != NULL && ops->fits(d, pass);
  return *timed ? ops : by_rule(d, pass);
}

/** Buffers for one shape. */
typedef struct trial {
  es_op_args args;
  void *buffer[6]; /* owned */
} trial;

static void trial_end(es_backend *b, trial *t) {
  for (int i = 0; i < 6; i++) es_blas_release(b, &t->buffer[i]);
}

static es_status trial_begin(es_backend *b, const es_op_desc *d, trial *t) {
  const size_t weights = (size_t) d->out.c * (size_t) d->in.c *
                         (size_t) (d->window.k * d->window.k) * sizeof(float);
  const es_act_type types[2] = {{d->in, d->precision}, {d->out, d->precision}};
  const size_t in = es_onednn_act_bytes(b, types[0], d->max_n);
  const size_t out = es_onednn_act_bytes(b, types[1], d->max_n);
  const size_t bytes[6] = {in, out, in, out, weights, weights};
  memset(t, 0, sizeof *t);
  for (int i = 0; i < 6; i++)
    ES_TRY(es_blas_alloc(b, bytes[i], "timing of convolutions", &t->buffer[i]));
  /* pages that were never written share one physical page, which stays in the cache */
  for (int i = 0; i < 6; i++) memset(t->buffer[i], 0x3c, bytes[i]);
  t->args = (es_op_args){.n = d->max_n,
                         .groups = 1,
                         .x = t->buffer[0],
                         .y = t->buffer[1],
                         .dx = t->buffer[2],
                         .dy = t->buffer[3],
                         .param.w = t->buffer[4],
                         .param.dw = t->buffer[5],
                         .param.set_dw = true}; /* as when a step is one pass */
  return ES_OK;
}

/** CPU seconds of this process, as other processes may be using the processor, too; with
 *  several threads, which wait for each other, wall-clock seconds. */
static double seconds_now(const es_backend *b) {
  return b->threads > 1 ? es_now() : (double) clock() / CLOCKS_PER_SEC;
}

/** Ranks that share the packing of weights (onednn_node.c). */
static int packers(const es_backend *b, const es_op_desc *d) {
  return d->forward_only || es_onednn_updates_whole(b) ? 1 : b->comm->node_size;
}

/** Seconds of one run; weights change with every step. */
static es_status time_once(es_conv_algo *w, const trial *t, double *seconds) {
  const es_backend *const b = w->backend;
  const double start = seconds_now(b);
  ES_TRY(es_conv_algo_ready(w, t->args.param.w, 0));
  const double packed = seconds_now(b);
  ES_TRY(w->ops->run(w, &t->args));
  *seconds = (packed - start) / packers(b, &w->desc) + seconds_now(b) - packed;
  return ES_OK;
}

/** An algorithm to be timed. That it is not supported, or that memory is short, is no
 *  error of the run and is not logged as one; other failures are repeated and logged. */
static es_status candidate(es_backend *b, const es_op_desc *d, es_pass pass,
                           const es_conv_algo_ops *ops, es_conv_algo **w) {
  es_log_mute(true);
  const es_status st = es_conv_algo_create(ops, b, d, pass, d->max_n, w);
  es_log_mute(false);
  if (st == ES_OK || st == ES_ENOTSUP) return st;
  if (st != ES_ENOMEM) return es_conv_algo_create(ops, b, d, pass, d->max_n, w);
  es_warn("algorithm %s is not timed: not enough memory", ops->name);
  return st;
}

/** Least seconds of a few runs; INFINITY where the processor does not support the
 *  algorithm, the library computes it wrongly or memory is short. */
static es_status time_algo(es_backend *b, const es_op_desc *d, es_pass pass,
                           const es_conv_algo_ops *ops, const trial *t, double *seconds) {
  es_conv_algo *w = NULL;
  es_status st = candidate(b, d, pass, ops, &w);
  bool right = false;
  *seconds = INFINITY;
  if (st == ES_ENOTSUP || st == ES_ENOMEM) return ES_OK;
  if (st == ES_OK) st = es_conv_verify(w, &right);
  if (st == ES_OK && !right) es_conv_report_wrong(w);
  for (int i = 0; i <= REPEATS && st == ES_OK && right; i++) { /* the first warms up */
    double took = 0;
    st = time_once(w, t, &took);
    if (i > 0 && took < *seconds) *seconds = took;
  }
  es_conv_algo_destroy(&w);
  return st;
}

/** Collective. One pass of one shape. */
static es_status tune_pass(es_backend *b, const es_op_desc *d, es_pass pass,
                           const trial *t, es_choices *c) {
  const es_conv_algo_ops *const *list;
  double seconds[ALGOS];
  char key[ES_CHOICE_KEY];
  es_onednn_key(b, d, pass, key);
  es_status st = ES_OK;
  es_conv_algo_list(&list);
  for (int i = 0; i < ALGOS; i++) {
    seconds[i] = INFINITY;
    if (st == ES_OK && list[i]->fits(d, pass))
      st = time_algo(b, d, pass, list[i], t, &seconds[i]);
  }
  if (b->comm != NULL) {
    st = es_comm_agree(b->comm, st);
    if (st == ES_OK) es_comm_sum_f64(b->comm, seconds, ALGOS);
  }
  ES_TRY(st);
  int best = -1;
  for (int i = 0; i < ALGOS; i++)
    if (isfinite(seconds[i]) && (best < 0 || seconds[i] < seconds[best])) best = i;
  if (best < 0) return ES_OK; /* planning reports it */
  st = es_choices_add(c, key, d->max_n, list[best]->name);
  return b->comm != NULL ? es_comm_agree(b->comm, st) : st;
}

/** Collective: the table is the same on all ranks, and so is what they do here. */
static es_status tune_shape(es_backend *b, const es_op_desc *d, es_choices *c) {
  char key[ES_CHOICE_KEY];
  bool missing[ES_PASSES], any = false;
  for (int p = 0; p < ES_PASSES; p++) {
    es_onednn_key(b, d, (es_pass) p, key);
    const bool asked =
        p == ES_FORWARD || (!d->forward_only && (p != ES_DATA || d->need_dx));
    missing[p] = asked && !es_choices_has(c, key, d->max_n);
    any = any || missing[p];
  }
  if (!any) return ES_OK;
  trial t;
  es_status st = trial_begin(b, d, &t);
  if (b->comm != NULL) st = es_comm_agree(b->comm, st);
  for (int p = 0; p < ES_PASSES && st == ES_OK; p++)
    if (missing[p]) st = tune_pass(b, d, (es_pass) p, &t, c);
  trial_end(b, &t);
  return st;
}

es_status es_onednn_tune(es_backend *b, const es_op_desc *const *desc, int n) {
  es_onednn *s = b->impl;
  if (!b->tune) return ES_OK;
  es_status st = ES_OK;
  if (s->tuned == NULL) { /* the first network of this backend */
    st = es_onednn_choices(&s->tuned);
    if (b->comm != NULL) st = es_comm_agree(b->comm, st);
    ES_TRY(st);
    ES_TRY(es_choices_share(b->comm, b->plans, s->tuned));
  }
  /* releases workspace of the candidates; planning reserves that of the chosen ones */
  const size_t scratch = s->scratch_size, packed = s->packed_size;
  ES_TRY(es_choices_tune(b, desc, n, tune_shape, s->tuned));
  st = es_onednn_trim(b, scratch, packed);
  return b->comm != NULL ? es_comm_agree(b->comm, st) : st;
}
