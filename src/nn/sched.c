/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sched.c  Learning-rate schedules: linear warm-up, then the variant's factor. */
#include "eigenstep/optim.h"
#include "eigenstep/registry.h"

const es_param es_sched_table[] = {
    ES_STRING(es_sched_params, name, "constant",
              "schedule of the learning rate: constant or cosine"),
    ES_INT(es_sched_params, warmup, "0", 0, 1e15, "step", "steps of linear warm-up"),
    ES_DOUBLE(es_sched_params, final, "0", 0, 1, "1",
              "cosine: learning rate at the end, as a fraction of optim.lr"),
    ES_PARAM_END};

#define ES_SCHED(n) extern const es_sched_ops es_sched_##n;
#include "sched_list.h"
#undef ES_SCHED

static const es_sched_ops *const schedules[] = {
#define ES_SCHED(n) &es_sched_##n,
#include "sched_list.h"
#undef ES_SCHED
};

size_t es_sched_list(const es_sched_ops *const **list) {
  *list = schedules;
  return sizeof schedules / sizeof schedules[0];
}

es_status es_sched_find(const es_sched_params *p, const es_sched_ops **ops) {
  const void *found;
  ES_TRY(es_registry_find("schedule", p->name, (const void *const *) schedules,
                          sizeof schedules / sizeof schedules[0], &found));
  *ops = found;
  return ES_OK;
}

double es_sched_lr(const es_sched_ops *ops, const es_sched_params *p, double base,
                   int64_t step, int64_t steps) {
  if (step < p->warmup) return base * (double) (step + 1) / (double) p->warmup;
  return base * ops->factor(p, step - p->warmup, steps - p->warmup);
}
