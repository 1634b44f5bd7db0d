/* SPDX-License-Identifier: BSD-3-Clause */
/** @file backend.c  Backends by name: open, check that the table is complete, close. */
#include "config.h"

#include <string.h>
#include "eigenstep/backend.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

#define ES_BACKEND(n) extern const es_backend_ops es_backend_##n;
#include "backend/backend_list.h"
#undef ES_BACKEND

static const es_backend_ops *const backends[] = {
#define ES_BACKEND(n) &es_backend_##n,
#include "backend/backend_list.h"
#undef ES_BACKEND
};

enum { COUNT = sizeof backends / sizeof backends[0] };

/** Names that exist but may not be in this build; the message says so, instead of taking
 *  them for a misspelling. */
static const struct {
  const char *name, *how;
} known[] = {{"onednn", "configure --with-onednn"}, {"cuda", "configure --with-cuda"}};

size_t es_backend_list(const es_backend_ops *const **list) {
  *list = backends;
  return COUNT;
}

es_status es_backend_complete(const es_backend_ops *o) {
  const struct {
    const char *name;
    bool present;
  } members[] = {
      {"doc", o->doc != NULL},
      {"open", o->open != NULL},
      {"close", o->close != NULL},
      {"alloc", o->alloc != NULL},
      {"release", o->release != NULL},
      {"upload", o->upload != NULL},
      {"download", o->download != NULL},
      {"download64", o->download64 != NULL},
      {"copy", o->copy != NULL},
      {"zero", o->zero != NULL},
      {"sync", o->sync != NULL},
      {"record", o->record != NULL},
      {"wait", o->wait != NULL},
      {"has_bf16", o->bf16 == NULL || o->has_bf16 != NULL},
      {"narrow, or multiply without it", (o->narrow == NULL) == (o->multiply == NULL)},
      {"act_bytes", o->act_bytes != NULL},
      {"act_write", o->act_write != NULL},
      {"act_read", o->act_read != NULL},
      {"views_reserve", (o->views == NULL) == (o->views_reserve == NULL)},
      {"dot", o->dot != NULL},
      {"gram", o->gram != NULL},
      {"scale", o->scale != NULL},
      {"sgd", o->sgd != NULL},
      {"adamw", o->adamw != NULL},
      {"add", o->add != NULL},
      {"orthogonalize", o->orthogonalize != NULL},
      {"allreduce", o->allreduce != NULL},
      {"treesum", o->treesum != NULL},
      {"packed_bytes", (o->pack == NULL) == (o->packed_bytes == NULL)},
      {"sums_end", (o->sum_begin == NULL) == (o->sums_end == NULL)},
      {"graph_end", (o->graph_begin == NULL) == (o->graph_end == NULL)},
  };
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    ES_CHECK(members[i].present, ES_EINTERNAL, "backend '%s' lacks %s", o->name,
             members[i].name);
  for (int k = 0; k < ES_OP_KINDS; k++)
    ES_CHECK(o->plan[k] != NULL, ES_EINTERNAL, "backend '%s' lacks the op %s", o->name,
             es_op_kind_name((es_op_kind) k));
  return ES_OK;
}

static bool listed(const char *name) {
  for (size_t i = 0; i < COUNT; i++)
    if (strcmp(backends[i]->name, name) == 0) return true;
  return false;
}

size_t es_backend_readers(es_reader *list, size_t max) {
  size_t n = 0;
  for (; n < COUNT && n < max; n++)
    list[n] = (es_reader){backends[n]->name, backends[n]->reads};
  const es_backend_ops *const gpu = &es_backend_gpu_sizes;
  if (n < max && !listed(gpu->name)) list[n++] = (es_reader){gpu->name, gpu->reads};
  return n;
}

/** Sizes alone can be had of a GPU in every build. */
static es_status find(const char *name, bool sizes_only, const es_backend_ops **ops) {
  if (sizes_only && strcmp(name, es_backend_gpu_sizes.name) == 0 && !listed(name)) {
    *ops = &es_backend_gpu_sizes;
    return ES_OK;
  }
  if (strcmp(name, "auto") == 0) {
    *ops = backends[0];
    es_phase("backend.name=auto: selected %s", (*ops)->name);
    return ES_OK;
  }
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    ES_CHECK(strcmp(name, known[i].name) != 0 || listed(name), ES_ENOTSUP,
             "backend '%s' is not in this build (%s); backend.name = auto takes '%s'",
             name, known[i].how, backends[0]->name);
  const void *found = NULL;
  ES_TRY(
      es_registry_find("backend", name, (const void *const *) backends, COUNT, &found));
  *ops = found;
  return ES_OK;
}

