/* SPDX-License-Identifier: BSD-3-Clause */
/** @file sections.c  The sections of the input file that belong to this folder. */
#include "eigenstep/data.h"

typedef struct names {
  const char *view1, *view2;
} names;

static const names of_step[] = {
#define ES_AUGMENT(n) {"augment." #n, "view2." #n},
#include "augment_list.h"
#undef ES_AUGMENT
};

size_t es_data_sections(es_section *s, size_t max) {
  const es_augment_ops *const *ops;
  const size_t steps = es_augment_list(&ops);
  size_t n = 0;
  if (n < max)
    s[n++] = (es_section){"data", es_data_table, "Images, or pairs of vectors", NULL};
  if (n < max)
    s[n++] = (es_section){"augment", es_augment_table, "How a view is made", NULL};
  for (size_t i = 0; i < steps && n < max; i++)
    s[n++] = (es_section){of_step[i].view1, ops[i]->params, ops[i]->doc, NULL};
  for (size_t i = 0; i < steps && n < max; i++)
    s[n++] =
        (es_section){of_step[i].view2, ops[i]->params,
                     "Second view, where it differs from the first", of_step[i].view1};
  return n;
}
