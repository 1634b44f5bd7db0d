/* SPDX-License-Identifier: BSD-3-Clause */
/** @file prim.c  oneDNN primitives: engine, making, running. */
#include "prim_private.h"

#include <stdio.h>
#include "eigenstep/mem.h"

es_status es_prim_engine_create(bool alone, es_prim_engine **e) {
  es_prim_engine *q = NULL;
  ES_TRY(ES_NEW(1, &q));
  q->alone = alone;
  dnnl_status_t st = dnnl_engine_create(&q->engine, dnnl_cpu, 0);
  if (st == dnnl_success)
    st = dnnl_stream_create(&q->stream, q->engine, dnnl_stream_default_flags);
  if (st != dnnl_success) {
    es_prim_engine_destroy(&q);
    ES_CHECK(false, ES_EDEVICE, "oneDNN cannot open the processor (status %d)", (int) st);
  }
  *e = q;
  return ES_OK;
}

void es_prim_engine_destroy(es_prim_engine **e) {
  if (*e == NULL) return;
  if ((*e)->stream != NULL) dnnl_stream_destroy((*e)->stream);
  if ((*e)->engine != NULL) dnnl_engine_destroy((*e)->engine);
  es_free(e);
}

static const char *isa_name(dnnl_cpu_isa_t isa) {
  static const struct {
    dnnl_cpu_isa_t isa;
    const char *name;
  } names[] = {{dnnl_cpu_isa_sse41, "sse41"},
               {dnnl_cpu_isa_avx, "avx"},
               {dnnl_cpu_isa_avx2, "avx2"},
               {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
               {dnnl_cpu_isa_avx512_core, "avx512_core"},
               {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
               {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
               {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (names[i].isa == isa) return names[i].name;
  return "another instruction set";
}

void es_prim_engine_name(char *text, size_t size) {
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, size, "oneDNN %d.%d.%d %s", v->major, v->minor, v->patch,
           isa_name(dnnl_get_effective_cpu_isa()));
}

/** Sets of instructions are numbered so that a larger one has all bits of a smaller. */
bool es_prim_engine_bf16(void) {
  const unsigned have = (unsigned) dnnl_get_effective_cpu_isa();
  const unsigned need = (unsigned) dnnl_cpu_isa_avx512_core;
  return (have & need) == need;
}

static dnnl_status_t bind(es_prim *p) {
  dnnl_status_t st = dnnl_primitive_create(&p->prim, p->pd);
  for (int i = 0; i < 3 && st == dnnl_success; i++)
    if (p->id[i] != 0)
      st = dnnl_memory_create(
          &p->memory[i],
          dnnl_primitive_desc_query_md(p->pd, dnnl_query_exec_arg_md, p->id[i]),
          p->engine->engine, DNNL_MEMORY_NONE);
  if (p->engine->alone && st == dnnl_success)
    st = dnnl_memory_create(
        &p->scratch, dnnl_primitive_desc_query_md(p->pd, dnnl_query_scratchpad_md, 0),
        p->engine->engine, DNNL_MEMORY_NONE);
  return st;
}

/** Memory for the scratch, counted as memory of the process (mem.h). */
static es_status give_scratch(es_prim *p) {
  const size_t bytes = dnnl_memory_desc_get_size(
      dnnl_primitive_desc_query_md(p->pd, dnnl_query_scratchpad_md, 0));
  if (bytes == 0) return ES_OK;
  ES_TRY(es_alloc(bytes, "scratch of a primitive", &p->scratch_data));
  const dnnl_status_t st = dnnl_memory_set_data_handle(p->scratch, p->scratch_data);
  ES_CHECK(st == dnnl_success, ES_EINTERNAL,
           "oneDNN does not take memory for a scratch (status %d)", (int) st);
  return ES_OK;
}

/** A primitive of a descriptor, which it takes, with the numbers of its arguments. */
static es_status make_take(es_prim_engine *e, dnnl_status_t st, dnnl_primitive_desc_t pd,
                           const int id[3], es_prim **out) {
  if (st == dnnl_unimplemented) return ES_ENOTSUP;
  ES_CHECK(st == dnnl_success, st == dnnl_out_of_memory ? ES_ENOMEM : ES_EINTERNAL,
           "oneDNN cannot describe a primitive (status %d)", (int) st);
  es_prim *p = NULL;
  const es_status made = ES_NEW(1, &p);
  if (made != ES_OK) {
    dnnl_primitive_desc_destroy(pd);
    return made;
  }
  *p = (es_prim){.engine = e, .pd = pd, .id = {id[0], id[1], id[2]}};
  const dnnl_status_t bound = bind(p);
  if (bound != dnnl_success) es_prim_destroy(&p);
  ES_CHECK(bound == dnnl_success, bound == dnnl_out_of_memory ? ES_ENOMEM : ES_EINTERNAL,
           "oneDNN cannot make a primitive (status %d)", (int) bound);
  const es_status given = p->scratch != NULL ? give_scratch(p) : ES_OK;
  if (given == ES_OK)
    *out = p;
  else
    es_prim_destroy(&p);
  return given;
}

/** NULL, or attributes of adding and of a scratch that is given. The caller destroys
 *  them. */
static dnnl_status_t attributes(const es_prim_engine *e, bool add,
                                dnnl_primitive_attr_t *attr) {
  *attr = NULL;
  dnnl_status_t st = dnnl_success;
  if (add) st = es_prim_attr_add(attr);
  if (e->alone && !add) st = dnnl_primitive_attr_create(attr);
  if (e->alone && st == dnnl_success)
    st = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
  return st;
}

es_status es_prim_matmul(es_prim_engine *e, const es_prim_tensor *a,
                         const es_prim_tensor *b, const es_prim_tensor *c, bool add,
                         es_prim **p) {
  static const int id[3] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t st = attributes(e, add, &attr);
  if (st == dnnl_success) st = es_prim_pd_matmul(e->engine, a, b, c, attr, &pd);
  if (attr != NULL) dnnl_primitive_attr_destroy(attr);
  return make_take(e, st, pd, id, p);
}

es_status es_prim_conv(es_prim_engine *e, const es_prim_conv_desc *d, es_prim **p) {
  static const int id[ES_PASSES][3] = {
      {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
      {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
      {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
  dnnl_primitive_desc_t pd = NULL;
  const dnnl_status_t st = es_prim_pd_conv(e->engine, d, &pd);
  return make_take(e, st, pd, id[d->pass], p);
}

es_status es_prim_reorder(es_prim_engine *e, const es_prim_tensor *from,
                          const es_prim_tensor *to, bool add, es_prim **p) {
  static const int id[3] = {DNNL_ARG_FROM, 0, DNNL_ARG_TO};
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_status_t st = attributes(e, add, &attr);
  if (st == dnnl_success) st = es_prim_pd_reorder(e->engine, from, to, attr, &pd);
  if (attr != NULL) dnnl_primitive_attr_destroy(attr);
  return make_take(e, st, pd, id, p);
}

es_status es_prim_again(const es_prim *p, es_prim **other) {
  dnnl_primitive_desc_t pd = NULL;
  const dnnl_status_t st = dnnl_primitive_desc_clone(&pd, p->pd);
  return make_take(p->engine, st, pd, p->id, other);
}

void es_prim_destroy(es_prim **pp) {
  es_prim *p = *pp;
  if (p == NULL) return;
  for (int i = 0; i < 3; i++)
    if (p->memory[i] != NULL) dnnl_memory_destroy(p->memory[i]);
  if (p->scratch != NULL) dnnl_memory_destroy(p->scratch);
  es_free(&p->scratch_data);
  if (p->prim != NULL) dnnl_primitive_destroy(p->prim);
  dnnl_primitive_desc_destroy(p->pd);
  es_free(pp);
}

size_t es_prim_bytes(const es_prim *p, int arg) {
  return dnnl_memory_desc_get_size(
      dnnl_primitive_desc_query_md(p->pd, dnnl_query_exec_arg_md, p->id[arg]));
}

es_status es_prim_run(es_prim *p, const void *a, const void *b, void *c) {
  void *const address[3] = {(void *) (uintptr_t) a, (void *) (uintptr_t) b, c};
  dnnl_exec_arg_t args[4];
  dnnl_status_t st = dnnl_success;
  int n = 0;
  for (int i = 0; i < 3 && st == dnnl_success; i++) {
    if (p->id[i] == 0) continue;
    st = dnnl_memory_set_data_handle(p->memory[i], address[i]);
    args[n++] = (dnnl_exec_arg_t){.arg = p->id[i], .memory = p->memory[i]};
  }
  if (p->scratch != NULL)
    args[n++] = (dnnl_exec_arg_t){.arg = DNNL_ARG_SCRATCHPAD, .memory = p->scratch};
  if (st == dnnl_success)
    st = dnnl_primitive_execute(p->prim, p->engine->stream, n, args);
  if (st == dnnl_success) st = dnnl_stream_wait(p->engine->stream);
  ES_CHECK(st == dnnl_success, st == dnnl_out_of_memory ? ES_ENOMEM : ES_EINTERNAL,
           "oneDNN failed to run a primitive (status %d)", (int) st);
  return ES_OK;
}
