/* SPDX-License-Identifier: BSD-3-Clause */
/** @file assembly_data.c  The data of a run: what is trained on, what is held out. */
#include "assembly_private.h"

#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "eigenstep/registry.h"
#include "eigenstep/stratify.h"

/* Views of the probe belong to no epoch of training. */
#define PROBE_EPOCH UINT32_MAX

int64_t es_probe_chunk(int64_t probe, int64_t pairs, int ranks, int64_t unit) {
  if (probe <= pairs) return probe;
  for (int64_t c = pairs; 2 * c >= pairs && c >= ranks; c--) {
    if (probe % c == 0 && c % unit == 0) return c;
  }
  return pairs;
}

static int64_t chunk_of(const es_settings *s, int ranks) {
  return es_probe_chunk(s->spectrum.probe, s->batch.pairs, ranks,
                        es_settings_pairs_unit(s));
}

int64_t es_probe_pairs(const es_settings *s, int ranks) {
  const int64_t chunk = chunk_of(s, ranks);
  return s->spectrum.probe / chunk * chunk;
}

/* Where records are sorted by class, the first so many are of the first classes. */
static es_status warn_of_limit(const es_settings *s, const es_dataset *ds) {
  int classes = 0;
  bool *seen = NULL;
  if (s->data.limit == 0 || ds->ops->mixed || ds->ops->label == NULL || ds->labels == 0)
    return ES_OK;
  ES_TRY(ES_NEW(ds->labels, &seen));
  for (int64_t i = 0; i < ds->size; i++) {
    const int label = ds->ops->label(ds, i);
    if (label < 0 || seen[label]) continue;
    seen[label] = true;
    classes++;
  }
  es_free(&seen);
  if (classes < ds->labels)
    es_warn_once("data.limit = %lld: the first records of '%s' are of %d of its %d "
                 "classes",
                 (long long) s->data.limit, s->data.name, classes, ds->labels);
  return ES_OK;
}

static es_status warn_of_vectors(const es_settings *s, const es_shape *view) {
  const es_encoder_ops *const *list;
  const void *found;
  const size_t n = es_encoder_list(&list);
  ES_TRY(es_registry_find("encoder", s->encoder.name, (const void *const *) list, n,
                          &found));
  if (view->h == 1 && view->w == 1 && ((const es_encoder_ops *) found)->images)
    es_warn("encoder.name = %s: its convolutions see nothing but padding around views of "
            "1 x 1; vectors go with encoder.name=mlp",
            s->encoder.name);
  return ES_OK;
}

es_status es_assembly_open_data(const es_comm *c, const es_settings *s, es_assembly *p) {
  const uint64_t seed = (uint64_t) s->run.seed;
  es_assembly_input *const in = &p->input;
  es_progress_begin("opening data.name = %s", s->data.name);
  ES_TRY(es_dataset_open(c, &s->data, NULL, seed, &in->data));
  es_progress_end();
  ES_TRY(es_comm_agree(c, warn_of_limit(s, in->data)));
  ES_TRY(es_dataset_open_held_out(c, &s->data, in->data, seed, &in->held_out));
  ES_TRY(es_comm_agree(
      c, es_augment_create(&s->selected.augment, in->data, &in->augment, &in->view)));
  ES_TRY(es_comm_agree(c, warn_of_vectors(s, &in->view)));
  p->probe.chunk = chunk_of(s, c->size);
  p->probe.pairs = es_probe_pairs(s, c->size);
  if (p->probe.pairs != s->spectrum.probe) {
    es_warn_once(
        "spectrum.probe: %lld pairs are not a multiple of a batch of %lld; using %lld",
        (long long) s->spectrum.probe, (long long) s->batch.pairs,
        (long long) p->probe.pairs);
  }
  return ES_OK;
}

const es_dataset *es_assembly_probe_set(const es_assembly *p) {
  return p->input.held_out != NULL ? p->input.held_out : p->input.data;
}

/* Is the probe taken out of the records that could be trained on? */
static bool is_shared(const es_assembly *p) {
  return p->input.held_out == NULL && !p->input.data->endless;
}

int64_t es_assembly_training_records(const es_assembly *p) {
  return p->input.data->size - (is_shared(p) ? p->probe.pairs : 0);
}

es_status es_assembly_check_data(const es_settings *s, const es_assembly *p) {
  const es_dataset *const ds = es_assembly_probe_set(p);
  const char *const noun = ds->ops->pairs ? "records" : "images";
  const int64_t have = is_shared(p) ? ds->size - 1 : ds->size;
  ES_CHECK(
      ds->endless || p->probe.pairs <= have, ES_ECONFIG,
      "spectrum.probe = %lld exceeds the %lld %s that can be held out (split '%s' of "
      "data set '%s'); lower spectrum.probe",
      (long long) p->probe.pairs, (long long) have, noun, ds->split, s->data.name);
  const int64_t train = es_assembly_training_records(p);
  ES_CHECK(s->batch.pairs <= train, ES_ECONFIG,
           "batch.pairs = %lld exceeds the %lld %s of data set '%s' that are trained on, "
           "beside %lld held out: every batch would hold one twice; lower batch.pairs or "
           "spectrum.probe",
           (long long) s->batch.pairs, (long long) train, noun, s->data.name,
           (long long) (is_shared(p) ? p->probe.pairs : 0));
  return ES_OK;
}

/* The probe's records, where they are not the first ones of a part that is in random
 * order, and what remains for training. A function of (data, probe, run.seed), so a
 * resumed run has the same. */
