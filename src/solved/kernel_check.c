/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel_check.c  Parameters of eigenstep kernel that do not go together. */
#include "kernel_check.h"

#include <math.h>
#include "schedule.h"

es_status es_kernel_check(const es_kernel_params *p) {
  ES_TRY(es_theory_check_times("kernel", &p->times));
  ES_CHECK(p->widths.n == 0 || p->weight_decay == 0, ES_ECONFIG,
           "kernel.weight_decay: got %g, expected 0 with kernel.widths", p->weight_decay);
  ES_CHECK(p->widths.n == 0 || p->method != ES_KERNEL_FLOW, ES_ECONFIG,
           "kernel.method: got flow, expected gd or direct with kernel.widths");
  ES_CHECK(
      p->solver != ES_KERNEL_SUBSPACE ||
          (p->method != ES_KERNEL_DIRECT && p->widths.n == 0),
      ES_ECONFIG,
      "kernel.solver: got subspace with kernel.method = direct or kernel.widths, which "
      "need all modes and the whole matrix; expected full, or gd or flow without "
      "widths");
  ES_CHECK(
      p->modes == 0 || p->modes > p->dim, ES_ECONFIG,
      "kernel.modes: got %lld, expected 0 (automatic) or more than kernel.dim = %lld",
      (long long) p->modes, (long long) p->dim);
  return ES_OK;
}

/* A network can stand beside this kernel, in these widths. */
es_status es_kernel_check_widths(const es_machine *m) {
  const es_list *w = &m->par.widths;
  const es_kernel_ops *ops = m->kernel->ops;
  if (w->n == 0) return ES_OK;
  ES_CHECK(ops->layers != NULL, ES_ECONFIG,
           "kernel.widths: got the kernel %s, expected one that wide networks have: "
           "arccos, ntk_relu",
           ops->name);
  ES_CHECK(!ops->tangent || ops->layers(m->kernel->par) == 1, ES_ECONFIG,
           "kernel.%s.depth: got %d with kernel.widths, expected 1: deeper tangent "
           "kernels weigh layers unlike gradient descent does",
           ops->name, ops->layers(m->kernel->par));
  for (int i = 0; i < w->n; i++)
    ES_CHECK(w->v[i] == floor(w->v[i]) && (!ops->tangent || fmod(w->v[i], 2) == 0),
             ES_ECONFIG, "kernel.widths: got %g, expected %s numbers", w->v[i],
             ops->tangent ? "even" : "whole");
  return ES_OK;
}
