/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_tune.c  Time the algorithms of each convolution, and agree on the best.
 *
 *  All ranks time the same candidates and take the least mean over ranks: one choice for
 *  all, or their results would differ in rounding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cuda_conv.h"
#include "cuda_sizes.h"

enum {
  REPEATS = 3,
  CALLS = 20, /* of a repeat, at most */
  ENGINES = ES_CUDA_LT + ES_CUDA_LT_ALGOS,
  CANDIDATES = 1 + ENGINES, /* the libraries', beside our own algorithm */
  BUFFERS = 7,              /* x, y, dx, dy, w, dw, b */
  PATTERN = 0x3c,           /* bytes of small numbers: products of zeros are faster */
  TIMES = 2                 /* events: before and after */
};

/** Seconds of a repeat, or a short pass measures how fast it is queued. */
static const double enough = 1e-3;

/* --- names: "own", "cudnn0", "cudnn1", ..., "lt0", ... ------------------------------ */

static const char *name_of(int engine) {
  static const char *const names[CANDIDATES] = {
      "own", "cudnn0", "cudnn1", "cudnn2", "cudnn3", "lt0", "lt1", "lt2", "lt3"};
  return names[engine - ES_CUDA_OWN];
}

static bool engine_named(const char *name, int *engine) {
  for (*engine = ES_CUDA_OWN; *engine < ENGINES; (*engine)++)
    if (strcmp(name, name_of(*engine)) == 0) return true;
  return false;
}

static bool is_engine(const char *name) {
  int engine;
  return engine_named(name, &engine);
}

static void key_of(const es_backend *b, const es_op_desc *d, es_pass pass, char *key) {
  static const char *const names[ES_PASSES] = {"forward", "data", "weights"};
  snprintf(key, ES_CHOICE_KEY, "%s %dx%dx%d to %d k%d s%d p%d %s%s",
           es_cuda_bf16(d) ? "bf16"
           : b->tf32       ? "tf32"
                           : "f32",
           d->in.c, d->in.h, d->in.w, d->out.c, d->window.k, d->window.stride,
           d->window.pad, names[pass], pass == ES_FORWARD && d->bias ? " bias" : "");
}

/** Without timings: a product where one will do, else the engine that cuDNN takes for the
 *  best. */
es_cuda_engines es_cuda_conv_choice(const es_backend *b, const es_op_desc *d) {
  const es_choices *c = es_cuda_of(b)->tuned;
  es_cuda_engines e;
  for (int p = 0; p < ES_PASSES; p++) {
    char key[ES_CHOICE_KEY];
    key_of(b, d, (es_pass) p, key);
    const es_choice *row = c != NULL ? es_choices_find(c, key, d->max_n) : NULL;
    if (row == NULL || !engine_named(row->algo, &e.of[p]))
      e.of[p] = es_cuda_conv_is_product(d) ? ES_CUDA_OWN : 0;
  }
  return e;
}

/* --- timing ------------------------------------------------------------------------ */

/** Buffers for one shape. */
typedef struct trial {
  es_op_args args;
  void *buffer[BUFFERS];    /* owned */
  cudaEvent_t event[TIMES]; /* owned */
} trial;

static void trial_end(es_backend *b, trial *t) {
  for (int i = 0; i < BUFFERS; i++) es_cuda_release(b, &t->buffer[i]);
  for (int i = 0; i < TIMES; i++)
    if (t->event[i] != NULL) (void) cudaEventDestroy(t->event[i]);
}

