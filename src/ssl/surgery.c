/* SPDX-License-Identifier: BSD-3-Clause */
/** @file surgery.c  Modes of the embedding that are removed, frozen or boosted. */
#include "eigenstep/surgery.h"

#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

typedef es_surgery_params par;
const es_param es_surgery_table[] = {
    ES_INT(par, step, "0", 0, 1e15, "steps",
           "before this step the modes below are changed, as they are then"),
    ES_LIST(par, remove, "", 1, 1e9, "1",
            "modes that the last layer loses but for surgery.left; 1 = the largest "
            "eigenvalue"),
    ES_LIST(par, freeze, "", 1, 1e9, "1",
            "modes whose part of the gradient is taken out from that step on"),
    ES_LIST(par, boost, "", 1, 1e9, "1",
            "modes whose part of the gradient is multiplied by surgery.gain from that "
            "step on"),
    ES_DOUBLE(par, left, "0.01", 0, 1, "1",
              "what is left of the amplitude of a removed mode, from which it grows "
              "again; 0: nothing but round-off"),
    ES_DOUBLE(par, gain, "4", 0, 1e6, "1", "factor of surgery.boost"),
    ES_PARAM_END};

struct es_surgery {
  par par;
  int dim, n, modes; /* outputs; modes changed; the highest of them */
  int64_t done;
  es_surgery_entry entry[ES_SURGERY_MODES];
  /* [n, D + 2] a row a mode: time, eigenvalue, direction; owned */
  double *state;
};
enum { TIME, VALUE, DIRECTION };

static const double *direction(const es_surgery *s, int i) {
  return s->state + (int64_t) i * (s->dim + DIRECTION) + DIRECTION;
}

/* The entry of a mode, new or found; entries are ascending. */
static es_surgery_entry *entry_of(int mode, es_surgery_entry *entry, int *n) {
  int at = 0;
  while (at < *n && entry[at].mode < mode) at++;
  if (at < *n && entry[at].mode == mode) return &entry[at];
  memmove(entry + at + 1, entry + at, (size_t) (*n - at) * sizeof *entry);
  entry[at] = (es_surgery_entry){mode, 1, 1};
  (*n)++;
  return &entry[at];
}

int es_surgery_entries(const par *p, es_surgery_entry *entry) {
  int n = 0;
  for (int i = 0; i < p->remove.n; i++)
    entry_of((int) p->remove.v[i], entry, &n)->left = p->left;
  for (int i = 0; i < p->boost.n; i++)
    entry_of((int) p->boost.v[i], entry, &n)->gain = p->gain;
  for (int i = 0; i < p->freeze.n; i++)
    entry_of((int) p->freeze.v[i], entry, &n)->gain = 0;
  return n;
}

bool es_surgery_is_wanted(const par *p) {
  return p->remove.n + p->freeze.n + p->boost.n > 0;
}

static es_status check_list(const char *name, const es_list *l, int dim) {
  for (int i = 0; i < l->n; i++)
    ES_CHECK(l->v[i] == floor(l->v[i]) && l->v[i] <= dim, ES_ECONFIG,
             "surgery.%s: got mode %g, expected a whole number from 1 to the embedding's "
             "%d dimensions",
             name, l->v[i], dim);
  return ES_OK;
}

es_status es_surgery_check(const par *p, int dim, int64_t steps) {
  ES_TRY(check_list("remove", &p->remove, dim));
  ES_TRY(check_list("freeze", &p->freeze, dim));
  ES_TRY(check_list("boost", &p->boost, dim));
  for (int i = 0; i < p->freeze.n; i++)
    for (int j = 0; j < p->boost.n; j++)
      ES_CHECK(p->freeze.v[i] != p->boost.v[j], ES_ECONFIG,
               "surgery: got mode %g in freeze and in boost, expected it in one of them",
               p->freeze.v[i]);
  ES_CHECK(!es_surgery_is_wanted(p) || steps == 0 || p->step < steps, ES_ECONFIG,
           "surgery.step: got %lld, expected a step of the run, 0 to %lld",
           (long long) p->step, (long long) steps - 1);
  return ES_OK;
}

es_status es_surgery_create(const par *p, int dim, int64_t steps, es_surgery **out) {
  es_surgery *s = NULL;
  *out = NULL;
  ES_TRY(es_surgery_check(p, dim, steps));
  if (!es_surgery_is_wanted(p)) return ES_OK;
  ES_TRY(ES_NEW(1, &s));
  s->par = *p;
  s->dim = dim;
  s->n = es_surgery_entries(p, s->entry);
  s->modes = s->entry[s->n - 1].mode;
  const es_status st = ES_NEW((int64_t) s->n * (dim + DIRECTION), &s->state);
  if (st == ES_OK)
    *out = s;
  else
    es_surgery_destroy(&s);
  return st;
}

