/* SPDX-License-Identifier: BSD-3-Clause */
/** @file report.c  What eigenstep ntk prints. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include "eigenstep/log.h"

void es_ntk_print_cost(const es_ntk_cost *c, const es_ntk_outputs *o) {
  const double giga = 1e-9;
  es_info("tangent kernel: %d convolutions and linear layers, %d of them by the "
          "structured form, the others contracted; %.3g million multiply-adds a pair",
          c->layers, c->structured, 1e-6 * c->pair);
  es_info(
      "%d combinations of outputs; each takes %d passes of all samples, %.4g GFLOP on "
      "a rank, and products of %.4g GFLOP; at most %.3g GiB of memory a rank, the "
      "network "
      "with it",
      o->n, c->runs, 2 * giga * c->passes, 2 * giga * c->products,
      (double) c->bytes / (double) (1 << 30));
  es_info(
      "expected: %.3g s of a core on each rank a combination, %.3g s in all (measured "
      "here with a few samples of each layer)",
      c->seconds, o->n * c->seconds);
}

void es_ntk_print_range(const es_loss *l, const es_loss_setup *setup,
                        const es_ntk_solution *s) {
  const char *text[ES_LOSS_CAUTIONS];
  if (s->why != NULL)
    es_warn(
        "prediction: %s; gamma are the eigenvalues of what both views of the kernel's "
        "features have in common, and times are not predicted",
        s->why);
  if (s->caution != NULL) es_warn("prediction: %s", s->caution);
  const int n = s->why == NULL && s->tau != NULL
                    ? es_loss_cautions(l, setup, s->gamma[0], text)
                    : 0;
  for (int i = 0; i < n; i++) es_warn("prediction: %s", text[i]);
}

static void print_shares(const es_ntk_shape *s, const es_ntk_result *r,
                         const es_ntk_sum *names) {
  char text[512] = "";
  for (int g = 0, used = 0; g < s->groups && used < (int) sizeof text - 64; g++)
    used +=
        snprintf(text + used, sizeof text - (size_t) used, "%s%s %.3g %%",
                 g > 0 ? ", " : "", es_ntk_sum_group(names, g), 100 * r->group_share[g]);
  es_print("shares of the kernel: %s", text);
  es_print("alignment with the kernel of the first step here %.3f, with the embeddings "
           "%.3f",
           r->change[s->groups], r->embedding[s->groups]);
}

void es_ntk_print_step(const es_ntk_shape *s, const es_ntk_result *r,
                       const es_ntk_sum *names) {
  enum { SHOWN = 16 };
  const es_ntk_agreement *const a = &r->known, *const f = &r->further;
  const bool more = s->fit < s->pairs;
  es_print("\nstep %lld: learned embeddings against those predicted from the kernel of "
           "this step (%lld pairs%s)",
           (long long) r->step, (long long) s->fit, more ? "; further pairs" : "");
  es_print("%5s %11s %11s %9s %9s %9s %9s %9s%s", "k", "gamma", "variance", "subspace",
           "error", "chance", "in 3k", "CKA", more ? "   further    chance" : "");
  for (int j = 0; j < a->k && j < SHOWN; j++) {
    char last[40] = "";
    if (more) snprintf(last, sizeof last, " %9.3f %9.3f", f->subspace[j], f->chance[j]);
    es_print("%5d %11.4g %11.4g %9.3f %9.3f %9.3f %9.3f %9.3f%s", j + 1,
             r->solution.gamma[j], a->variance[j], a->subspace[j], a->error[j],
             a->chance[j], a->in_triple[j], a->cka[j], last);
  }
  if (a->k > SHOWN) es_print("      (%d more in ntk.h5)", a->k - SHOWN);
  print_shares(s, r, names);
}