static es_status trial_begin(es_backend *b, const es_op_desc *d, trial *t) {
  const size_t weights = (size_t) d->out.c * (size_t) d->in.c *
                         (size_t) (d->window.k * d->window.k) * sizeof(float);
  const es_act_type types[2] = {{d->in, d->precision}, {d->out, d->precision}};
  const size_t in = es_cuda_act_bytes(b, types[0], d->max_n);
  const size_t out = es_cuda_act_bytes(b, types[1], d->max_n);
  const size_t bias = (size_t) d->out.c * sizeof(float);
  const size_t bytes[BUFFERS] = {in, out, in, out, weights, weights, bias};
  const cudaStream_t s = es_cuda_of(b)->stream;
  memset(t, 0, sizeof *t);
  for (int i = 0; i < TIMES; i++)
    ES_TRY(es_cuda_ok(cudaEventCreateWithFlags(&t->event[i], cudaEventDefault),
                      "creating an event"));
  for (int i = 0; i < BUFFERS; i++) {
    ES_TRY(es_cuda_alloc(b, bytes[i], "timing of convolutions", &t->buffer[i]));
    ES_TRY(es_cuda_ok(cudaMemsetAsync(t->buffer[i], PATTERN, bytes[i], s),
                      "timing of convolutions"));
  }
  t->args = (es_op_args){.n = d->max_n,
                         .groups = 1,
                         .x = t->buffer[0],
                         .y = t->buffer[1],
                         .dx = t->buffer[2],
                         .dy = t->buffer[3],
                         .param.w = t->buffer[4],
                         .param.dw = t->buffer[5],
                         .param.b = t->buffer[6],
                         .param.version = 1,    /* packed once, as by many passes */
                         .param.set_dw = true}; /* as when a step is one pass */
  return ES_OK;
}

