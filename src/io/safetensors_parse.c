/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_parse.c  Parse and validate the JSON header of a safetensors file:
 *  types, shapes and offsets are checked; the tensors must cover the data without gap or
 *  overlap. */
#include "safetensors_private.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "eigenstep/mem.h"

/* A JSON number that is an integer in [0, 2^53]. */
static bool get_count(const cJSON *item, int64_t *n) {
  if (!cJSON_IsNumber(item)) return false;
  const double x = item->valuedouble;
  if (!(x >= 0 && x <= 0x1p53) || x != (double) (int64_t) x) return false;
  *n = (int64_t) x;
  return true;
}

static es_status parse_shape(const char *path, const cJSON *shape, es_st_entry *e) {
  es_st_tensor *t = &e->tensor;
  int64_t bytes = e->type->number.size;
  const cJSON *item;
  ES_CHECK(cJSON_IsArray(shape), ES_EFORMAT,
           "%s: tensor %s: got no shape, expected an array", path, t->name);
  cJSON_ArrayForEach(item, shape) {
    ES_CHECK(t->ndim < 4, ES_EFORMAT,
             "%s: tensor %s: got more than 4 dimensions, expected 0 to 4", path, t->name);
    int64_t d = 0;
    ES_CHECK(get_count(item, &d), ES_EFORMAT,
             "%s: dimension %d of tensor %s: expected an integer in [0, 2^53]", path,
             t->ndim, t->name);
    t->dim[t->ndim++] = d;
    ES_CHECK(!__builtin_mul_overflow(bytes, d, &bytes), ES_EFORMAT,
             "%s: tensor %s: got more than 2^63 bytes", path, t->name);
  }
  ES_CHECK(bytes == e->end - e->begin, ES_EFORMAT,
           "%s: tensor %s: got %" PRId64 " bytes of data, expected %" PRId64
           " from its shape",
           path, t->name, e->end - e->begin, bytes);
  return ES_OK;
}

static es_status parse_tensor(const char *path, const cJSON *item, int64_t bytes,
                              es_st_entry *e) {
  const char *name = item->string;
  ES_CHECK(strlen(name) < sizeof e->tensor.name, ES_EFORMAT,
           "%s: tensor name %.40s...: expected at most %zu characters", path, name,
           sizeof e->tensor.name - 1);
  strcpy(e->tensor.name, name);
  const cJSON *type = cJSON_GetObjectItemCaseSensitive(item, "dtype");
  const cJSON *range = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
  e->type = cJSON_IsString(type) ? es_st_type_find(type->valuestring) : NULL;
  ES_CHECK(e->type, ES_EFORMAT,
           "%s: tensor %s: got dtype %.20s, expected F32, F64, F16, "
           "BF16, BOOL, U8 to U64 or I8 to I64",
           path, name, cJSON_IsString(type) ? type->valuestring : "nothing");
  const bool ok = cJSON_GetArraySize(range) == 2 &&
                  get_count(cJSON_GetArrayItem(range, 0), &e->begin) &&
                  get_count(cJSON_GetArrayItem(range, 1), &e->end);
  ES_CHECK(ok && e->begin <= e->end && e->end <= bytes, ES_EFORMAT,
           "%s: tensor %s: expected data_offsets inside the %" PRId64 " bytes of data",
           path, name, bytes);
  return parse_shape(path, cJSON_GetObjectItemCaseSensitive(item, "shape"), e);
}

static int compare_names(const void *a, const void *b) {
  const es_st_entry *const *x = a, *const *y = b;
  return strcmp((*x)->tensor.name, (*y)->tensor.name);
}

static int compare_offsets(const void *a, const void *b) {
  const es_st_entry *const *x = a, *const *y = b;
  if ((*x)->begin != (*y)->begin) return (*x)->begin < (*y)->begin ? -1 : 1;
  return ((*x)->end > (*y)->end) - ((*x)->end < (*y)->end);
}

/* The tensors must cover the data without gap or overlap. */
static es_status check_offsets(const es_safetensors *f, es_st_entry **order,
                               int64_t bytes) {
  int64_t at = 0;
  qsort(order, f->n, sizeof *order, compare_offsets);
  for (size_t i = 0; i < f->n; i++) {
    ES_CHECK(order[i]->begin == at, ES_EFORMAT,
             "%s: tensor %s: got offset %" PRId64 ", expected %" PRId64
             " (end of the previous tensor)",
             f->path, order[i]->tensor.name, order[i]->begin, at);
    at = order[i]->end;
  }
  ES_CHECK(at == bytes, ES_EFORMAT,
           "%s: got %" PRId64 " bytes of data, expected %" PRId64 " from the header",
           f->path, bytes, at);
  return ES_OK;
}

/* Build the index sorted by name; duplicate names are an error. */
static es_status sort_names(es_safetensors *f, es_st_entry **order) {
  qsort(order, f->n, sizeof *order, compare_names);
  for (size_t i = 0; i < f->n; i++) {
    f->by_name[i] = (size_t) (order[i] - f->entry);
    ES_CHECK(i == 0 || compare_names(&order[i - 1], &order[i]) != 0, ES_EFORMAT,
             "%s: got two tensors named %s, expected unique names", f->path,
             order[i]->tensor.name);
  }
  return ES_OK;
}

static es_status parse_root(es_safetensors *f, const cJSON *root, int64_t bytes) {
  es_st_entry **order = NULL;
  const cJSON *item;
  ES_CHECK(cJSON_IsObject(root), ES_EFORMAT,
           "%s: expected a JSON object as header; is it a safetensors file?", f->path);
  const size_t most = (size_t) cJSON_GetArraySize(root);
  ES_TRY(ES_NEW(most, &f->entry));
  ES_TRY(ES_NEW(most, &f->by_name));
  cJSON_ArrayForEach(item, root) {
    if (!strcmp(item->string, "__metadata__")) continue;
    ES_TRY(parse_tensor(f->path, item, bytes, &f->entry[f->n]));
    f->n++;
  }
  ES_TRY(ES_NEW(f->n, &order));
  for (size_t i = 0; i < f->n; i++) order[i] = &f->entry[i];
  es_status st = check_offsets(f, order, bytes);
  if (st == ES_OK) st = sort_names(f, order);
  es_free(&order);
  return st;
}

es_status es_safetensors_parse(es_safetensors *f, const char *header, int64_t bytes) {
  cJSON *root = cJSON_ParseWithOpts(header, NULL, true); /* no trailing text allowed */
  const es_status st = parse_root(f, root, bytes);
  cJSON_Delete(root);
  return st;
}
