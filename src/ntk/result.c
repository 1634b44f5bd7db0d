/* SPDX-License-Identifier: BSD-3-Clause */
/** @file result.c  Results of a step, and ntk.h5. */
#include "result.h"

#include <stdio.h>
#include <string.h>
#include "eigenstep/mem.h"

es_status es_ntk_result_open(const es_ntk_shape *s, bool keep, es_ntk_result *r) {
  *r = (es_ntk_result){.step = 0};
  ES_TRY(ES_NEW(2 * s->pairs * s->d, &r->z));
  ES_TRY(ES_NEW(s->layers, &r->share));
  ES_TRY(ES_NEW(s->groups, &r->group_share));
  ES_TRY(ES_NEW(s->groups + 1, &r->change));
  ES_TRY(ES_NEW(s->groups + 1, &r->embedding));
  return keep ? ES_NEW(4 * s->pairs * s->pairs, &r->kernel) : ES_OK;
}

void es_ntk_result_free(es_ntk_result *r) {
  es_ntk_solution_free(&r->solution);
  es_ntk_agreement_free(&r->known);
  es_ntk_agreement_free(&r->further);
  double **const own[] = {&r->z,      &r->share,     &r->group_share,
                          &r->change, &r->embedding, &r->kernel};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) es_free(own[i]);
}

es_status es_ntk_file_create(const es_job *job, const es_config *cfg, const char *dir,
                             es_ntk_file *f) {
  char path[1200];
  ES_CHECK(snprintf(path, sizeof path, "%s/ntk.h5", dir) < (int) sizeof path, ES_ECONFIG,
           "output.dir: got a path of more than %d characters", (int) sizeof path);
  ES_TRY(es_traj_create(job->comm, path, &f->traj));
  return es_provenance_h5(es_traj_h5(f->traj), job, cfg);
}

static es_status declare_agreement(es_traj *t, const char *path, const char *doc, int k,
                                   int *id) {
  const es_traj_field field[] = {
      ES_TRAJ_VECTOR("subspace", k, "mode", "1",
                     "share of the first k learned modes in the first k predicted ones, "
                     "||A'B||_F^2 / k"),
      ES_TRAJ_VECTOR("error", k, "mode", "1",
                     "its standard error, by bootstrap of pairs"),
      ES_TRAJ_VECTOR("chance", k, "mode", "1", "its value for a random subspace"),
      ES_TRAJ_VECTOR("in_triple", k, "mode", "1",
                     "share of the first k learned modes in the first 3k predicted ones"),
      ES_TRAJ_VECTOR("variance", k, "mode", "1", "variance of the learned modes"),
      ES_TRAJ_VECTOR("cka", k, "mode", "1",
                     "linear CKA of all learned and the first k predicted embeddings"),
      ES_TRAJ_VECTOR("cka_unbiased", k, "mode", "1", "the same, estimated without bias"),
      ES_TRAJ_VECTOR("neighbours", k, "mode", "1",
                     "share of nearest neighbours that both have, likewise"),
      ES_TRAJ_MATRIX("modes", k, "learned", k, "predicted", "1",
                     "|cosine| of learned mode and predicted mode"),
      ES_TRAJ_MATRIX("angles", k, "subspace_of", k, "angle", "rad",
                     "principal angles of the first k modes, ascending; NaN beyond k")};
  return es_traj_declare(t, path, doc, field, sizeof field / sizeof *field, id);
}

static es_status declare_ntk(es_ntk_file *f, const es_ntk_shape *s) {
  const int n = (int) (2 * s->pairs), k = s->modes;
  const es_traj_field field[] = {
      ES_TRAJ_VECTOR("gamma", k, "mode", "1",
                     "growth rates gamma_j of a machine with this kernel, descending"),
      ES_TRAJ_MATRIX("predicted", n, "sample", k, "mode", "1",
                     "its embeddings at the end, view 1 of all pairs, then view 2"),
      ES_TRAJ_MATRIX("learned", n, "sample", s->d, "output", "1",
                     "embeddings of the network, with constant batch norm"),
      ES_TRAJ_MATRIX("kernel", n, "sample", n, "other_sample", "1",
                     "tangent kernel, mean over the combinations of outputs")};
  return es_traj_declare(f->traj, "/ntk", "tangent kernel and what it predicts", field,
                         f->keep ? 4 : 3, &f->ntk);
}