static es_status hold_out(const es_settings *s, es_assembly *p) {
  const es_dataset *const ds = es_assembly_probe_set(p);
  const uint64_t seed = (uint64_t) s->run.seed;
  ES_TRY(es_assembly_check_data(s, p));
  if (ds->endless || (p->input.held_out != NULL && ds->ops->mixed)) return ES_OK;
  ES_TRY(ES_NEW(p->probe.pairs, &p->probe.record));
  ES_TRY(es_stratified_sample(ds, p->probe.pairs, seed, p->probe.record));
  if (!is_shared(p)) return ES_OK;
  ES_TRY(ES_NEW(es_assembly_training_records(p), &p->input.record));
  return es_sample_rest(ds->size, p->probe.record, p->probe.pairs, p->input.record);
}

es_status es_assembly_open_probe_loader(const es_comm *c, const es_settings *s,
                                        es_assembly *p) {
  ES_TRY(es_comm_agree(c, hold_out(s, p)));
  const bool past = p->probe.record == NULL && p->input.held_out == NULL;
  const es_loader_options o = {.seed = (uint64_t) s->run.seed,
                               .first = past ? p->input.data->size : 0,
                               .record = p->probe.record,
                               .pairs = p->probe.chunk,
                               .count = p->probe.pairs,
                               .fixed_epoch = PROBE_EPOCH,
                               .threads = (int) s->backend.threads};
  return es_comm_agree(c, es_loader_create(c, es_assembly_probe_set(p), p->input.augment,
                                           p->input.view, &o, &p->probe.loader));
}

es_status es_assembly_open_pairs(const es_comm *c, const es_settings *s,
                                 const es_assembly *p, int64_t n, es_loader **l) {
  const es_dataset *const ds = es_assembly_probe_set(p);
  const bool past = p->probe.record == NULL && p->input.held_out == NULL;
  const int64_t most = p->probe.record != NULL ? p->probe.pairs : ds->size;
  const es_loader_options o = {.seed = (uint64_t) s->run.seed,
                               .first = past ? p->input.data->size : 0,
                               .record = p->probe.record,
                               .pairs = n,
                               .count = n,
                               .fixed_epoch = PROBE_EPOCH,
                               .threads = (int) s->backend.threads};
  ES_CHECK(
      ds->endless || n <= most, ES_ECONFIG,
      "got %lld held-out pairs, expected at most %lld, what the run held out of data "
      "set '%s'",
      (long long) n, (long long) most, s->data.name);
  ES_CHECK(n >= c->size, ES_ECONFIG,
           "got %lld held-out pairs, expected at least %d, one for each rank",
           (long long) n, c->size);
  return es_comm_agree(c,
                       es_loader_create(c, ds, p->input.augment, p->input.view, &o, l));
}

/* Why the backend cannot make the views of training; NULL: it can. */
static const char *no_device(const es_assembly *p) {
  return p->model.backend->ops->views != NULL
             ? es_augment_no_recipe(p->input.augment)
             : "the backend computes on the CPU (backend.name)";
}

bool es_assembly_has_recipes(const es_settings *s, const es_assembly *p) {
  return s->selected.device != ES_AUGMENT_CPU && no_device(p) == NULL;
}

static es_status check_device(const es_settings *s, const es_assembly *p) {
  const char *const why = no_device(p);
  ES_CHECK(why == NULL || s->selected.device != ES_AUGMENT_DEVICE, ES_ECONFIG,
           "augment.device: got device, but %s; use auto", why);
  if (p->model.backend->ops->views != NULL && s->selected.device != ES_AUGMENT_CPU)
    es_phase("views of training are made on %s%s%s", why == NULL ? "the GPU" : "the CPU",
             why == NULL ? "" : ": ", why == NULL ? "" : why);
  return ES_OK;
}

/* Memory of the device for the views of a pass through the network. */
static es_status reserve_views(const es_settings *s, es_assembly *p) {
  es_backend *const b = p->model.backend;
  const int batch = es_loader_max(p->input.loader), micro = (int) s->batch.micro;
  const es_views_most most =
      es_augment_most(p->input.augment, micro > 0 && micro < batch ? micro : batch);
  return b->ops->views_reserve(b, &most);
}

es_status es_assembly_open_loader(const es_comm *c, const es_settings *s,
                                  es_assembly *p) {
  ES_TRY(es_comm_agree(c, check_device(s, p)));
  const es_loader_options o = {.seed = (uint64_t) s->run.seed,
                               .pairs = s->batch.pairs,
                               .record = p->input.record,
                               .count = es_assembly_training_records(p),
                               .shuffle = s->data.shuffle,
                               .recipes = es_assembly_has_recipes(s, p),
                               .prefetch = s->data.prefetch,
                               .threads = (int) s->backend.threads};
  es_status st = es_loader_create(c, p->input.data, p->input.augment, p->input.view, &o,
                                  &p->input.loader);
  if (st == ES_OK && o.recipes) st = reserve_views(s, p);
  return es_comm_agree(c, st);
}

int64_t es_assembly_checksum(const es_assembly *p) {
  uint64_t hash = p->input.data->checksum;
  if (p->input.record == NULL) return (int64_t) hash;
  for (int64_t i = 0; i < p->probe.pairs; i++)
    hash = (hash ^ (uint64_t) p->probe.record[i]) * UINT64_C(0x100000001b3);
  return (int64_t) hash;
}
