/* SPDX-License-Identifier: BSD-3-Clause */
/** @file source.c  Runs, predictions and files -> embeddings of the same points. */
#include "source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "eigenstep/embedding_file.h"
#include "eigenstep/mem.h"
#include "eigenstep/traj_read.h"

enum { NTK = -3, ALL = -4 }; /* beside ES_HELD_OUT_FIRST and _LAST */

/* "DIR@STEP" in parts. */
typedef struct address {
  char dir[1024];
  bool is_run;
  int64_t step;
} address;

static es_status parse_step(const char *text, int64_t *step) {
  static const struct {
    const char *name;
    int64_t step;
  } word[] = {{"first", ES_HELD_OUT_FIRST},
              {"last", ES_HELD_OUT_LAST},
              {"ntk", NTK},
              {"all", ALL}};
  for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
    *step = word[i].step;
    if (strcmp(text, word[i].name) == 0) return ES_OK;
  }
  char *end = NULL;
  errno = 0;
  *step = strtoll(text, &end, 10);
  ES_CHECK(errno == 0 && end != text && *end == '\0' && *step >= 0, ES_ECONFIG,
           "compare: got '@%s', expected a step, first, last, all or ntk", text);
  return ES_OK;
}

/* Collective. What an argument means; a folder is a run. */
static es_status parse_address(const es_comm *c, const char *text, address *a) {
  struct stat st;
  const char *const at = strrchr(text, '@');
  int64_t is_folder = 0;
  const int n = at != NULL ? (int) (at - text) : (int) strlen(text);
  ES_CHECK(n < (int) sizeof a->dir, ES_ECONFIG,
           "compare: got a path of %d characters, expected fewer than %zu", n,
           sizeof a->dir);
  snprintf(a->dir, sizeof a->dir, "%.*s", n, text);
  if (c->rank == 0) is_folder = stat(a->dir, &st) == 0 && S_ISDIR(st.st_mode);
  es_comm_bcast(c, &is_folder, sizeof is_folder, 0);
  a->is_run = is_folder != 0;
  a->step = ES_HELD_OUT_LAST;
  return a->is_run && at != NULL ? parse_step(at + 1, &a->step) : ES_OK;
}

/* A new source of the set, with room for [d, points]. */
static es_status add(es_compare_set *set, const char *name, int d,
                     es_compare_source **s) {
  ES_CHECK(set->n < ES_COMPARE_SOURCES, ES_ECONFIG,
           "compare: got more than %d sources, expected at most as many",
           ES_COMPARE_SOURCES);
  *s = &set->source[set->n++];
  snprintf((*s)->name, sizeof(*s)->name, "%s", name);
  (*s)->d = d;
  return ES_NEW((int64_t) d * set->points, &(*s)->f);
}

/* f [d, points] <- rows [points, d], the same on all ranks. */
static es_status store(const es_compare_set *set, const double *rows,
                       es_compare_source *s) {
  char name[ES_COMPARE_NAME + 16];
  snprintf(name, sizeof name, "compare: %s", s->name);
  ES_TRY(es_embedded_vary(name, set->points, s->d, rows));
  for (int64_t i = 0; i < set->points; i++)
    for (int j = 0; j < s->d; j++)
      s->f[(int64_t) j * set->points + i] = rows[i * s->d + j];
  return ES_OK;
}

/* Do both networks take the same views? */
static es_status same_shape(const es_held_out *a, const es_held_out *b) {
  const es_shape x = es_net_shape(a->net, 0), y = es_net_shape(b->net, 0);
  ES_CHECK(
      x.c == y.c && x.h == y.h && x.w == y.w, ES_ECONFIG,
      "compare: got a run for views of %d x %d x %d, expected those of the first run, "
      "%d x %d x %d",
      y.c, y.h, y.w, x.c, x.h, x.w);
  return ES_OK;
}

/* Pairs that are held out of the training images are other ones with each seed. Once for
 * the steps of a run. */
static void warn_of_seed(const es_held_out *first, const es_held_out *h, const char *dir,
                         const es_compare_set *set) {
  const es_assembly_input *const in = &h->run->parts->input;
  const long long seed = (long long) h->run->settings.run.seed;
  const size_t bytes = strlen(dir);
  const char *const before = set->n > 0 ? set->source[set->n - 1].name : "";
  const bool told = strncmp(before, dir, bytes) == 0 && before[bytes] == '@';
  if (seed == first->run->settings.run.seed || in->held_out != NULL || in->data->endless)
    return;
  if (told) return;
  es_warn("compare: %s has run.seed = %lld, the first run %lld: it may have been trained "
          "on some of the images that are compared",
          dir, seed, (long long) first->run->settings.run.seed);
}