/** Seconds of one of so many calls in a row. */
static es_status time_calls(es_cuda_conv *c, es_pass pass, const trial *t, int calls,
                            double *seconds) {
  const cudaStream_t s = es_cuda_of(c->op.backend)->stream;
  float ms = 0.0f;
  ES_TRY(es_cuda_ok(cudaEventRecord(t->event[0], s), "timing"));
  for (int i = 0; i < calls; i++) ES_TRY(es_cuda_conv_run(c, pass, &t->args));
  ES_TRY(es_cuda_ok(cudaEventRecord(t->event[1], s), "timing"));
  ES_TRY(es_cuda_ok(cudaEventSynchronize(t->event[1]), "timing"));
  ES_TRY(es_cuda_ok(cudaEventElapsedTime(&ms, t->event[0], t->event[1]), "timing"));
  *seconds = 1e-3 * ms / calls;
  return ES_OK;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/** Seconds of a call of a planned pass, the median of some repeats after a call that
 *  warms up and one that tells how many make a repeat. */
static es_status time_runs(es_cuda_conv *c, es_pass pass, const trial *t,
                           double *seconds) {
  double once = 0, of[REPEATS];
  for (int i = 0; i < 2; i++) ES_TRY(time_calls(c, pass, t, 1, &once));
  const int calls = once * CALLS > enough ? 1 + (int) (enough / once) : CALLS;
  for (int i = 0; i < REPEATS; i++) ES_TRY(time_calls(c, pass, t, calls, &of[i]));
  qsort(of, REPEATS, sizeof *of, ascending);
  *seconds = of[REPEATS / 2];
  return ES_OK;
}

static es_status try_engine(es_backend *b, const es_op_desc *d, es_pass pass, int engine,
                            const trial *t, double *seconds) {
  es_cuda_conv *c = NULL;
  const es_cuda_conv_size *size = NULL;
  const es_cuda_engines engines = {{engine, engine, engine}};
  /* a plan must be of this engine and no other */
  if (engine != ES_CUDA_OWN && engine < ES_CUDA_LT) {
    const es_cuda_dnn_job job = {pass, d->max_n, engine};
    const es_cuda_dnn_plan *plan = NULL;
    ES_TRY(es_cuda_dnn_plan_find(b, d, &job, &plan));
  }
  ES_TRY(es_cuda_conv_new(b, d, &engines, &c));
  es_status st = es_cuda_conv_plan(c, pass, d->max_n, &size);
  if (st == ES_OK && engine >= ES_CUDA_LT && size->lt[pass] == NULL) st = ES_ENOTSUP;
  if (st == ES_OK) st = time_runs(c, pass, t, seconds);
  es_op *op = &c->op;
  es_op_destroy(&op);
  return st;
}

/** INFINITY where the library lacks the engine, or it fails: there are others, and a
 *  device that is broken tells the next who uses it. */
static double time_engine(es_backend *b, const es_op_desc *d, es_pass pass, int engine,
                          const trial *t) {
  double seconds = INFINITY;
  es_log_mute(true);
  const es_status st = try_engine(b, d, pass, engine, t, &seconds);
  es_log_mute(false);
  if (st == ES_OK) return seconds;
  if (st != ES_ENOTSUP)
    es_warn_local("%s: an algorithm is left out, as it failed when it was timed: %s",
                  es_cuda_name(d), es_log_muted());
  return INFINITY;
}

static es_status agree(const es_backend *b, es_status st) {
  return b->comm != NULL ? es_comm_agree(b->comm, st) : st;
}

/** Collective. One pass of one shape. */
static es_status tune_pass(es_backend *b, const es_op_desc *d, es_pass pass,
                           const trial *t, es_choices *c) {
  double seconds[CANDIDATES];
  char key[ES_CHOICE_KEY];
  int best = 0;
  key_of(b, d, pass, key);
  for (int i = 0; i < CANDIDATES; i++) seconds[i] = time_engine(b, d, pass, i - 1, t);
  if (b->comm != NULL) es_comm_sum_f64(b->comm, seconds, CANDIDATES);
  for (int i = 1; i < CANDIDATES; i++)
    if (seconds[i] < seconds[best]) best = i;
  if (isinf(seconds[best])) return ES_OK; /* planning or the first step reports it */
  return agree(b, es_choices_add(c, key, d->max_n, name_of(best + ES_CUDA_OWN)));
}

/** Collective: the table is the same on all ranks, and so is what they do here. */
static es_status tune_shape(es_backend *b, const es_op_desc *d, es_choices *c) {
  bool missing[ES_PASSES], any = false;
  for (int p = 0; p < ES_PASSES; p++) {
    char key[ES_CHOICE_KEY];
    key_of(b, d, (es_pass) p, key);
    missing[p] = es_cuda_conv_has(d, (es_pass) p) && !es_choices_has(c, key, d->max_n);
    any = any || missing[p];
  }
  if (!any) return ES_OK;
  trial t;
  es_status st = agree(b, trial_begin(b, d, &t));
  for (int p = 0; p < ES_PASSES && st == ES_OK; p++)
    if (missing[p]) st = tune_pass(b, d, (es_pass) p, &t, c);
  trial_end(b, &t);
  return st;
}

/** Collective. The table, with the rows of the file. */
static es_status begin(es_backend *b) {
  es_cuda *s = es_cuda_of(b);
  struct cudaDeviceProp p;
  char library[64];
  int device = 0, runtime = 0;
  es_status st = es_cuda_ok(cudaGetDevice(&device), "describing the GPU");
  if (st == ES_OK)
    st = es_cuda_ok(cudaGetDeviceProperties(&p, device), "describing the GPU");
  if (st == ES_OK) st = es_cuda_ok(cudaRuntimeGetVersion(&runtime), "describing the GPU");
  snprintf(library, sizeof library, "CUDA %d, cuDNN %zu, cuBLASLt %zu", runtime,
           es_cuda_dnn_version(), es_cuda_lt_version());
  if (st == ES_OK) st = es_choices_create(is_engine, p.name, library, &s->tuned);
  ES_TRY(agree(b, st));
  return es_choices_share(b->comm, b->plans, s->tuned);
}

es_status es_cuda_tune(es_backend *b, const es_op_desc *const *desc, int n) {
  es_cuda *s = es_cuda_of(b);
  if (!b->tune) return ES_OK;
  if (s->tuned == NULL) ES_TRY(begin(b)); /* the first network of this backend */
  /* networks planned before use the scratch as it was; planning reserves more for the
   * engines that are chosen */
  const size_t scratch = s->scratch_size;
  ES_TRY(es_choices_tune(b, desc, n, tune_shape, s->tuned));
  return agree(b, es_cuda_trim(b, scratch));
}
