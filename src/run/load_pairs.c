/* SPDX-License-Identifier: BSD-3-Clause */
/** @file load_pairs.c  A data set's pairs, through its augmentations, as one batch. */
#include "eigenstep/load_pairs.h"

#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/run_loop.h"
#include "eigenstep/selected.h"

es_status es_pairs_source_read(es_config *cfg, es_pairs_source *s) {
  es_run_params run;
  ES_TRY(es_config_default(cfg, "augment.list", "crop"));
  ES_TRY(es_config_default(cfg, "augment.crop.mode", "fixed"));
  ES_TRY(es_config_default(cfg, "augment.crop.size", "20"));
  ES_TRY(es_config_get(cfg, "run", es_run_table, NULL, sizeof run, &run));
  ES_TRY(es_config_get(cfg, "data", es_data_table, NULL, sizeof s->data, &s->data));
  es_select_unread_data(cfg, s->data.name);
  s->data.exact = true;
  s->seed = (uint64_t) run.seed;
  return es_select_augment(cfg, s->data.name, &s->augment);
}

void es_pairs_source_free(es_pairs_source *s) {
  es_augment_steps_free(&s->augment);
}

/* A batch needs a pair on each rank; with fewer pairs the surplus is left out again. What
 * the data set has in double is taken from there. */
static es_status copy_share(const es_comm *c, const es_dataset *ds, const es_batch *b,
                            es_pairs *p) {
  const size_t m = (size_t) p->m;
  es_comm_local_range(c, p->total, &p->first, &p->n);
  for (int v = 0; v < 2; v++) {
    ES_TRY(ES_NEW((size_t) p->n * m, &p->x[v]));
    const float *from = b->x + (size_t) v * (size_t) b->n * m;
    for (int64_t i = 0; i < p->n; i++, from += m) {
      double *const to = p->x[v] + (size_t) i * m;
      const bool exact =
          ds->ops->get_double != NULL && ds->ops->get_double(ds, b->id[i], v, to);
      for (size_t k = 0; k < m && !exact; k++) to[k] = from[k];
    }
  }
  return ES_OK;
}

static es_status load(const es_comm *c, const es_dataset *ds, const es_augment *a,
                      es_shape view, const es_loader_options *o, es_pairs *p) {
  es_loader *l = NULL;
  es_batch *b = NULL;
  es_progress_begin("loading %lld pairs of views", (long long) p->total);
  ES_TRY(es_loader_create(c, ds, a, view, o, &l));
  es_status st = es_comm_agree(c, es_loader_get(l, 0, &b));
  if (st == ES_OK) st = es_comm_agree(c, copy_share(c, ds, b, p));
  es_loader_destroy(&l);
  es_progress_end();
  return st;
}

es_status es_pairs_load(const es_comm *c, const es_pairs_source *s, int64_t n,
                        es_pairs *out, es_shape *view) {
  es_dataset *ds = NULL;
  es_augment *a = NULL;
  es_pairs p = {.total = n};
  es_status st;
  es_progress_begin("opening data.name = %s", s->data.name);
  st = es_dataset_open(c, &s->data, NULL, s->seed, &ds);
  es_progress_end();
  ES_TRY_GOTO(st, done);
  if (n > ds->size && !ds->endless) {
    if (c->rank == 0)
      es_error("%s: got %lld pairs in all, expected at most the %lld records of data set "
               "'%s'",
               s->keys, (long long) n, (long long) ds->size, s->data.name);
    st = ES_ECONFIG;
    goto done;
  }
  ES_TRY_GOTO(es_comm_agree(c, es_augment_create(&s->augment, ds, &a, view)), done);
  p.m = view->c * view->h * view->w;
  const es_loader_options o = {.seed = s->seed,
                               .pairs = n > c->size ? n : c->size,
                               .count = ds->size,
                               .shuffle = s->data.shuffle};
  ES_TRY_GOTO(load(c, ds, a, *view, &o, &p), done);
  *out = p;
done:
  if (st != ES_OK) es_pairs_free(&p);
  es_augment_destroy(&a);
  es_dataset_close(&ds);
  return st;
}
