/* SPDX-License-Identifier: BSD-3-Clause */
/** @file safetensors_type.c  Types of safetensors files. */
#include "safetensors_private.h"

#include <string.h>

static const es_st_type types[] = {
    {"F32", {ES_NUMBER_FLOAT, 4, false}},     {"F64", {ES_NUMBER_FLOAT, 8, false}},
    {"F16", {ES_NUMBER_FLOAT, 2, false}},     {"BF16", {ES_NUMBER_BFLOAT, 2, false}},
    {"I64", {ES_NUMBER_SIGNED, 8, false}},    {"I32", {ES_NUMBER_SIGNED, 4, false}},
    {"I16", {ES_NUMBER_SIGNED, 2, false}},    {"I8", {ES_NUMBER_SIGNED, 1, false}},
    {"U64", {ES_NUMBER_UNSIGNED, 8, false}},  {"U32", {ES_NUMBER_UNSIGNED, 4, false}},
    {"U16", {ES_NUMBER_UNSIGNED, 2, false}},  {"U8", {ES_NUMBER_UNSIGNED, 1, false}},
    {"BOOL", {ES_NUMBER_UNSIGNED, 1, false}},
};

const es_st_type *es_st_type_find(const char *name) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!strcmp(types[i].name, name)) return &types[i];
  }
  return NULL;
}
