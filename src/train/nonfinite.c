/* SPDX-License-Identifier: BSD-3-Clause */
/** @file nonfinite.c  Steps that make no update, as their loss or gradient is not finite:
 *  one bad batch should not cost a run, and a run that has diverged should say where. */
#include "nonfinite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

es_status es_nonfinite_create(const es_comm *c, const es_params *p, int64_t limit,
                              es_nonfinite *f) {
  void *state;
  ES_TRY(p->backend->ops->alloc(p->backend, (size_t) p->n_state * sizeof(float),
                                "saved running averages", &state));
  *f = (es_nonfinite){.comm = c, .params = p, .state = state, .limit = limit};
  return ES_OK;
}

void es_nonfinite_free(es_nonfinite *f) {
  void *state = f->state;
  if (state != NULL) f->params->backend->ops->release(f->params->backend, &state);
  f->state = NULL;
}

es_status es_nonfinite_save(es_nonfinite *f) {
  const es_params *const p = f->params;
  return p->backend->ops->copy(p->backend, f->state, p->state, (size_t) p->n_state);
}

static es_status restore(es_nonfinite *f) {
  const es_params *const p = f->params;
  return p->backend->ops->copy(p->backend, p->state, f->state, (size_t) p->n_state);
}

/** The samples of a batch as text, the first few. */
static void sample_names(const es_batch *b, char *text, size_t size) {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < b->n && i < 8; i++) {
    used += (size_t) snprintf(text + used, size - used, "%s%lld", i ? ", " : "",
                              (long long) b->id[i]);
  }
  if (b->n > 8) snprintf(text + used, size - used, ", ...");
}

/** In f32, as the network returns and takes them. */
static int64_t count(const es_row_layout *l, int own, size_t dim, const double *x) {
  const int rows = es_row_layout_rows(l, own), first = es_row_layout_first(l, own);
  int64_t bad = 0;
  for (int view = 0; view < 2; view++) {
    const double *const mine = x + (size_t) (view * rows + first) * dim;
    for (size_t i = 0; i < (size_t) own * dim; i++) bad += !isfinite((float) mine[i]);
  }
  return bad;
}

void es_nonfinite_count(const es_row_layout *l, const es_batch *b, int dim,
                        const double *z, const double *dz, es_step_values *v) {
  v->total = 2 * (int64_t) b->n * dim;
  v->bad_z = count(l, b->n, (size_t) dim, z);
  v->bad_dz = count(l, b->n, (size_t) dim, dz);
  sample_names(b, v->samples, sizeof v->samples);
}

/** The lowest rank on which `bad`; -1 for none. */
static int first_rank(const es_comm *c, bool bad) {
  int64_t first = bad ? c->size - c->rank : 0;
  es_comm_max_i64(c, &first, 1);
  return first > 0 ? (int) (c->size - first) : -1;
}

/** A step without an update, in words that are the same on all ranks. */
typedef struct report {
  char what[160];    /**< "loss is NaN (3 of 64 embedding values on rank 1 ...)" */
  char samples[256]; /**< of the rank named in it, or of rank 0 */
  int rank;
} report;

/** Of the first rank with embeddings that are not finite, or else the first whose dL/dz
 *  is not. Batch norm over all ranks spreads a bad value before that, and a gradient that
 *  overflows on its way through the network is the same on all once it is summed. */
static void describe(const es_comm *c, const es_step_result *r, report *out) {
  const es_step_values *const v = &r->values;
  const int z = first_rank(c, v->bad_z > 0), dz = first_rank(c, v->bad_dz > 0);
  const bool loss = !isfinite(r->loss), known = z >= 0 || dz >= 0;
  const double value = loss ? r->loss : r->norm;
  char part[100] = "";
  *out = (report){.rank = z >= 0 ? z : (dz >= 0 ? dz : 0)};
  if (known)
    snprintf(part, sizeof part, " (%lld of %lld %s on rank %d are not finite)",
             (long long) (z >= 0 ? v->bad_z : v->bad_dz), (long long) v->total,
             z >= 0 ? "embedding values" : "values of dL/dz", out->rank);
  snprintf(out->what, sizeof out->what, "%s is %s%s", loss ? "loss" : "gradient",
           isnan(value) ? "NaN" : (value > 0 ? "infinite" : "-infinite"), part);
  memcpy(out->samples, v->samples, sizeof out->samples);
  es_comm_bcast(c, out, sizeof *out, out->rank);
}

es_status es_nonfinite_skip(es_nonfinite *f, int64_t step, const es_step_result *r) {
  report bad;
  ES_TRY(es_comm_abort_if_alone(f->comm, restore(f)));
  f->skipped++;
  f->in_row++;
  describe(f->comm, r, &bad);
  es_phase("step %lld: rank %d had samples %s", (long long) step, bad.rank, bad.samples);
  if (f->in_row <= f->limit) {
    es_warn("step %lld: %s; update skipped", (long long) step, bad.what);
    return ES_OK;
  }
  if (f->comm->rank == 0)
    es_error("training diverged at step %lld: %s; %lld %s skipped (run.skip_max = %lld); "
             "lower optim.lr, or take optim.lr=auto",
             (long long) step, bad.what, (long long) f->in_row,
             f->in_row == 1 ? "update" : "consecutive updates", (long long) f->limit);
  return ES_EMATH;
}