/* Collective. */
static es_status write_names(es_traj *t, const char *path, int n,
                             const char *(*name)(const es_ntk_sum *s, int i),
                             const es_ntk_sum *s) {
  enum { ONE = 128 };
  char *text = NULL;
  ES_TRY(ES_COMM_NEW(es_traj_comm(t), n * ONE + 1, &text));
  for (int i = 0, used = 0; i < n; i++)
    used += snprintf(text + used, ONE, "%s%s", i > 0 ? " " : "", name(s, i));
  const es_status st = es_h5_attr_string(es_traj_h5(t), path, "names", text);
  es_free(&text);
  return st;
}

static const char *layer_name(const es_ntk_sum *s, int i) {
  return es_ntk_sum_layer(s, i)->of.name;
}

es_status es_ntk_file_declare(es_ntk_file *f, const es_ntk_shape *s,
                              const es_ntk_sum *names) {
  const int layers = s->layers, groups = s->groups, k = s->modes;
  const es_traj_field change[] = {
      ES_TRAJ_SCALAR("start", "1",
                     "alignment of the centred kernel with that of the first step here"),
      ES_TRAJ_SCALAR("embedding", "1",
                     "alignment of the centred kernel with that of the embeddings, Z Z'"),
      ES_TRAJ_VECTOR("group_start", groups, "group", "1", "start, of each group"),
      ES_TRAJ_VECTOR("group_embedding", groups, "group", "1", "embedding, likewise")};
  const es_traj_field share[] = {
      ES_TRAJ_VECTOR("share", layers, "layer", "1", "share of a layer in the trace"),
      ES_TRAJ_VECTOR("group_share", groups, "group", "1", "of a group of layers")};
  ES_TRY(declare_ntk(f, s));
  ES_TRY(declare_agreement(f->traj, "/alignment",
                           "learned against predicted embeddings, on the pairs that the "
                           "prediction is from",
                           k, &f->alignment));
  if (s->fit < s->pairs)
    ES_TRY(declare_agreement(f->traj, "/further", "the same on further pairs", k,
                             &f->further));
  ES_TRY(es_traj_declare(f->traj, "/change", "how the kernel changes", change, 4,
                         &f->change));
  ES_TRY(es_traj_declare(f->traj, "/layers", "which layers the kernel is made of", share,
                         2, &f->layers));
  ES_TRY(write_names(f->traj, "/layers/share", layers, layer_name, names));
  return write_names(f->traj, "/layers/group_share", groups, es_ntk_sum_group, names);
}

static double *put(double *to, const double *from, int64_t n) {
  memcpy(to, from, (size_t) n * sizeof *to);
  return to + n;
}

/* A row of /ntk. */
static void fill_ntk(const es_ntk_shape *s, const es_ntk_result *r, double *row) {
  const int64_t n = 2 * s->pairs, k = s->modes;
  row = put(row, r->solution.gamma, k);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < k; j++) *row++ = r->solution.predicted[j * n + i];
  row = put(row, r->z, n * s->d);
  if (r->kernel != NULL) put(row, r->kernel, n * n);
}

es_status es_ntk_file_append(es_ntk_file *f, const es_ntk_shape *s,
                             const es_ntk_result *r) {
  const int64_t n = 2 * s->pairs, g = s->groups;
  const int64_t size = s->modes * (n + 1) + n * s->d + (f->keep ? n * n : 0) + s->layers;
  double *row = NULL;
  ES_TRY(ES_NEW(size + 2 * g + 2, &row));
  fill_ntk(s, r, row);
  es_status st = es_traj_append(f->traj, f->ntk, r->step, r->time, row);
  if (st == ES_OK)
    st = es_traj_append(f->traj, f->alignment, r->step, r->time, r->known.room);
  if (st == ES_OK && s->fit < s->pairs)
    st = es_traj_append(f->traj, f->further, r->step, r->time, r->further.room);
  row[0] = r->change[g];
  row[1] = r->embedding[g];
  put(put(row + 2, r->change, g), r->embedding, g);
  if (st == ES_OK) st = es_traj_append(f->traj, f->change, r->step, r->time, row);
  put(put(row, r->share, s->layers), r->group_share, g);
  if (st == ES_OK) st = es_traj_append(f->traj, f->layers, r->step, r->time, row);
  es_free(&row);
  return st;
}

es_status es_ntk_file_close(es_ntk_file *f) {
  return f->traj != NULL ? es_traj_close(&f->traj) : ES_OK;
}
