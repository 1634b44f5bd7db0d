/* SPDX-License-Identifier: BSD-3-Clause */
/** @file skip.c  Steps that update nothing, as their loss or gradient is not finite: one
 *  bad batch should not cost a run, and a run that has diverged should say where. */
#include "skip.h"

#include <math.h>
#include <stdio.h>

es_status es_skip_keep(es_train *t) {
  const es_params *const p = es_net_params(t->net);
  return p->backend->ops->download(p->backend, t->kept, p->state, (size_t) p->n_state);
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

/** Of this rank's rows, as the network gives and takes them, in f32. */
static int64_t not_finite(const es_train *t, const es_batch *b, int n, const double *x) {
  const size_t dim = (size_t) es_net_dim(t->net), count = (size_t) b->n * dim;
  const int first = t->deterministic ? t->comm->rank * b->n : 0;
  int64_t bad = 0;
  for (int view = 0; view < 2; view++) {
    const double *const mine = x + (size_t) (view * n + first) * dim;
    for (size_t i = 0; i < count; i++) bad += !isfinite((float) mine[i]);
  }
  return bad;
}

void es_skip_note(es_train *t, const es_batch *b, int n, double loss) {
  t->trouble.loss = loss;
  t->trouble.values = 2 * (int64_t) b->n * es_net_dim(t->net);
  t->trouble.z = not_finite(t, b, n, t->zd);
  t->trouble.dz = not_finite(t, b, n, t->dzd);
  sample_names(b, t->trouble.samples, sizeof t->trouble.samples);
}

/** The lowest rank on which `bad`; -1 for none. */
static int first_rank(const es_comm *c, bool bad) {
  int64_t first = bad ? c->size - c->rank : 0;
  es_comm_max_i64(c, &first, 1);
  return first > 0 ? (int) (c->size - first) : -1;
}

/** What is wrong, the same text on all ranks: of the first rank with embeddings that are
 *  not finite, or else the first whose dL/dz is not, or else of rank 0. Batch norm over
 *  all ranks spreads a bad value before that, and a gradient that overflows on its way
 *  through the network is the same on all once it is summed. */
static void describe(const es_train *t, char *text, size_t size) {
  const es_comm *const c = t->comm;
  const int z = first_rank(c, t->trouble.z > 0), dz = first_rank(c, t->trouble.dz > 0);
  const int speaker = z >= 0 ? z : (dz >= 0 ? dz : 0);
  const bool loss = !isfinite(t->trouble.loss);
  const double value = loss ? t->trouble.loss : t->norm;
  char part[128] = "";
  if (z >= 0 || dz >= 0)
    snprintf(part, sizeof part, "%lld of its %lld %s are not finite, ",
             (long long) (z >= 0 ? t->trouble.z : t->trouble.dz),
             (long long) t->trouble.values,
             z >= 0 ? "embedding values" : "values of dL/dz");
  snprintf(text, size, "%s is %g at step %lld on rank %d: %ssamples %s",
           loss ? "loss" : "norm of the gradient", isnan(value) ? (double) NAN : value,
           (long long) t->step, speaker, part, t->trouble.samples);
  es_comm_bcast(c, text, size, speaker);
}

es_status es_skip_step(es_train *t) {
  const es_params *const p = es_net_params(t->net);
  char text[600] = "";
  const es_status put =
      p->backend->ops->upload(p->backend, p->state, t->kept, (size_t) p->n_state);
  ES_TRY(es_comm_abort_if_alone(t->comm, put));
  es_precondition_forget(t->precondition);
  t->skipped++;
  t->in_row++;
  describe(t, text, sizeof text);
  if (t->in_row <= t->skip_max) {
    es_warn("%s: no update", text);
    return ES_OK;
  }
  if (t->comm->rank == 0)
    es_error("%s; no update in %lld steps in a row (run.skip_max = %lld), a smaller "
             "optim.lr may help",
             text, (long long) t->in_row, (long long) t->skip_max);
  return ES_EMATH;
}
