/* SPDX-License-Identifier: BSD-3-Clause */
/** @file model_io.c  Weights to and from safetensors under torchvision's names. */
#include <stdio.h>
#include <string.h>

#include "eigenstep/encoder.h"
#include "eigenstep/mem.h"
#include "eigenstep/safetensors.h"

static bool begins(const char *s, const char *prefix) {
  return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix) {
  const size_t n = strlen(s), m = strlen(suffix);
  return n >= m && strcmp(s + n - m, suffix) == 0;
}

/** torchvision stores these; the model has no use for them. */
static bool ignored(const char *name) {
  return begins(name, "fc.") || ends(name, ".num_batches_tracked");
}

/** "[64, 3, 7, 7]". */
static const char *shape_text(int ndim, const int64_t *dim, char text[96]) {
  int used = snprintf(text, 96, "[");
  for (int i = 0; i < ndim; i++)
    used += snprintf(text + used, (size_t) (96 - used), "%s%lld", i > 0 ? ", " : "",
                     (long long) dim[i]);
  snprintf(text + used, (size_t) (96 - used), "]");
  return text;
}

/** The name without what other programs put before it: wrappers for several devices
 *  (module.), for compilation (_orig_mod.), the part of a larger model. */
static const char *bare_name(const es_params *p, const char *name) {
  static const char *const prefix[] = {"module.", "_orig_mod.", "model.", "backbone.",
                                       "encoder."};
  enum { PREFIXES = sizeof prefix / sizeof *prefix };
  for (int i = 0; i < PREFIXES; i++) {
    if (es_params_find(p, name) >= 0) return name;
    if (!begins(name, prefix[i])) continue;
    name += strlen(prefix[i]);
    i = -1; /* from the first one again */
  }
  return name;
}

/** The shape in the file must be the model's. */
static es_status check_shape(const es_st_tensor *t, const es_tensor_info *v,
                             const char *path) {
  bool same = t->ndim == v->ndim;
  for (int i = 0; i < v->ndim && same; i++) same = t->dim[i] == v->dim[i];
  char got[96], expected[96];
  const bool projector = begins(v->name, "projector.");
  ES_CHECK(same, ES_EFORMAT, "%s: got tensor '%s' of shape %s, expected %s%s", path,
           t->name, shape_text(t->ndim, t->dim, got),
           shape_text(v->ndim, v->dim, expected),
           projector ? ", which follows from projector.widths" : "");
  return ES_OK;
}

/** Each tensor of the file in the model. */
static es_status match_tensors(const es_safetensors *f, const es_params *p,
                               const char *path, int64_t *where, bool tell) {
  char prefix[64] = "";
  for (size_t i = 0; i < es_safetensors_count(f); i++) {
    es_st_tensor t;
    es_safetensors_info(f, i, &t);
    const char *const name = bare_name(p, t.name);
    if (name != t.name && prefix[0] == '\0')
      snprintf(prefix, sizeof prefix, "%.*s", (int) (name - t.name), t.name);
    if (ignored(name)) continue;
    const int at = es_params_find(p, name);
    ES_CHECK(at >= 0, ES_EFORMAT, "%s: got tensor '%s' that the model does not have",
             path, t.name);
    ES_CHECK(where[at] < 0, ES_EFORMAT,
             "%s: got tensor '%s' twice, with and without a prefix", path, name);
    ES_TRY(check_shape(&t, &p->tensor[at], path));
    where[at] = (int64_t) i;
  }
  if (tell && prefix[0] != '\0')
    es_info("%s: the prefix '%s' of the tensors' names is left out", path, prefix);
  return ES_OK;
}

/** All of the encoder must be there, and all of the projector or nothing of it. */
static es_status check_missing(const es_params *p, const char *path, const int64_t *where,
                               bool tell) {
  const char *absent = NULL, *present = NULL;
  for (int i = 0; i < p->n_tensors; i++) {
    const char *const name = p->tensor[i].name;
    const bool projector = begins(name, "projector.");
    ES_CHECK(where[i] >= 0 || projector, ES_EFORMAT,
             "%s: got no tensor '%s', expected all of the encoder's", path, name);
    if (projector && where[i] < 0 && absent == NULL) absent = name;
    if (projector && where[i] >= 0) present = name;
  }
  ES_CHECK(absent == NULL || present == NULL, ES_EFORMAT,
           "%s: got tensor '%s', but not '%s', expected all of the projector's or none",
           path, present, absent);
  if (tell && absent != NULL)
    es_info("%s holds the encoder alone: the projector starts from its initial values",
            path);
  return ES_OK;
}

