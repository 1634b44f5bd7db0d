/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_table.c  Repeated timing, printed; the ceiling of the matrix product. */
#include "bench_table.h"

#include <stdlib.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

es_bench_times es_bench_summarise(double *seconds, int64_t n) {
  qsort(seconds, (size_t) n, sizeof *seconds, ascending);
  return (es_bench_times){.min = seconds[0],
                          .median = (seconds[(n - 1) / 2] + seconds[n / 2]) / 2,
                          .max = seconds[n - 1]};
}

es_status es_bench_time(const es_comm *c, const es_bench_params *b,
                        es_status (*run)(void *ctx, int64_t i), void *ctx,
                        es_bench_times *t) {
  double *seconds = NULL;
  es_status st = ES_COMM_NEW(c, b->repeats, &seconds);
  for (int64_t i = -b->warmup; st == ES_OK && i < b->repeats; i++) {
    es_comm_barrier(c);
    const double start = es_now();
    st = es_comm_agree(c, run(ctx, i));
    double spent = es_now() - start;
    es_comm_max_f64(c, &spent, 1);
    if (i >= 0) seconds[i] = spent;
  }
  if (st == ES_OK) *t = es_bench_summarise(seconds, b->repeats);
  es_free(&seconds);
  return st;
}

void es_bench_print_head(const char *what, const char *unit) {
  es_print("%-12s %10s %10s %10s %10s %10s", what, "min ms", "median ms", "max ms", unit,
           "GFLOP/s");
}

void es_bench_print_line(const char *name, const es_bench_times *t, double work,
                         double operations) {
  char rate[32] = "-", flops[32] = "-";
  if (work > 0) snprintf(rate, sizeof rate, "%.1f", work / t->median);
  if (operations > 0)
    snprintf(flops, sizeof flops, "%.1f", 1e-9 * operations / t->median);
  es_print("%-12s %10.1f %10.1f %10.1f %10s %10s", name, 1e3 * t->min, 1e3 * t->median,
           1e3 * t->max, rate, flops);
}

enum { CEILING = 2048 };

/* Buffers and plan of the product, each rank's own. */
typedef struct product {
  es_backend *b;
  es_precision precision;
  es_op *op;
  void *x, *y, *w;
} product;

static es_status product_open(product *p) {
  const es_shape s = {CEILING, 1, 1};
  const es_op_desc d = {.kind = ES_OP_LINEAR,
                        .name = "ceiling",
                        .in = s,
                        .out = s,
                        .precision = p->precision,
                        .max_n = CEILING};
  const es_act_type t = {s, p->precision};
  const es_backend_ops *o = p->b->ops;
  const size_t n = (size_t) CEILING * CEILING, act = o->act_bytes(p->b, t, CEILING);
  float *ones = NULL;
  ES_TRY(es_op_plan(p->b, &d, &p->op));
  ES_TRY(o->alloc(p->b, act, "input of a product", &p->x));
  ES_TRY(o->alloc(p->b, act, "output of a product", &p->y));
  ES_TRY(o->alloc(p->b, n * sizeof(float), "weights of a product", &p->w));
  ES_TRY(ES_NEW(n, &ones));
  for (size_t i = 0; i < n; i++) ones[i] = 1;
  es_status st = o->act_write(p->b, t, CEILING, ones, p->x);
  if (st == ES_OK) st = o->upload(p->b, p->w, ones, n);
  es_free(&ones);
  return st;
}

static void product_close(product *p) {
  const es_backend_ops *o = p->b->ops;
  es_op_destroy(&p->op);
  o->release(p->b, &p->w);
  o->release(p->b, &p->y);
  o->release(p->b, &p->x);
}

static es_status product_run(void *ctx, int64_t i) {
  (void) i;
  const product *p = ctx;
  const es_op_args a = {.n = CEILING, .groups = 1, .x = p->x, .y = p->y, .param.w = p->w};
  ES_TRY(p->op->forward(p->op, &a));
  return p->b->ops->sync(p->b);
}

es_status es_bench_ceiling(const es_comm *c, es_backend *b, es_precision precision,
                           double *flops) {
  product p = {.b = b, .precision = precision};
  const es_bench_params often = {.repeats = 5, .warmup = 1};
  es_bench_times t;
  es_status st = es_comm_agree(c, product_open(&p));
  if (st == ES_OK) st = es_bench_time(c, &often, product_run, &p, &t);
  if (st == ES_OK) *flops = 2.0 * CEILING * CEILING * CEILING * c->size / t.min;
  product_close(&p);
  return st;
}