void es_surgery_destroy(es_surgery **s) {
  if (*s == NULL) return;
  es_free(&(*s)->state);
  es_free(s);
}

bool es_surgery_is_due(const es_surgery *s, int64_t step) {
  return s != NULL && s->done == 0 && step == s->par.step;
}

double es_surgery_done(const es_surgery *s) {
  return s != NULL && s->done != 0 ? (double) s->par.step : INFINITY;
}

int es_surgery_modes(const es_surgery *s) {
  return s != NULL ? s->modes : 0;
}

void es_surgery_set(es_surgery *s, double time, const double *value, const double *q) {
  for (int i = 0; i < s->n; i++) {
    double *const row = s->state + (int64_t) i * (s->dim + DIRECTION);
    const int k = s->entry[i].mode - 1;
    row[TIME] = time;
    row[VALUE] = value[k];
    memcpy(row + DIRECTION, q + (int64_t) k * s->dim, (size_t) s->dim * sizeof *q);
  }
  s->done = 1;
}

/* x [n, stride] at q: x <- x + factor q (q' x), of one column. */
static void scale(int dim, const double *q, double factor, int64_t stride, double *x) {
  double along = 0;
  for (int i = 0; i < dim; i++) along += q[i] * x[i * stride];
  for (int i = 0; i < dim; i++) x[i * stride] += factor * along * q[i];
}

void es_surgery_move(const es_surgery *s, bool momentum, int64_t columns, double *x) {
  for (int i = 0; s != NULL && i < s->n; i++) {
    const es_surgery_entry *const e = &s->entry[i];
    const double left = momentum && e->gain == 0 ? 0 : e->left;
    for (int64_t c = 0; c < columns && left != 1; c++)
      scale(s->dim, direction(s, i), left - 1, columns, x + c);
  }
}

void es_surgery_steer(const es_surgery *s, const es_loss_batch *b) {
  if (s == NULL || s->done == 0) return;
  for (int i = 0; i < s->n; i++)
    for (int v = 0; v < 2 && s->entry[i].gain != 1; v++)
      for (int64_t r = 0; r < b->n; r++)
        scale(s->dim, direction(s, i), s->entry[i].gain - 1, 1, b->dz[v] + r * s->dim);
}

enum { COLUMNS = 6 };

static void fill(const es_surgery *s, double *row) {
  for (int i = 0; i < s->n; i++) {
    const es_surgery_entry *const e = &s->entry[i];
    const double *const state = direction(s, i) - DIRECTION;
    const double values[COLUMNS] = {
        e->mode, (double) s->par.step, state[TIME], state[VALUE], e->left, e->gain};
    memcpy(row + (int64_t) i * COLUMNS, values, sizeof values);
    es_info("surgery before step %lld: mode %d, eigenvalue %.4g: %.3g of its amplitude "
            "is left, its gradient times %.3g",
            (long long) s->par.step, e->mode, state[VALUE], e->left, e->gain);
  }
}

/* Collective. */
static es_status write_rows(es_traj *t, int rows, const double *values) {
  const es_traj_field column[COLUMNS] = {
      ES_TRAJ_SCALAR("mode", "1", "number of the mode before that step"),
      ES_TRAJ_SCALAR("step", "steps", "step before which it was changed"),
      ES_TRAJ_SCALAR("time", "learning rate x steps", "effective time of that step"),
      ES_TRAJ_SCALAR("eigenvalue", "1", "its eigenvalue before the change"),
      ES_TRAJ_SCALAR("left", "1", "what is left of its amplitude; 1: all"),
      ES_TRAJ_SCALAR("gain", "1", "factor of its gradient since then; 0: frozen")};
  const es_traj_table table = {.path = "/surgery",
                               .doc = "modes that were removed, frozen or boosted",
                               .column = column,
                               .columns = COLUMNS,
                               .rows = rows,
                               .values = values};
  return es_traj_write_table(t, &table);
}

es_status es_surgery_record(const es_surgery *s, es_traj *t) {
  double row[ES_SURGERY_MODES * COLUMNS];
  fill(s, row);
  return write_rows(t, s->n, row);
}

es_status es_surgery_resume(const es_surgery *s, es_traj *t) {
  const bool written = es_h5_exists(es_traj_h5(t), "/surgery");
  return written && isinf(es_surgery_done(s)) ? write_rows(t, 0, NULL) : ES_OK;
}

es_status es_surgery_visit(es_surgery *s, int64_t steps, es_visitor *v) {
  if (s == NULL || steps <= s->par.step) return ES_OK;
  es_item item = {"surgery/state", ES_ITEM_F64, 2, {s->n, s->dim + DIRECTION}, s->state};
  s->done = 1;
  return v->item(v, &item);
}
