/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_augment.c  How fast views are made, where their time goes, and how long a
 *  training step waits for them.
 *
 *  A repetition makes this rank's share of a batch, record by record, both views, as the
 *  loader does, and counts the time its thread had a processor: what a view costs a core,
 *  whatever else runs there. The split comes from repetitions of its own, as reading the
 *  clock costs too. Then training steps, with the loader's thread and without. */
#include <string.h>
#include "bench_table.h"
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/assembly.h"

typedef struct par {
  int64_t steps;
} par;

static const es_param table[] = {
    ES_INT(par, steps, "8", 0, 1e6, "steps",
           "training steps whose wait for data is measured, after bench.warmup others; "
           "0 = none, and no network is built"),
    ES_PARAM_END};

/* What one rank makes views with. */
typedef struct view_maker {
  const es_assembly *p;
  int64_t first, n; /* records of a repetition */
  uint64_t seed;
  void *record, *scratch;
  float *view;
  double read; /* seconds of the profile that belong to no view */
  es_augment_profile profile;
} view_maker;

static es_status view_maker_open(const es_comm *c, const es_settings *s,
                                 const es_assembly *p, view_maker *w) {
  const size_t values =
      (size_t) p->input.view.c * (size_t) p->input.view.h * (size_t) p->input.view.w;
  *w = (view_maker){.p = p, .seed = (uint64_t) s->run.seed};
  es_comm_local_range(c, s->batch.pairs, &w->first, &w->n);
  es_augment_profile_clear(p->input.augment, &w->profile);
  ES_TRY(es_alloc(p->input.data->scratch, "a record", &w->record));
  ES_TRY(es_alloc(es_augment_scratch(p->input.augment), "a view in the making",
                  &w->scratch));
  return ES_NEW(values, &w->view);
}

static void view_maker_close(view_maker *w) {
  es_free(&w->view);
  es_free(&w->scratch);
  es_free(&w->record);
}

/* Both views of the records of repetition i >= 0. split: add up the profile. */
static es_status make_views(view_maker *w, const es_settings *s, int64_t i, bool split) {
  const es_dataset *ds = w->p->input.data;
  for (int64_t k = 0; k < w->n; k++) {
    const int64_t id = (i * s->batch.pairs + w->first + k) % ds->size;
    es_sample sample;
    for (int view = 0; view < 2; view++) {
      const double start = split ? es_cpu_now() : 0;
      if (view == 0 || ds->ops->pairs)
        ES_TRY(ds->ops->get(ds, id, view, w->record, &sample));
      if (split) w->read += es_cpu_now() - start;
      const es_view_key which = {.seed = w->seed, .sample = id, .view = view};
      ES_TRY(es_augment_measure(w->p->input.augment, &which, &sample, w->scratch, w->view,
                                split ? &w->profile : NULL));
    }
  }
  return ES_OK;
}

/* Collective. Seconds a view of each repetition: the slowest rank's. */
static es_status time_views(const es_comm *c, view_maker *w, const es_settings *s,
                            const es_bench_params *b, bool split, double *seconds) {
  for (int64_t i = 0; i < b->warmup + b->repeats; i++) {
    if (i == b->warmup) {
      w->read = 0;
      es_augment_profile_clear(w->p->input.augment, &w->profile);
    }
    const double start = es_cpu_now();
    const es_status st = make_views(w, s, i, split);
    double spent = (es_cpu_now() - start) / (2 * (double) w->n);
    ES_TRY(es_comm_agree(c, st));
    es_comm_max_f64(c, &spent, 1);
    if (i >= b->warmup) seconds[i - b->warmup] = spent;
  }
  return ES_OK;
}

static void print_part(const char *name, double seconds, double views, double all) {
  es_print("%-12s %12.2f %8.1f", name, 1e6 * seconds / views, 100 * seconds / all);
}

/* Collective. The split, of all ranks together. @return seconds of reading a view */
static double print_split(const es_comm *c, const view_maker *w, int64_t repeats) {
  es_augment_profile p = w->profile;
  double read = w->read, views = 2.0 * (double) (w->n * repeats);
  es_comm_sum_f64(c, p.seconds, p.n);
  es_comm_sum_f64(c, &read, 1);
  es_comm_sum_f64(c, &views, 1);
  double all = read;
  for (int k = 0; k < p.n; k++) all += p.seconds[k];
  es_print("%-12s %12s %8s", "part", "us a view", "share %");
  print_part("read", read, views, all);
  for (int k = 0; k < p.n; k++) print_part(p.name[k], p.seconds[k], views, all);
  return read / views;
}

