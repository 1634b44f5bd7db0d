/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bench_io.c  How fast the ranks write embeddings to one HDF5 file, compared
 *  with plain writes of the same bytes by the same ranks to one file.
 *
 *  In both cases the file is new, every rank writes its rows, and the clock stops after
 *  fsync; the methods alternate. What HDF5 wrote is read back (from the page cache, so
 *  its rate says little of the disk) and compared. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench_table.h"
#include "eigenstep/clock.h"
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"

typedef struct par {
  int64_t rows, columns;
  es_string dir;
} par;

static const es_param table[] = {
    ES_INT(par, rows, "100000", 1, 1e9, "1", "embeddings"),
    ES_INT(par, columns, "2048", 1, 1e6, "1", "values of an embedding, f32"),
    ES_STRING(par, dir, ".", "folder on the disk to test; the files are removed"),
    ES_PARAM_END};

/* This rank's rows. */
typedef struct share {
  const es_comm *comm;
  int64_t rows, columns, first, n;
  float *data, *back; /* [n, columns]; back: [1, columns] */
  char path[1100];
} share;

enum { METHODS = 3 };
static const char *const method_name[METHODS] = {"write", "HDF5", "HDF5 read"};

static es_status write_h5(const share *s) {
  const es_h5_dataset z = {.path = "/z",
                           .type = ES_H5_F32,
                           .ndim = 2,
                           .dim = {s->rows, s->columns},
                           .units = "1",
                           .doc = "values of eigenstep bench io"};
  es_h5 *f = NULL;
  ES_TRY(es_h5_create(s->comm, s->path, &f));
  es_status st = es_h5_declare(f, &z);
  if (st == ES_OK) st = es_h5_write_rows(f, "/z", ES_H5_F32, s->first, s->n, s->data);
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

/* Blocks of rows, each compared with what was written. */
static es_status read_h5(const share *s, int64_t block) {
  es_h5 *f = NULL;
  ES_TRY(es_h5_open(s->comm, s->path, false, &f));
  const int64_t most = (s->rows + s->comm->size - 1) / s->comm->size;
  es_status st = ES_OK;
  int64_t wrong = 0;
  for (int64_t at = 0; st == ES_OK && at < most; at += block) {
    const int64_t left = s->n - at, n = left < 0 ? 0 : left < block ? left : block;
    st = es_h5_read_rows(f, "/z", ES_H5_F32, s->first + (n > 0 ? at : 0), n, s->back);
    const size_t bytes = (size_t) (n * s->columns) * sizeof(float);
    wrong += n > 0 && memcmp(s->back, s->data + at * s->columns, bytes) != 0;
  }
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
  es_comm_sum_i64(s->comm, &wrong, 1);
  ES_TRY(st);
  ES_CHECK(wrong == 0, ES_EFORMAT,
           "%s: got other values in %lld blocks than were written", s->path,
           (long long) wrong);
  return ES_OK;
}

/* This rank's bytes at their place of one file, to the disk. */
static es_status write_part(const share *s) {
  const size_t bytes = (size_t) (s->n * s->columns) * sizeof(float);
  const off_t at = (off_t) (s->first * s->columns) * (off_t) sizeof(float);
  const int fd = open(s->path, O_WRONLY | O_CREAT, 0666);
  ES_CHECK(fd >= 0, ES_EIO, "cannot create %s: %s", s->path, strerror(errno));
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n =
        pwrite(fd, (const char *) s->data + done, bytes - done, at + (off_t) done);
    if (n <= 0) break;
    done += (size_t) n;
  }
  const bool ok = done == bytes && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  ES_CHECK(ok, ES_EIO, "cannot write %s: %s", s->path, strerror(error));
  return ES_OK;
}

static es_status one_method(const share *s, int method, int64_t block) {
  if (method == 0) return es_comm_agree(s->comm, write_part(s));
  return method == 1 ? write_h5(s) : read_h5(s, block);
}

/* Collective. All methods once; seconds of each, the slowest rank's. */
static es_status once(share *s, const par *p, int64_t block, double seconds[METHODS]) {
  es_status st = ES_OK;
  for (int method = 0; method < METHODS && st == ES_OK; method++) {
    snprintf(s->path, sizeof s->path, "%s/eigenstep-bench-io.%s", p->dir,
             method == 0 ? "raw" : "h5");
    es_comm_barrier(s->comm);
    const double start = es_now();
    st = one_method(s, method, block);
    seconds[method] = es_now() - start;
    es_comm_max_f64(s->comm, &seconds[method], 1);
    if (s->comm->rank == 0 && (method != 1 || st != ES_OK)) unlink(s->path);
  }
  return st;
}

static void print(const share *s, double *const seconds[METHODS], int64_t repeats) {
  const double bytes = 4.0 * (double) s->rows * (double) s->columns;
  double plain = 0;
  es_print("%lld x %lld f32 = %.1f MB, %d rank%s; new file, fsync included",
           (long long) s->rows, (long long) s->columns, 1e-6 * bytes, s->comm->size,
           s->comm->size == 1 ? "" : "s");
  es_print("%-12s %10s %10s %10s %10s %12s", "", "min ms", "median ms", "max ms", "MB/s",
           "% of write");
  for (int method = 0; method < METHODS; method++) {
    const es_bench_times t = es_bench_summarise(seconds[method], repeats);
    if (method == 0) plain = t.median;
    es_print("%-12s %10.1f %10.1f %10.1f %10.1f %12.1f", method_name[method], 1e3 * t.min,
             1e3 * t.median, 1e3 * t.max, 1e-6 * bytes / t.median,
             100 * plain / t.median);
  }
}

static es_status bench_io(const es_comm *c, const par *p, const es_bench_params *b) {
  share s = {.comm = c, .rows = p->rows, .columns = p->columns};
  double *seconds[METHODS] = {NULL};
  es_comm_local_range(c, p->rows, &s.first, &s.n);
  const int64_t fit = ((int64_t) 16 << 20) / (4 * p->columns), block = fit > 0 ? fit : 1;
  es_status st = ES_NEW(s.n * s.columns, &s.data);
  if (st == ES_OK) st = ES_NEW(block * s.columns, &s.back);
  for (int method = 0; method < METHODS && st == ES_OK; method++)
    st = ES_NEW(b->repeats, &seconds[method]);
  st = es_comm_agree(c, st);
  for (int64_t i = 0; st == ES_OK && i < s.n * s.columns; i++) /* no two rows alike */
    s.data[i] = (float) ((uint32_t) (s.first * s.columns + i) * 2654435761u >> 8);
  for (int64_t i = -b->warmup; st == ES_OK && i < b->repeats; i++) {
    double took[METHODS];
    st = once(&s, p, block, took);
    for (int method = 0; st == ES_OK && i >= 0 && method < METHODS; method++)
      seconds[method][i] = took[method];
  }
  if (st == ES_OK) print(&s, seconds, b->repeats);
  for (int method = 0; method < METHODS; method++) es_free(&seconds[method]);
  es_free(&s.back);
  es_free(&s.data);
  return st;
}

static es_status run(const es_job *job, es_config *cfg) {
  par p;
  es_bench_params b;
  ES_TRY(es_config_get(cfg, "bench.io", table, NULL, sizeof p, &p));
  ES_TRY(es_config_get(cfg, "bench", es_bench_table, NULL, sizeof b, &b));
  return bench_io(job->comm, &p, &b);
}

const es_bench_ops es_bench_io = {
    .name = "io",
    .doc = "embeddings written by all ranks to one HDF5 file, compared with plain writes",
    .params = table,
    .run = run};