static es_status match(const es_safetensors *f, const es_params *p, const char *path,
                       int64_t *where, bool tell) {
  for (int i = 0; i < p->n_tensors; i++) where[i] = -1;
  ES_TRY(match_tensors(f, p, path, where, tell));
  return check_missing(p, path, where, tell);
}

/** Collective. Rank 0 reads the tensors found, all ranks set them. */
static es_status load_views(es_params *p, const es_comm *c, const es_safetensors *f,
                            const int64_t *where, float *host) {
  for (int i = 0; i < p->n_tensors; i++) {
    if (where[i] < 0) continue;
    es_status st = ES_OK;
    if (c->rank == 0) st = es_safetensors_read(f, (size_t) where[i], host);
    ES_TRY(es_comm_agree(c, st));
    es_comm_bcast(c, host, (size_t) p->tensor[i].count * sizeof *host, 0);
    st = es_params_set(p, i, host);
    ES_TRY(es_comm_agree(c, st));
  }
  return ES_OK;
}

es_status es_model_check(const es_params *p, const es_comm *c, const char *path) {
  es_safetensors *f = NULL;
  int64_t *where = NULL;
  es_status st = c->rank == 0 ? ES_NEW(p->n_tensors, &where) : ES_OK;
  if (c->rank == 0 && st == ES_OK) st = es_safetensors_open(path, &f);
  if (f != NULL) st = match(f, p, path, where, false);
  if (f != NULL) es_safetensors_close(&f);
  es_free(&where);
  return es_comm_agree(c, st);
}

es_status es_model_load(es_params *p, const es_comm *c, const char *path) {
  es_status st = ES_OK;
  es_safetensors *f = NULL;
  int64_t *where = NULL, most = 0;
  float *host = NULL;
  for (int i = 0; i < p->n_tensors; i++)
    if (p->tensor[i].count > most) most = p->tensor[i].count;
  ES_TRY_GOTO(ES_NEW(p->n_tensors, &where), agreed);
  ES_TRY_GOTO(ES_NEW(most, &host), agreed);
  if (c->rank != 0) goto agreed;
  ES_TRY_GOTO(es_safetensors_open(path, &f), agreed);
  st = match(f, p, path, where, true);
agreed:
  st = es_comm_agree(c, st);
  if (st == ES_OK) {
    es_comm_bcast(c, where, (size_t) p->n_tensors * sizeof *where, 0);
    st = load_views(p, c, f, where, host);
  }
  if (f != NULL) es_safetensors_close(&f);
  es_free(&host);
  es_free(&where);
  return st;
}

/** Fill the list of tensors: parts of the two host copies. */
static void list_tensors(const es_params *p, const float *value, const float *state,
                         es_st_tensor *t) {
  for (int i = 0; i < p->n_tensors; i++) {
    const es_tensor_info *const v = &p->tensor[i];
    t[i] =
        (es_st_tensor){.ndim = v->ndim, .data = (v->state ? state : value) + v->offset};
    memcpy(t[i].dim, v->dim, sizeof t[i].dim);
    snprintf(t[i].name, sizeof t[i].name, "%s", v->name);
  }
}

es_status es_model_export(const es_params *p, const char *path,
                          const char *const (*metadata)[2], size_t n_meta) {
  es_status st = ES_OK;
  es_backend *const b = p->backend;
  float *value = NULL, *state = NULL;
  es_st_tensor *t = NULL;
  ES_TRY_GOTO(ES_NEW(p->n, &value), done);
  ES_TRY_GOTO(ES_NEW(p->n_state, &state), done);
  ES_TRY_GOTO(ES_NEW(p->n_tensors, &t), done);
  ES_TRY_GOTO(b->ops->download(b, value, p->value, (size_t) p->n), done);
  ES_TRY_GOTO(b->ops->download(b, state, p->state, (size_t) p->n_state), done);
  list_tensors(p, value, state, t);
  st = es_safetensors_write(path, t, (size_t) p->n_tensors, metadata, n_meta);
done:
  es_free(&t);
  es_free(&state);
  es_free(&value);
  return st;
}
