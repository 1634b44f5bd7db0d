/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel.c  Table of kernels; their parameters, including automatic length
 *  scales. */
#include "eigenstep/kernel.h"

#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

/* Relative distance to the mean below which points are equal to round-off. */
#define SAME 1e-12

#define ES_KERNEL(n) extern const es_kernel_ops es_kernel_##n;
#include "kernel_list.h"
#undef ES_KERNEL

static const es_kernel_ops *const kernels[] = {
#define ES_KERNEL(n) &es_kernel_##n,
#include "kernel_list.h"
#undef ES_KERNEL
};

size_t es_kernel_list(const es_kernel_ops *const **list) {
  *list = kernels;
  return sizeof kernels / sizeof kernels[0];
}

size_t es_kernel_sections(es_section *s, size_t max) {
  static const char *const name[] = {
#define ES_KERNEL(n) "kernel." #n,
#include "kernel_list.h"
#undef ES_KERNEL
  };
  size_t n = 0;
  for (size_t i = 0; i < sizeof name / sizeof name[0] && n < max; i++)
    s[n++] = (es_section){
        .name = name[i], .table = kernels[i]->params, .doc = kernels[i]->doc};
  return n;
}

es_status es_kernel_find(const char *name, const es_kernel_ops **ops) {
  const void *found = NULL;
  ES_TRY(es_registry_find("kernel", name, (const void *const *) kernels,
                          sizeof kernels / sizeof kernels[0], &found));
  *ops = found;
  return ES_OK;
}

static es_status prepare(es_kernel *k, const void *par, int m, double rms_distance) {
  const es_kernel_ops *const ops = k->ops;
  ES_TRY(es_config_get_new(NULL, ops->name, ops->params, NULL, ops->size, &k->par));
  if (par != NULL) memcpy(k->par, par, ops->size);
  return ops->prepare != NULL ? ops->prepare(k->par, m, rms_distance) : ES_OK;
}

es_status es_kernel_create(const es_kernel_choice *which, const es_comm *c,
                           const es_pairs *p, int64_t n, es_kernel **out) {
  es_kernel *k = NULL;
  double rms_distance;
  ES_TRY(es_points_rms_distance(c, p, n, &rms_distance));
  es_status st = ES_NEW(1, &k);
  if (st == ES_OK) {
    k->ops = which->ops;
    st = prepare(k, which->par, p->m, rms_distance);
  }
  st = es_comm_agree(c, st);
  if (st == ES_OK)
    *out = k;
  else
    es_kernel_destroy(&k);
  return st;
}

void es_kernel_destroy(es_kernel **k) {
  if (*k == NULL) return;
  es_free(&(*k)->par);
  es_free(k);
}

/* Number of pairs on this rank among the first n. */
static int64_t local_count(const es_pairs *p, int64_t n) {
  const int64_t left = n - p->first;
  return left < 0 ? 0 : left < p->n ? left : p->n;
}

/* Collective. mean [m] over the points of the first n pairs. */
static void mean_point(const es_comm *c, const es_pairs *p, int64_t n, double *mean) {
  const int64_t mine = local_count(p, n);
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < mine; i++)
      for (int j = 0; j < p->m; j++) mean[j] += p->x[v][i * p->m + j] / (2 * (double) n);
  es_comm_sum_f64(c, mean, p->m);
}

es_status es_points_rms_distance(const es_comm *c, const es_pairs *p, int64_t n,
                                 double *distance) {
  double *mean = NULL, sum[2] = {0, 0}; /* of |x - mean|^2, |x|^2 */
  ES_TRY(ES_COMM_NEW(c, p->m, &mean));
  mean_point(c, p, n, mean);
  const int64_t mine = local_count(p, n);
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < mine; i++)
      for (int j = 0; j < p->m; j++) {
        const double x = p->x[v][i * p->m + j], away = x - mean[j];
        sum[0] += away * away;
        sum[1] += x * x;
      }
  es_comm_sum_f64(c, sum, 2);
  if (sum[0] <= SAME * SAME * sum[1]) sum[0] = 0;
  /* mean over ordered pairs of different points: 2 (2n) sum / (2n (2n - 1)) */
  *distance = sqrt(2 * sum[0] / (2 * (double) n - 1));
  es_free(&mean);
  return ES_OK;
}

es_status es_points_center(const es_comm *c, es_pairs *p, int64_t n) {
  double *mean = NULL;
  ES_TRY(ES_COMM_NEW(c, p->m, &mean));
  mean_point(c, p, n, mean);
  for (int v = 0; v < 2; v++)
    for (int64_t i = 0; i < p->n; i++)
      for (int j = 0; j < p->m; j++) p->x[v][i * p->m + j] -= mean[j];
  es_free(&mean);
  return ES_OK;
}