/* Collective. A run's embeddings of the points of `first`. */
static es_status add_step(const es_job *job, const address *a, int64_t step,
                          const es_held_out *first, es_compare_set *set) {
  const es_held_out_options o = {
      .dir = a->dir, .step = step, .argc = set->argc, .argv = set->argv};
  es_held_out h;
  es_compare_source *s = NULL;
  double *rows = NULL;
  char name[ES_COMPARE_NAME];
  es_status st;
  ES_TRY(es_stop_between(set->stop, job->comm, "the next network"));
  ES_TRY_GOTO(es_held_out_open(job, &o, &h), done);
  ES_TRY_GOTO(same_shape(first, &h), done);
  warn_of_seed(first, &h, a->dir, set);
  const int d = es_net_dim(h.net);
  snprintf(name, sizeof name, "%.200s@%lld", a->dir, (long long) h.step);
  st = add(set, name, d, &s);
  if (st == ES_OK) st = ES_NEW((int64_t) set->points * d, &rows);
  ES_TRY_GOTO(es_comm_agree(job->comm, st), done);
  ES_TRY_GOTO(es_held_out_embed(job->comm, &h, &first->points, rows), done);
  st = store(set, rows, s);
done:
  es_free(&rows);
  es_held_out_close(&h);
  return st;
}

/* Collective. All checkpoints of a run, at most the newest ES_HELD_OUT_STEPS, from the
 * oldest on. */
static es_status add_all_steps(const es_job *job, const address *a,
                               const es_held_out *first, es_compare_set *set) {
  int64_t step[ES_HELD_OUT_STEPS];
  int n;
  ES_TRY(es_held_out_all_steps("compare", job->comm, a->dir, &n, step));
  for (int i = 0; i < n; i++) ES_TRY(add_step(job, a, step[i], first, set));
  return ES_OK;
}

/* Collective. Are the held-out pairs of this run those of the first one, view by view? */
static es_status same_points(const es_job *job, const address *a,
                             const es_compare_set *set, const es_held_out *first) {
  const es_held_out_options o = {.dir = a->dir,
                                 .step = ES_HELD_OUT_LAST,
                                 .pairs = first->points.pairs,
                                 .argc = set->argc,
                                 .argv = set->argv};
  es_held_out h;
  es_status st = es_held_out_open(job, &o, &h);
  if (st == ES_OK) st = same_shape(first, &h);
  if (st == ES_OK) {
    const es_shape s = es_net_shape(h.net, 0);
    const size_t values = (size_t) s.c * (size_t) s.h * (size_t) s.w;
    const size_t bytes = 2 * (size_t) h.points.n * values * sizeof(float);
    if (memcmp(h.points.x, first->points.x, bytes) != 0) {
      es_error(
          "compare: got the prediction of %s for other pairs than those of the first "
          "run: compare it with runs of the same data, views and seed",
          a->dir);
      st = ES_ECONFIG;
    }
  }
  st = es_comm_agree(job->comm, st);
  es_held_out_close(&h);
  return st;
}

/* Collective. Embeddings predicted from the tangent kernel of a run's last step there. */
static es_status add_prediction(const es_job *job, const address *a,
                                const es_held_out *first, es_compare_set *set) {
  char path[1200], name[ES_COMPARE_NAME];
  es_traj_rows rows = {0};
  es_compare_source *s = NULL;
  es_h5 *f = NULL;
  ES_TRY(same_points(job, a, set, first));
  snprintf(path, sizeof path, "%s/ntk/ntk.h5", a->dir);
  ES_TRY(es_traj_read_open(job->comm, path, &f));
  es_status st = es_traj_read_series(f, "/ntk/predicted", 1, &rows);
  const es_status closed = es_h5_close(&f);
  if (st == ES_OK) st = closed;
  if (st == ES_OK && (rows.n < 1 || rows.dim[0] != set->points)) {
    es_error("compare: %s: got %lld samples, expected the %d of the runs: take "
             "compare.pairs and ntk.pairs alike",
             path, (long long) (rows.n > 0 ? rows.dim[0] : 0), set->points);
    st = ES_ECONFIG;
  }
  snprintf(name, sizeof name, "%.200s@ntk", a->dir);
  if (st == ES_OK) st = add(set, name, (int) rows.dim[1], &s);
  st = es_comm_agree(job->comm, st);
  if (st == ES_OK) {
    s->ordered = true;
    st = store(set, rows.values, s);
  }
  es_traj_rows_free(&rows);
  return st;
}

