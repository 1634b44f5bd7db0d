/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_networks.c  Training of networks of growing width, and how far each ends
 *  from the kernel machine that starts from the same embeddings: /networks. */
#include "kernel_networks.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/compare.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "kernel_network.h"
#include "schedule.h"

enum { COLUMNS = 7 };

/* Collective. f [d, 2n], [d, 2 held-out] on all ranks. */
static es_status embed(es_network *q, double *f) {
  const es_comm *c = q->m->comm;
  const int64_t d = q->m->par.dim;
  memset(f, 0, (size_t) (2 * d * (q->set[0].n + q->set[1].n)) * sizeof *f);
  double *to = f;
  for (int s = 0; s < 2; s++) {
    const es_batch *b = &q->set[s].batch;
    double *z = q->set[s].z;
    int n;
    ES_TRY(es_comm_agree(c, es_train_embed(q->train, b, ES_BN_BATCH, &n, z)));
    for (int v = 0; v < 2; v++)
      for (int64_t i = 0; i < b->n; i++)
        for (int64_t a = 0; a < d; a++)
          to[a * 2 * q->set[s].n + v * q->set[s].n + q->set[s].first + i] =
              z[(v * b->n + i) * d + a];
    to += 2 * d * q->set[s].n;
  }
  es_comm_sum_f64(c, f, 2 * d * (q->set[0].n + q->set[1].n));
  return ES_OK;
}

/* Collective. C of the embeddings of the last step. */
static void correlate(const es_network *q, double *c) {
  const int d = (int) q->m->par.dim, n = q->set[ES_SET_TRAIN].batch.n;
  const double *z = es_train_embeddings(q->train);
  memset(c, 0, (size_t) d * (size_t) d * sizeof *c);
  if (n > 0)
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, d, n,
                0.5 / (double) q->set[ES_SET_TRAIN].n, z, d, z + (size_t) n * (size_t) d,
                d, 0, c, d);
  for (int i = 0; i < d; i++)
    for (int j = 0; j <= i; j++)
      c[i * d + j] = c[j * d + i] = c[i * d + j] + c[j * d + i];
  es_comm_sum_f64(q->m->comm, c, (int64_t) d * d);
}

static es_status train(es_network *q, int64_t steps, es_stop *stop,
                       es_crossings *crossings, double *c) {
  es_step_result r;
  es_stop_begin(stop);
  for (int64_t s = 0; s < steps; s++) {
    ES_TRY(es_comm_agree(q->m->comm, es_train_step(q->train, &q->set[ES_SET_TRAIN].batch,
                                                   q->optim->par.lr, &r)));
    es_progress_at((double) s, (double) steps);
    correlate(q, c);
    const es_status st = es_crossings_update(crossings, (double) s, c);
    ES_TRY(es_comm_agree(q->m->comm, st));
    ES_TRY(es_stop_at(stop, q->m->comm, ES_OK));
  }
  return ES_OK;
}

static es_status look_away(void *ctx, double at, const double *c) {
  (void) ctx;
  (void) at;
  (void) c;
  return ES_OK;
}

