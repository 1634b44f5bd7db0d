/* SPDX-License-Identifier: BSD-3-Clause */
/** @file probe_record.c  Which records the probe is: said, and written beside the
 *  embeddings, so that a sample can be traced to its class and its file. */
#include <stdio.h>
#include <string.h>

#include "assembly_private.h"
#include "eigenstep/mem.h"

enum { SHOWN = 12, SOURCE = 200 };

/* All samples, in the order of the snapshots; NULL where there is nothing of the kind. */
typedef struct samples {
  int64_t n;
  int classes;
  int64_t *record, *label, *count; /* [n], [n], [classes] */
  const char **file, **name;       /* [n], [classes]; the texts are the data set's */
} samples;

static void samples_free(samples *s) {
  es_free(&s->record);
  es_free(&s->label);
  es_free(&s->count);
  es_free(&s->file);
  es_free(&s->name);
}

static es_status collect(const es_assembly *p, samples *s) {
  const es_dataset *const ds = es_assembly_probe_set(p);
  const es_dataset_ops *const ops = ds->ops;
  *s = (samples){.n = p->probe.pairs, .classes = ds->labels};
  ES_TRY(ES_NEW(s->n, &s->record));
  if (ds->labels > 0) ES_TRY(ES_NEW(s->n, &s->label));
  if (ds->labels > 0) ES_TRY(ES_NEW(ds->labels, &s->count));
  if (ops->file_name != NULL) ES_TRY(ES_NEW(s->n, &s->file));
  if (ds->labels > 0 && ops->class_name != NULL) ES_TRY(ES_NEW(ds->labels, &s->name));
  for (int64_t i = 0; i < s->n; i++) {
    const int64_t id = s->record[i] = es_loader_record(p->probe.loader, i);
    if (s->label != NULL) s->label[i] = ops->label(ds, id);
    if (s->label != NULL && s->label[i] >= 0) s->count[s->label[i]]++;
    if (s->file != NULL) s->file[i] = ops->file_name(ds, id);
  }
  for (int k = 0; k < s->classes && s->name != NULL; k++)
    s->name[k] = ops->class_name(ds, k);
  return ES_OK;
}

/* "cat 12, dog 12", or how many of each of many classes. */
static void describe_classes(const samples *s, char *text, size_t size) {
  size_t used = 0;
  int64_t least = s->n, most = 0;
  for (int k = 0; k < s->classes; k++) {
    least = s->count[k] < least ? s->count[k] : least;
    most = s->count[k] > most ? s->count[k] : most;
  }
  if (s->classes > SHOWN) {
    snprintf(text, size, "; %d classes of %lld to %lld", s->classes, (long long) least,
             (long long) most);
    return;
  }
  for (int k = 0; k < s->classes && used < size; k++) {
    used += (size_t) snprintf(text + used, size - used, "%s", k == 0 ? ": " : ", ");
    if (used < size && s->name != NULL)
      used += (size_t) snprintf(text + used, size - used, "%.40s", s->name[k]);
    if (used < size && s->name == NULL)
      used += (size_t) snprintf(text + used, size - used, "class %d", k);
    if (used < size)
      used +=
          (size_t) snprintf(text + used, size - used, " %lld", (long long) s->count[k]);
  }
}

static void describe_source(const es_assembly *p, const samples *s, char text[SOURCE]) {
  const es_dataset *const ds = es_assembly_probe_set(p);
  if (p->probe.record == NULL)
    snprintf(text, SOURCE, "%lld pairs of split '%s' of %s, %s", (long long) s->n,
             ds->split, ds->ops->name,
             p->input.held_out != NULL ? "from its first on" : "after those trained on");
  else
    snprintf(text, SOURCE, "%lld of the %lld records of split '%s' of %s, %s by run.seed",
             (long long) s->n, (long long) ds->size, ds->split, ds->ops->name,
             s->classes > 0 ? "in proportion of each class, chosen" : "chosen at random");
}

/* Collective. A dataset of one number a sample or class, rank 0's. */
static es_status write_numbers(es_h5 *f, const char *path, int64_t n,
                               const int64_t *value, const char *doc) {
  ES_TRY(es_h5_declare(f, &(es_h5_dataset){.path = path,
                                           .type = ES_H5_I64,
                                           .ndim = 1,
                                           .dim = {n},
                                           .units = "1",
                                           .doc = doc}));
  return es_h5_write_root(f, path, ES_H5_I64, 0, n, value);
}

static es_status write_samples(es_h5 *f, const samples *s) {
  static const char axis[] = "/embedding/sample";
  ES_TRY(write_numbers(f, "/embedding/record", s->n, s->record,
                       "number of each sample's record in the part of the data set that "
                       "the attribute source of /embedding names"));
  ES_TRY(es_h5_attach(f, "/embedding/record", 0, axis));
  if (s->file != NULL) {
    ES_TRY(es_h5_write_strings(f, "/embedding/file", s->n, s->file,
                               "file of each sample, below the folder of the data"));
    ES_TRY(es_h5_attach(f, "/embedding/file", 0, axis));
  }
  if (s->label == NULL) return ES_OK;
  ES_TRY(write_numbers(f, "/embedding/label", s->n, s->label,
                       "class of each sample, from 0 on; -1: none"));
  ES_TRY(es_h5_attach(f, "/embedding/label", 0, axis));
  ES_TRY(write_numbers(f, "/embedding/class_count", s->classes, s->count,
                       "samples of each class"));
  return s->name == NULL ? ES_OK
                         : es_h5_write_strings(f, "/embedding/class_name", s->classes,
                                               s->name, "names of the classes");
}

es_status es_assembly_record_probe(const es_assembly *p, es_traj *t) {
  const es_comm *const c = p->layout.comm;
  es_h5 *const f = es_traj_h5(t);
  char source[SOURCE], classes[640] = "";
  samples s;
  es_status st = es_comm_agree(c, collect(p, &s));
  if (st == ES_OK) {
    describe_source(p, &s, source);
    describe_classes(&s, classes, sizeof classes);
    es_info("probe: %s%s", source, classes);
  }
  const bool known = st == ES_OK && (!es_h5_exists(f, "/embedding/sample") ||
                                     es_h5_exists(f, "/embedding/record"));
  if (st == ES_OK && !known) {
    st = es_h5_attr_string(f, "/embedding", "source", source);
    if (st == ES_OK) st = write_samples(f, &s);
  }
  samples_free(&s);
  return st;
}
