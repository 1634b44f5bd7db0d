/* SPDX-License-Identifier: BSD-3-Clause */
/** @file findings.c  Room for what is known of a run's modes. */
#include "findings.h"

#include "eigenstep/mem.h"

es_status es_study_series_open(int steps, int modes, es_study_series *s) {
  const int64_t all = (int64_t) steps * modes;
  *s = (es_study_series){.steps = steps, .modes = modes};
  ES_TRY(ES_NEW(steps, &s->step));
  ES_TRY(ES_NEW(steps, &s->time));
  ES_TRY(ES_NEW(all, &s->variance));
  ES_TRY(ES_NEW(all, &s->halves));
  ES_TRY(ES_NEW(all * ES_ATTRIBUTES, &s->r2));
  ES_TRY(ES_NEW(all * ES_ATTRIBUTES, &s->p));
  return ES_NEW(ES_ATTRIBUTES, &s->null);
}

void es_study_series_free(es_study_series *s) {
  double **const own[] = {&s->time, &s->variance, &s->halves, &s->r2, &s->p, &s->null};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) es_free(own[i]);
  es_free(&s->step);
}

es_status es_study_learned_open(int modes, int points, int d, es_study_learned *l) {
  *l = (es_study_learned){.modes = modes, .points = points, .d = d};
  ES_TRY(ES_NEW(modes, &l->row));
  ES_TRY(ES_NEW(modes, &l->step));
  ES_TRY(ES_NEW((int64_t) modes * points, &l->q));
  ES_TRY(ES_NEW(modes, &l->halves));
  ES_TRY(ES_NEW(modes * ES_ATTRIBUTES, &l->r2));
  ES_TRY(ES_NEW(modes * ES_ATTRIBUTES, &l->p));
  ES_TRY(ES_NEW((int64_t) modes * d, &l->w));
  return ES_NEW(modes, &l->kept);
}

void es_study_learned_free(es_study_learned *l) {
  double **const own[] = {&l->step, &l->q, &l->halves, &l->r2, &l->p, &l->w, &l->kept};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) es_free(own[i]);
  es_free(&l->row);
}

es_status es_study_table_open(int modes, int columns, es_study_table *t) {
  *t = (es_study_table){.modes = modes, .columns = columns};
  return ES_NEW((int64_t) modes * columns, &t->value);
}

void es_study_table_free(es_study_table *t) {
  es_free(&t->value);
}

void es_study_findings_free(es_study_findings *r) {
  es_study_numbers_free(&r->numbers);
  es_study_series_free(&r->series);
  es_study_learned_free(&r->learned);
  es_study_table_free(&r->invariance);
  es_free(&r->usefulness.accuracy);
  es_free(&r->extremes.sample);
  es_free(&r->extremes.pixel);
  for (int i = 0; i < ES_RATES; i++) {
    es_free(&r->rates[i].gamma);
    es_free(&r->rates[i].change);
    es_free(&r->rates[i].error);
    es_free(&r->rates[i].without);
  }
}