/* The machine from the same start, after as many steps: q->ref. */
static es_status follow(es_network *q, int64_t steps) {
  const es_machine *m = q->m;
  const size_t size = (size_t) m->par.dim * (size_t) m->modes->basis.k;
  const size_t all = 2 * (size_t) m->par.dim * (size_t) (q->set[0].n + q->set[1].n);
  const double end = (double) steps;
  es_crossings *crossings = NULL;
  double *threshold = NULL;
  es_status st = ES_NEW(m->par.dim, &threshold);
  for (int64_t i = 0; st == ES_OK && i < m->par.dim; i++) threshold[i] = INFINITY;
  if (st == ES_OK) st = es_crossings_create((int) m->par.dim, threshold, &crossings);
  es_descent o = {
      .comm = m->comm,
      .d = (int) m->par.dim,
      .m = m->modes->basis.k,
      .w = q->w,
      .lr = m->lr,
      .offdiag = m->par.offdiag,
      .observer = {.n = 1, .at = &end, .crossings = crossings, .record = look_away}};
  st = es_comm_agree(m->comm, st);
  memcpy(q->w, q->w0, size * sizeof *q->w);
  if (st == ES_OK) st = es_descent_modes(&o, m->gamma);
  for (size_t i = 0; i < size; i++) q->w[i] -= q->w0[i];
  if (st == ES_OK) st = es_machine_embed(m, q->w, q->ref);
  for (size_t i = 0; i < all; i++) q->ref[i] += q->f0[i];
  es_crossings_destroy(&crossings);
  es_free(&threshold);
  return st;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Median relative error of step times; NaN if there was none. */
static double step_error(const es_flow *f, const es_crossings *crossings, double lr) {
  double error[ES_LIST_MAX];
  const double *seen = es_crossings_at(crossings);
  int n = 0;
  for (int k = 0; k < f->modes && n < ES_LIST_MAX; k++) {
    const double tau = f->tau[f->order[k]];
    if (isfinite(seen[k]) && isfinite(tau) && tau > 0)
      error[n++] = fabs(seen[k] * lr / tau - 1);
  }
  if (n == 0) return NAN;
  qsort(error, (size_t) n, sizeof *error, ascending);
  return 0.5 * (error[(n - 1) / 2] + error[n / 2]);
}

/* One network: the columns of its row of /networks after width and seed. */
static es_status measure(es_network *q, int64_t steps, es_stop *stop, double *row) {
  const es_machine *m = q->m;
  const int d = (int) m->par.dim, points = (int) (2 * q->set[ES_SET_TRAIN].n);
  const size_t known = (size_t) d * (size_t) points;
  const es_flow_options opt = {.lr = m->lr, .offdiag = m->par.offdiag};
  const es_theory_start start = {.d = d,
                                 .k = m->modes->basis.k,
                                 .gamma = m->gamma,
                                 .w = q->w0,
                                 .alpha = m->par.alpha};
  es_flow *flow = NULL;
  es_crossings *crossings = NULL;
  double *c = NULL;
  es_similarity l;
  es_status st;
  ES_TRY_GOTO(embed(q, q->f0), done);
  ES_TRY_GOTO(es_kernel_weights(m->modes, d, q->f0, q->w0), done);
  st = es_theory_predict(&start, opt, &flow, &crossings);
  if (st == ES_OK) st = ES_NEW((size_t) d * (size_t) d, &c);
  ES_TRY_GOTO(es_comm_agree(m->comm, st), done);
  ES_TRY_GOTO(train(q, steps, stop, crossings, c), done);
  ES_TRY_GOTO(embed(q, q->f), done);
  ES_TRY_GOTO(follow(q, steps), done);
  st = es_compare(points, (es_outputs){d, q->f}, (es_outputs){d, q->ref}, &l, NULL);
  ES_TRY_GOTO(es_comm_agree(m->comm, st), done);
  row[0] = l.error;
  row[1] = NAN;
  row[2] = step_error(flow, crossings, m->lr);
  row[3] = l.alignment;
  row[4] = l.cka;
  if (q->set[ES_SET_HELD_OUT].n > 0) {
    st = es_compare((int) (2 * q->set[ES_SET_HELD_OUT].n), (es_outputs){d, q->f + known},
                    (es_outputs){d, q->ref + known}, &l, NULL);
    ES_TRY_GOTO(es_comm_agree(m->comm, st), done);
    row[1] = l.error;
  }
done:
  es_free(&c);
  es_crossings_destroy(&crossings);
  es_flow_destroy(&flow);
  return st;
}

static void mean_and_deviation(const double *rows, int64_t n, int column, double *mean,
                               double *deviation) {
  *mean = *deviation = 0;
  for (int64_t i = 0; i < n; i++) *mean += rows[i * COLUMNS + column] / (double) n;
  for (int64_t i = 0; i < n; i++) {
    const double x = rows[i * COLUMNS + column] - *mean;
    *deviation += n > 1 ? x * x / (double) (n - 1) : 0;
  }
  *deviation = sqrt(*deviation);
}

static void print_width(const double *rows, int64_t n, double seconds) {
  double mean[COLUMNS], deviation[COLUMNS];
  for (int i = 2; i < COLUMNS; i++)
    mean_and_deviation(rows, n, i, &mean[i], &deviation[i]);
  es_print("%7.0f  %9.4f +- %-8.4f %9.4f +- %-8.4f %9.2e %11.5f %9.5f %8.1f", rows[0],
           mean[2], deviation[2], mean[3], deviation[3], mean[4], mean[5], mean[6],
           seconds);
}

/* A network of row[0] units from seed row[1]; the columns after them. */
static es_status one(es_network *q, int64_t steps, es_run_folder *o, double *row) {
  char name[96];
  snprintf(name, sizeof name, "the network of width %.0f, seed %.0f", row[0], row[1]);
  es_status st = es_network_make(q, (int) row[0], (uint64_t) row[1]);
  es_progress_begin("%s", name);
  if (st == ES_OK) st = measure(q, steps, &o->stop, row + 2);
  es_progress_end();
  if (st == ES_STOPPED)
    es_run_folder_say_stopped_in(o, name, es_train_steps(q->train), steps);
  es_network_free(q);
  return st;
}

/* *done: rows. */
static es_status run_all(es_network *q, int64_t steps, es_run_folder *o, double *rows,
                         int64_t *done) {
  const es_kernel_params *par = &q->m->par;
  es_print(
      "\nnetworks of width h compared with the kernel machine of the same start, %lld "
      "seeds, %lld steps",
      (long long) par->seeds, (long long) steps);
  es_print("%7s  %21s %21s %9s %11s %9s %8s", "width", "error, training", "held-out",
           "steps", "overlap", "CKA", "seconds");
  for (int w = 0; w < par->widths.n; w++) {
    double *of_width = rows + (int64_t) w * par->seeds * COLUMNS;
    const double began = es_now();
    for (int64_t s = 0; s < par->seeds; s++) {
      double *row = of_width + s * COLUMNS;
      row[0] = par->widths.v[w];
      row[1] = (double) (q->m->seed + (uint64_t) s);
      ES_TRY(one(q, steps, o, row));
      ++*done;
    }
    print_width(of_width, par->seeds, es_now() - began);
  }
  return ES_OK;
}

es_status es_kernel_networks(const es_machine *m, int64_t steps, es_run_folder *o) {
  static const es_traj_field column[COLUMNS] = {
      ES_TRAJ_SCALAR("width", "1", "units of each hidden layer"),
      ES_TRAJ_SCALAR("seed", "1", "seed of the weights"),
      ES_TRAJ_SCALAR("error_train", "1",
                     "relative distance of the final embeddings from the kernel "
                     "machine's, training"),
      ES_TRAJ_SCALAR("error_held_out", "1", "the same on held-out points"),
      ES_TRAJ_SCALAR("error_steps", "1",
                     "median relative error of step times against the closed form"),
      ES_TRAJ_SCALAR("alignment", "1", "of final embeddings, training points"),
      ES_TRAJ_SCALAR("cka", "1", "linear CKA of final embeddings, training")};
  const int64_t n = m->par.widths.n * m->par.seeds;
  es_network q = {.m = m};
  int64_t done = 0;
  double *rows = NULL;
  if (m->par.alpha < 1e-5)
    es_warn("kernel.alpha = %g is below what networks in single precision resolve",
            m->par.alpha);
  es_status st = ES_COMM_NEW(m->comm, n * COLUMNS, &rows);
  if (st == ES_OK) st = es_network_open(&q);
  if (st == ES_OK) st = run_all(&q, steps, o, rows, &done);
  const es_traj_table table = {.path = "/networks",
                               .doc = "networks compared with the kernel machine",
                               .column = column,
                               .columns = COLUMNS,
                               .rows = done,
                               .values = rows};
  if (st >= ES_OK && done > 0) {
    const es_status written = es_traj_write_table(o->traj, &table);
    if (written != ES_OK) st = written;
  }
  es_network_close(&q);
  es_free(&rows);
  return st;
}
