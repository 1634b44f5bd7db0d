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

/** Find tensor i in the file: where[i] is the tensor's index, -1: not there. */
static es_status match_tensor(const es_safetensors *f, const es_tensor_info *v,
                              const char *path, int64_t *where) {
  const int64_t at = es_safetensors_find(f, v->name);
  *where = at;
  if (at < 0) {
    ES_CHECK(begins(v->name, "projector."), ES_EFORMAT,
             "%s: got no tensor '%s', expected all of the encoder's", path, v->name);
    return ES_OK;
  }
  es_st_tensor t;
  es_safetensors_info(f, (size_t) at, &t);
  bool same = t.ndim == v->ndim;
  for (int i = 0; i < v->ndim && same; i++) same = t.dim[i] == v->dim[i];
  char got[96], expected[96];
  ES_CHECK(same, ES_EFORMAT, "%s: got tensor '%s' of shape %s, expected %s", path,
           v->name, shape_text(t.ndim, t.dim, got),
           shape_text(v->ndim, v->dim, expected));
  return ES_OK;
}

static es_status match(const es_safetensors *f, const es_params *p, const char *path,
                       int64_t *where) {
  for (int i = 0; i < p->n_tensors; i++)
    ES_TRY(match_tensor(f, &p->tensor[i], path, &where[i]));
  for (size_t i = 0; i < es_safetensors_count(f); i++) {
    es_st_tensor t;
    es_safetensors_info(f, i, &t);
    ES_CHECK(ignored(t.name) || es_params_find(p, t.name) >= 0, ES_EFORMAT,
             "%s: got tensor '%s' that the model does not have", path, t.name);
  }
  return ES_OK;
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
  st = match(f, p, path, where);
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