/** The part of opening in which ranks may differ. */
static es_status open_here(const es_backend_options *o, const es_comm *comm,
                           es_backend **b) {
  ES_CHECK(o->threads >= 1, ES_EARG,
           "backend.threads: got %d per rank, expected at least 1", o->threads);
  const es_backend_ops *ops = NULL;
  ES_TRY(find(o->name, o->sizes_only, &ops));
  const bool sizes = ops == &es_backend_gpu_sizes;
  if (!sizes) ES_TRY(es_backend_complete(ops));
  ES_CHECK(ops->most_threads == 0 || o->threads <= ops->most_threads, ES_ECONFIG,
           "backend.threads: got %d, expected at most %d with backend.name = %s",
           o->threads, ops->most_threads, ops->name);
  ES_CHECK(
      o->graph != ES_GRAPH_ALWAYS || ops->graph_begin != NULL || sizes, ES_ECONFIG,
      "backend.graph: got true with backend.name = %s, which has no graphs; expected "
      "auto",
      ops->name);
  es_backend *made = NULL;
  ES_TRY(ES_NEW(1, &made));
  *made = (es_backend){.ops = ops,
                       .comm = comm,
                       .threads = o->threads,
                       .lacks_bf16 = ops->bf16 == NULL || !ops->has_bf16(),
                       .tune = o->tune,
                       .plans = o->plans != NULL ? o->plans : "",
                       .share = o->share,
                       .tf32 = o->tf32,
                       .graph = o->graph,
                       .sizes_only = o->sizes_only};
  const es_status st = ops->open(made, comm);
  if (st == ES_OK)
    *b = made;
  else
    es_free(&made);
  return st;
}

es_status es_backend_open_with(const es_backend_options *o, const es_comm *comm,
                               es_backend **b) {
  es_backend *made = NULL;
  es_status st = open_here(o, comm, &made);
  if (comm != NULL) st = es_comm_agree(comm, st);
  if (comm != NULL && st == ES_OK) {
    double lacks = made->lacks_bf16;
    es_comm_sum_f64(comm, &lacks, 1);
    made->lacks_bf16 = (int) lacks;
  }
  if (st != ES_OK) es_backend_close(&made);
  if (st == ES_OK) *b = made;
  return st;
}

const char *es_precision_name(es_precision p) {
  return p == ES_BF16 ? "bf16" : "f32";
}

es_status es_backend_precision(const es_backend *b, es_precision wanted,
                               es_precision *got) {
  const es_backend_ops *const o = b->ops;
  const bool bf16 = wanted == ES_BF16;
  ES_CHECK(!bf16 || o->bf16 != NULL, ES_ECONFIG,
           "backend.precision: got bf16 with backend '%s', which computes in f32 only",
           o->name);
  if (bf16 && b->lacks_bf16 > 0)
    es_warn("backend.precision: bf16 needs %s, which the processors of %d of %d ranks "
            "lack; all ranks compute in f32",
            o->bf16, b->lacks_bf16, b->comm != NULL ? b->comm->size : 1);
  *got = bf16 && b->lacks_bf16 == 0 ? ES_BF16 : ES_F32;
  es_phase("backend %s: activations in %s", o->name, es_precision_name(*got));
  return ES_OK;
}

es_status es_backend_multiplies_bf16(const es_backend *b, const char *key) {
  const es_backend_ops *const o = b->ops;
  ES_CHECK(o->multiply != NULL, ES_ECONFIG,
           "%s: got bf16 with backend '%s', which has no products of matrices in bf16; "
           "expected f32, or backend.name=onednn",
           key, o->name);
  ES_CHECK(b->lacks_bf16 == 0, ES_ECONFIG,
           "%s: bf16 needs %s, which the processors of %d of %d ranks lack; expected f32",
           key, o->bf16, b->lacks_bf16, b->comm != NULL ? b->comm->size : 1);
  return ES_OK;
}

es_act es_act_at(es_backend *b, es_act_type t, es_act a, int n) {
  return (char *) a + b->ops->act_bytes(b, t, n);
}

es_status es_backend_open(const char *name, const es_comm *comm, int threads,
                          es_backend **b) {
  const es_backend_options o = {.name = name, .threads = threads, .share = true};
  return es_backend_open_with(&o, comm, b);
}

void es_backend_close(es_backend **b) {
  if (*b == NULL) return;
  (*b)->ops->close(*b);
  if ((*b)->allocated != 0)
    es_warn("backend %s closed with %zu bytes still allocated", (*b)->ops->name,
            (*b)->allocated);
  es_free(b);
}
