/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_cases.h  The losses and their forms that unit_loss and par_loss go through.
 *  Every registered loss runs with its defaults; the list adds forms that differ. */
#ifndef ES_TESTS_LOSS_CASES_H
#define ES_TESTS_LOSS_CASES_H

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/loss.h"
#include "eigenstep/mem.h"
#include "eigenstep/rng.h"
#include "eigenstep/selected.h"

typedef struct loss_case {
  const char *name;   /**< of the loss */
  const char *set[4]; /**< "key=value" in its section */
} loss_case;

static const loss_case loss_cases[] = {
    {"barlow", {NULL}},
    {"barlow", {"symmetrize=false"}},
    {"barlow", {"center=true", "offdiag=0.2"}},
    {"barlow", {"center=true", "symmetrize=false", "scale=0.1"}},
    {"barlow", {"normalize=batch", "offdiag=0.0051"}},
    {"barlow", {"normalize=batch", "symmetrize=false", "scale=0.3"}},
    {"vicreg", {NULL}},
    {"vicreg", {"hinge_half=false", "inv=5", "cov=3"}},
    {"vicreg", {"eps=0.2", "inv=0"}},
    {"simclr", {NULL}},
    {"simclr", {"temperature=0.1", "doubled=true"}},
    {"simclr", {"normalize=false", "temperature=2"}},
    {"spectral", {NULL}},
    {"spectral", {"mu=0.5"}}, /* some embeddings are longer than that, some are not */
    {"wmse", {NULL}},
    {"wmse", {"normalize=false", "eps=0.1"}},
    {"corinfomax", {NULL}},
    {"corinfomax", {"normalize=false", "inv=3", "cov=2", "eps=0.1"}},
    {"barlow_logdet", {NULL}},
    {"barlow_logdet", {"center=true", "eps=0.01"}},
    {"lejepa", {"slices=16384"}},
    {"lejepa", {"weight=0.5", "slices=7", "knots=9", "t_max=2"}},
    {"directpred", {NULL}},
    {"directpred", {"center=true", "exponent=1", "eps=0.1"}},
    {"isoloss", {NULL}},
    {"isoloss", {"center=true", "exponent=1"}},
};
enum { LOSS_CASES = sizeof loss_cases / sizeof loss_cases[0] };

/** The larger of two errors; NaN, unlike with fmax, is larger than any number. */
static inline double worse(double a, double b) {
  return b <= a || isnan(a) ? a : b;
}

/** Collective. The loss of a case; NULL if it cannot be made. */
static inline es_loss *loss_of_size(const loss_case *k, const es_comm *c,
                                    const es_loss_size *size) {
  es_config *cfg = NULL;
  es_loss *l = NULL;
  if (es_config_create(&cfg) != ES_OK) return NULL;
  es_status st = ES_OK;
  for (int i = 0; i < 4 && k->set[i] != NULL && st == ES_OK; i++) {
    char text[128];
    snprintf(text, sizeof text, "loss.%s.%s", k->name, k->set[i]);
    st = es_config_set(cfg, text);
  }
  es_loss_choice which = {0};
  if (st == ES_OK) st = es_select_loss(cfg, k->name, &which);
  if (st == ES_OK) st = es_loss_create(&which, size, c, &l);
  es_free(&which.par);
  es_config_destroy(&cfg);
  return st == ES_OK ? l : NULL;
}

static inline es_loss *loss_of(const loss_case *k, const es_comm *c, int n_max,
                               int64_t pairs, int dim) {
  return loss_of_size(k, c, &(es_loss_size){.n_max = n_max, .pairs = pairs, .dim = dim});
}

/** Correlated views [n, d] with a mean and unequal widths. */
static inline void loss_views(uint64_t seed, int n, int d, double *z1, double *z2) {
  es_rng r = es_rng_at(seed, ES_STREAM_TEST, 1, 0);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < d; j++) {
      const double common = es_rng_normal(&r), width = 0.3 + 0.2 * j;
      z1[i * d + j] = 0.4 + width * (common + 0.5 * es_rng_normal(&r));
      z2[i * d + j] = 0.1 * j + width * (common + 0.5 * es_rng_normal(&r));
    }
}

#endif
