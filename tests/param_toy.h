/* SPDX-License-Identifier: BSD-3-Clause */
/** @file param_toy.h  A small parameter table and its fixture, for the unit_param tests.
 */
#ifndef ES_TESTS_PARAM_TOY_H
#define ES_TESTS_PARAM_TOY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/param.h"

typedef struct toy {
  int64_t steps;
  double lr;
  bool center;
  es_string path;
  int normalize;
  es_list widths;
} toy;

static const es_param toy_table[] = {
    ES_INT(toy, steps, "100", 0, ES_INF, "1", "number of steps"),
    ES_DOUBLE(toy, lr, "0.1", 0, ES_INF, "1", "learning rate"),
    ES_BOOL(toy, center, "false", "subtract the mean"),
    ES_STRING(toy, path, "", "folder of the data"),
    ES_CHOICE(toy, normalize, "batch", "none|batch|running", "what to divide by"),
    ES_LIST(toy, widths, "2048, 64", 1, 1e6, "1", "widths of the layers"),
    ES_PARAM_END,
};

typedef struct tiny {
  double width;
} tiny;

static const es_param tiny_table[] = {
    ES_DOUBLE(tiny, width, "1", -1, 1, "px", "width of the blur."),
    ES_PARAM_END,
};

static const es_section sections[] = {
    {.name = "toy", .table = toy_table, .doc = "a toy"},
    {.name = "loss.tiny", .table = tiny_table, .doc = "a loss"},
    {.name = "view2.toy", .table = toy_table, .doc = "second view", .base = "toy"},
};
enum { N_SECTIONS = sizeof sections / sizeof sections[0] };

typedef struct fixture {
  es_config *cfg;
  size_t before;
} fixture;

static int setup(void **state) {
  static fixture f;
  f.before = es_mem_now();
  f.cfg = NULL;
  *state = &f;
  return es_config_create(&f.cfg) == ES_OK ? 0 : -1;
}

/** Every test ends with all memory returned. */
static int teardown(void **state) {
  fixture *f = *state;
  es_config_destroy(&f->cfg);
  es_config_destroy(&f->cfg);
  return f->cfg == NULL && es_mem_now() == f->before ? 0 : -1;
}

static es_config *config(void **state) {
  return ((fixture *) *state)->cfg;
}

static es_status get_toy(es_config *cfg, const char *section, const toy *base, toy *out) {
  return es_config_get(cfg, section, toy_table, base, sizeof *out, out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