/* Collective. */
static void print_rates(const es_comm *c, const es_assembly *p, const es_bench_times *t) {
  const double record =
      (double) p->input.data->c * (double) p->input.data->largest.pixels;
  int64_t peak = (int64_t) es_mem_rss_peak();
  es_comm_max_i64(c, &peak, 1);
  const double view = 4.0 * p->input.view.c * p->input.view.h * p->input.view.w;
  es_print("%-12s %10s %10s %10s", "", "min", "median", "max");
  es_print("%-12s %10.1f %10.1f %10.1f", "us a view", 1e6 * t->min, 1e6 * t->median,
           1e6 * t->max);
  es_print("%-12s %10.0f %10.0f %10.0f", "views/s core", 1 / t->max, 1 / t->median,
           1 / t->min);
  es_print("a core reads at most %.1f MB/s of records and makes %.1f MB/s of views; peak "
           "resident %.1f MB",
           1e-6 * record / 2 / t->median, 1e-6 * view / t->median, 1e-6 * (double) peak);
}

static es_status views(const es_comm *c, const es_settings *s, const es_assembly *p,
                       const es_bench_params *b) {
  view_maker w = {0};
  double *seconds = NULL;
  es_status st = view_maker_open(c, s, p, &w);
  if (st == ES_OK) st = ES_NEW(b->repeats, &seconds);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  ES_TRY_GOTO(time_views(c, &w, s, b, true, seconds), done);
  const double read = print_split(c, &w, b->repeats);
  ES_TRY_GOTO(time_views(c, &w, s, b, false, seconds), done);
  const es_bench_times t = es_bench_summarise(seconds, b->repeats);
  print_rates(c, p, &t);
  es_print("median %.1f views/s a core; %.1f without reading", 1 / t.median,
           1 / (t.median - read));
done:
  es_free(&seconds);
  view_maker_close(&w);
  return st;
}

static es_status open_and_time(const es_comm *c, const es_settings *s,
                               const es_bench_params *b) {
  es_assembly *p = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &p));
  es_status st = es_assembly_open_data(c, s, p);
  if (st == ES_OK) {
    es_print("%s, %lld records of at most %d x %d, views %d x %d; %d rank%s",
             s->data.name, (long long) p->input.data->size, p->input.data->largest.h,
             p->input.data->largest.w, p->input.view.h, p->input.view.w, c->size,
             c->size == 1 ? "" : "s");
    st = views(c, s, p, b);
  }
  es_assembly_destroy(&p);
  return st;
}

/* Collective. Steps of training as `train` makes them, at learning rate 0: the shares of
 * waiting, and the step, on the rank that waits longest. */
static es_status wait_share(const es_comm *c, es_settings s, const es_bench_params *b,
                            int64_t steps, bool prefetch) {
  es_assembly *p = NULL;
  es_batch *batch = NULL;
  double wait = 0, all = 0;
  es_step_result r;
  s.data.prefetch = prefetch;
  ES_TRY(es_assembly_create(c, &s, &p));
  es_status st = ES_OK;
  for (int64_t i = -b->warmup; i < steps && st == ES_OK; i++) {
    es_comm_barrier(c);
    const double start = es_now();
    st = es_comm_agree(c, es_loader_get(p->input.loader, i + b->warmup, &batch));
    const double got = es_now();
    if (st == ES_OK) st = es_train_step(p->train, batch, 0, &r);
    if (i >= 0) wait += got - start;
    if (i >= 0) all += es_now() - start;
  }
  es_comm_max_f64(c, &wait, 1);
  es_comm_max_f64(c, &all, 1);
  if (st == ES_OK)
    es_print("prefetch %-5s step %10.1f ms, waits for data %8.2f ms, %6.2f %%",
             prefetch ? "true" : "false", 1e3 * all / (double) steps,
             1e3 * wait / (double) steps, 100 * wait / all);
  es_assembly_destroy(&p);
  return st;
}

static es_status run(const es_job *job, es_config *cfg) {
  es_settings s;
  es_bench_params b;
  par p;
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  ES_TRY(es_config_get(cfg, "bench.augment", table, NULL, sizeof p, &p));
  ES_TRY(es_settings_read(job->comm, cfg, job->comm->size, &s));
  es_status st = open_and_time(job->comm, &s, &b);
  if (st == ES_OK && p.steps > 0) {
    es_print("%s, %lld pairs:", s.encoder.name, (long long) s.batch.pairs);
    st = wait_share(job->comm, s, &b, p.steps, false);
    if (st == ES_OK) st = wait_share(job->comm, s, &b, p.steps, true);
  }
  es_settings_free(&s);
  return st;
}

const es_bench_ops es_bench_augment = {.name = "augment",
                                       .doc =
                                           "making views: speed, cost of each part, and "
                                           "how long a training step waits for them",
                                       .params = table,
                                       .run = run};