/* Collective. Embeddings in a file, of two views one after the other; the first one
 * decides how many points there are, if there is no run. */
static es_status add_file(const es_job *job, const char *text, es_compare_set *set) {
  es_embedding_rows r = {0};
  es_compare_source *s = NULL;
  double *rows = NULL;
  es_status st;
  ES_TRY_GOTO(es_embedding_read(job->comm, text, 0, &r), done);
  const int64_t points = r.views * r.total;
  if (set->points == 0) {
    set->points = (int) points;
    set->pairs = r.views == 2;
  }
  if (points != set->points) {
    es_error("compare: %s: got %lld rows%s, expected %d as the others have%s", text,
             (long long) points, r.views == 2 ? " (two views, one after the other)" : "",
             set->points, set->pairs ? " (two views of each pair)" : "");
    st = ES_ECONFIG;
    goto done;
  }
  st = add(set, text, r.dim, &s);
  if (st == ES_OK) st = ES_NEW(points * r.dim, &rows);
  ES_TRY_GOTO(es_comm_agree(job->comm, st), done);
  for (int v = 0; v < r.views; v++)
    for (int64_t i = 0; i < r.n; i++)
      memcpy(rows + (v * r.total + r.number[i]) * r.dim, r.z + (v * r.n + i) * r.dim,
             (size_t) r.dim * sizeof *rows);
  es_comm_sum_f64(job->comm, rows, points * r.dim);
  st = store(set, rows, s);
done:
  es_free(&rows);
  es_embedding_free(&r);
  return st;
}

/* Collective. */
static es_status add_source(const es_job *job, const char *text, const es_held_out *first,
                            es_compare_set *set) {
  address a;
  ES_TRY(es_comm_agree(job->comm, parse_address(job->comm, text, &a)));
  ES_TRY(es_stop_between(set->stop, job->comm, "the next source"));
  if (!a.is_run) return add_file(job, text, set);
  if (a.step == ALL) return add_all_steps(job, &a, first, set);
  if (a.step == NTK) return add_prediction(job, &a, first, set);
  return add_step(job, &a, a.step, first, set);
}

/* Collective. The first run among the sources, whose points are taken: pairs, if there is
 * one. */
static es_status open_first(const es_job *job, int n, char *const *text, int64_t pairs,
                            es_compare_set *set, es_held_out *first) {
  for (int i = 0; i < n && !set->pairs; i++) {
    address a;
    ES_TRY(es_comm_agree(job->comm, parse_address(job->comm, text[i], &a)));
    const es_held_out_options o = {.dir = a.dir,
                                   .step = ES_HELD_OUT_LAST,
                                   .pairs = pairs,
                                   .argc = set->argc,
                                   .argv = set->argv};
    set->pairs = a.is_run;
    if (a.is_run) ES_TRY(es_held_out_open(job, &o, first));
  }
  return ES_OK;
}

es_status es_compare_set_open(const es_job *job, int n, char *const *text, int64_t pairs,
                              es_compare_set *set) {
  es_held_out first = {.run = NULL};
  es_status st = open_first(job, n, text, pairs, set, &first);
  if (st == ES_OK && set->pairs) set->points = (int) (2 * first.points.pairs);
  for (int i = 0; i < n && st == ES_OK; i++) st = add_source(job, text[i], &first, set);
  if (st == ES_OK && set->n < 2) {
    es_error(
        "compare: got 1 set of embeddings, expected at least 2: another run or file, "
        "or DIR@all for all checkpoints of one (the newest 64)");
    st = ES_ECONFIG;
  }
  es_held_out_close(&first);
  return st;
}

void es_compare_set_free(es_compare_set *set) {
  for (int i = 0; i < set->n; i++) es_free(&set->source[i].f);
  set->n = 0;
}
