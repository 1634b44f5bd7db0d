/* SPDX-License-Identifier: BSD-3-Clause */
/** @file augment_steps.c  Lists of augmentations (es_augment_steps): found by name,
 *  copied, changed. */
#include <string.h>

#include "data_private.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"

const es_param es_augment_table[] = {
    ES_STRING(es_augment_params, list, "crop,flip,jitter,gray,blur,solarize,normalize",
              "augmentations that make a view, in this order (normalize is always last); "
              "none = values scaled to [0, 1]"),
    ES_CHOICE(es_augment_params, device, "auto", "auto|cpu|device",
              "where views of training are made: on the device that computes the network "
              "if it can (auto; device: else refuse), or on the CPU"),
    ES_PARAM_END};

#define ES_AUGMENT(n) extern const es_augment_ops es_augment_##n;
#include "augment_list.h"
#undef ES_AUGMENT
static const es_augment_ops *const augments[] = {
#define ES_AUGMENT(n) &es_augment_##n,
#include "augment_list.h"
#undef ES_AUGMENT
};
enum { KINDS = sizeof augments / sizeof augments[0] };

size_t es_augment_list(const es_augment_ops *const **list) {
  *list = augments;
  return KINDS;
}

void es_augment_steps_free(es_augment_steps *s) {
  for (int i = 0; i < s->n; i++)
    for (int v = 0; v < ES_VIEWS; v++) es_free(&s->step[i].par[v]);
  s->n = 0;
}

static es_status add(es_augment_steps *s, const es_augment_ops *ops) {
  for (int i = 0; i < s->n; i++)
    ES_CHECK(s->step[i].ops != ops, ES_ECONFIG,
             "augment.list: got '%s' twice, expected each augmentation once", ops->name);
  s->step[s->n++] = (es_augment_step){.ops = ops};
  return ES_OK;
}

es_status es_augment_steps_find(const char *list, es_augment_steps *s) {
  char names[ES_AUGMENT_STEPS][64];
  size_t n;
  const es_augment_ops *ops[ES_AUGMENT_STEPS];
  s->n = 0;
  ES_CHECK(list[strspn(list, " \t")] != '\0', ES_ECONFIG,
           "augment.list: got an empty list, expected names separated by commas, or none "
           "for images as they are");
  ES_TRY(es_split("augment.list", list, ES_AUGMENT_STEPS, names, &n));
  for (size_t i = 0; i < n; i++) {
    const void *found;
    ES_TRY(es_registry_find("augmentation", names[i], (const void *const *) augments,
                            KINDS, &found));
    ops[i] = found;
  }
  for (int last = 0; last < 2; last++)
    for (size_t i = 0; i < n; i++)
      if (ops[i]->last == (last == 1)) ES_TRY(add(s, ops[i]));
  return ES_OK;
}

static es_status copy(const es_augment_step *from, es_augment_steps *to) {
  es_augment_step *const s = &to->step[to->n++];
  *s = (es_augment_step){.ops = from->ops};
  for (int v = 0; v < ES_VIEWS; v++) {
    ES_TRY(es_alloc(from->ops->size, from->ops->name, &s->par[v]));
    memcpy(s->par[v], from->par[v], from->ops->size);
  }
  return ES_OK;
}

es_status es_augment_steps_copy(const es_augment_steps *from, es_augment_steps *to) {
  to->n = 0;
  for (int i = 0; i < from->n; i++) ES_TRY(copy(&from->step[i], to));
  return ES_OK;
}

/* Those of `from` that leave whole images, and `kept`, unless NULL, as it is. */
static es_status copy_whole(const es_augment_steps *from, const es_augment_step *kept,
                            es_augment_steps *to) {
  to->n = 0;
  for (int i = 0; i < from->n; i++) {
    const es_augment_step *const step = &from->step[i];
    const es_augment_ops *const ops = step->ops;
    const bool as_it_is = kept != NULL && step == kept;
    if (!as_it_is && ops->whole == NULL && !ops->last) continue;
    ES_TRY(copy(step, to));
    for (int v = 0; v < ES_VIEWS && !as_it_is && ops->whole != NULL; v++)
      ops->whole(to->step[to->n - 1].par[v]);
  }
  return ES_OK;
}

es_status es_augment_steps_whole(const es_augment_steps *from, es_augment_steps *to) {
  return copy_whole(from, NULL, to);
}

es_status es_augment_steps_alone(const es_augment_steps *from, int i,
                                 es_augment_steps *to) {
  return copy_whole(from, &from->step[i], to);
}

void es_augment_steps_drop_last(es_augment_steps *s) {
  int kept = 0;
  for (int i = 0; i < s->n; i++) {
    if (!s->step[i].ops->last)
      s->step[kept++] = s->step[i];
    else
      for (int v = 0; v < ES_VIEWS; v++) es_free(&s->step[i].par[v]);
  }
  s->n = kept;
}
