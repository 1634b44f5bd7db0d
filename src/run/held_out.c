/* SPDX-License-Identifier: BSD-3-Clause */
/** @file held_out.c  A step of a run: weights, statistics of batch norm, samples. */
#include "eigenstep/held_out.h"

#include <string.h>
#include "eigenstep/mem.h"
#include "eigenstep/net_layers.h"

enum { PAIRS = 128 }; /* unless told */

int64_t es_held_out_pairs(const es_settings *s, int64_t wanted) {
  if (wanted > 0) return wanted;
  return s->spectrum.probe < PAIRS ? s->spectrum.probe : PAIRS;
}

/* Collective. The weights before the first step, as the run had them. */
static es_status rebuild_start(const es_comm *c, es_held_out *h) {
  es_params *const params = es_net_params(h->net);
  const char *const file = es_config_given(h->run->config, "encoder", "weights");
  const uint64_t seed = (uint64_t) h->run->settings.run.seed;
  ES_TRY(es_comm_agree(c, es_params_init(params, seed)));
  h->step = 0;
  h->time = 0;
  return file != NULL && file[0] != '\0' ? es_model_load(params, c, file) : ES_OK;
}

static es_status take_nothing(void *ctx, const es_probe_rows *rows) {
  (void) ctx;
  (void) rows;
  return ES_OK;
}

/* Collective. Statistics of the probe set. */
static es_status freeze(const es_comm *c, const es_assembly *p) {
  const es_probe_request all = {
      .mode = ES_BN_COLLECT, .value = ES_PROBE_EMBEDDING, .views = 2};
  ES_TRY(es_comm_agree(c, es_net_freeze_begin(p->model.net)));
  ES_TRY(es_probe_data_each(p->probe.data, &all, take_nothing, NULL));
  return es_net_freeze_end(p->model.net, c);
}

static bool has_batch_norm(const es_net *net) {
  bool any = false;
  for (int i = 0; i < es_net_layers(net); i++)
    any = any || es_net_layer_of(net, i).kind == ES_OP_BN;
  return any;
}

/* Collective. */
static es_status load_samples(const es_comm *c, int64_t wanted, es_held_out *h) {
  const es_settings *const settings = &h->run->settings;
  es_assembly *const p = h->run->parts;
  es_held_out_points *const points = &h->points;
  es_batch *b = NULL;
  points->pairs = es_held_out_pairs(settings, wanted);
  ES_TRY(es_assembly_open_pairs(c, settings, p, points->pairs, &h->loader));
  ES_TRY(es_comm_agree(c, es_loader_get(h->loader, 0, &b)));
  es_comm_local_range(c, points->pairs, &points->first, &points->n);
  ES_CHECK(points->n == b->n, ES_EINTERNAL, "got %d pairs, expected %lld", b->n,
           (long long) points->n);
  points->x = b->x;
  h->batch = b;
  points->most = es_settings_net(settings, es_loader_max(p->probe.loader), c->size).max_n;
  return ES_OK;
}

/* Collective. */
static es_status prepare(const es_job *job, const es_held_out_options *o,
                         es_held_out *h) {
  const es_comm *const c = job->comm;
  const es_reopen_options from = {.dir = o->dir,
                                  .step = o->step == ES_HELD_OUT_FIRST ? ES_REOPEN_LATEST
                                                                       : o->step,
                                  .argc = o->argc,
                                  .argv = o->argv};
  ES_TRY(es_reopen(job, &from, ES_REOPEN_SETTINGS, &h->run));
  h->run->settings.backend.precision = h->run->settings.spectrum.precision = 0;
  ES_TRY(es_reopen_build(c, h->run, ES_REOPEN_PROBE));
  h->net = h->run->parts->model.net;
  h->step = h->run->step;
  h->time = h->run->time;
  h->mode = ES_BN_RUNNING;
  if (o->step == ES_HELD_OUT_FIRST) ES_TRY(rebuild_start(c, h));
  if (!o->running && has_batch_norm(h->net)) {
    ES_TRY(freeze(c, h->run->parts));
    h->mode = ES_BN_FROZEN;
  }
  return load_samples(c, o->pairs, h);
}

es_status es_held_out_open(const es_job *job, const es_held_out_options *o,
                           es_held_out *h) {
  *h = (es_held_out){.run = NULL};
  return es_comm_agree(job->comm, prepare(job, o, h));
}

void es_held_out_close(es_held_out *h) {
  es_loader_destroy(&h->loader);
  es_reopen_close(&h->run);
}

/* Not collective. A value of the network for this rank's samples, to [2 n, width];
 * z [most, D]: workspace. */
static es_status read_own(const es_held_out *h, const es_held_out_points *points,
                          int value, float *z, float *to) {
  const int64_t width = es_probe_data_width(h->run->parts->probe.data, value);
  const es_shape s = es_net_shape(h->net, 0);
  const int64_t all = 2 * points->n, image = (int64_t) s.c * s.h * s.w;
  for (int64_t i = 0; i < all; i += points->most) {
    const int n = (int) (all - i < points->most ? all - i : points->most);
    float *const out = value < 0 ? to + i * width : z;
    ES_TRY(es_net_forward(h->net, n, 1, h->mode, points->x + i * image, out));
    if (value >= 0) ES_TRY(es_net_read(h->net, value, to + i * width));
  }
  return ES_OK;
}

es_status es_held_out_read(const es_comm *c, const es_held_out *h,
                           const es_held_out_points *points, int value, double *x) {
  const int64_t width = es_probe_data_width(h->run->parts->probe.data, value);
  const int64_t all = 2 * points->pairs * width, size = points->n * width;
  float *own = NULL, *z = NULL;
  es_status st = ES_NEW(2 * size, &own);
  if (st == ES_OK) st = ES_NEW((int64_t) points->most * es_net_dim(h->net), &z);
  if (st == ES_OK) st = read_own(h, points, value, z, own);
  st = es_comm_agree(c, st);
  memset(x, 0, (size_t) all * sizeof *x);
  for (int v = 0; v < 2 && st == ES_OK; v++)
    for (int64_t i = 0; i < size; i++)
      x[(v * points->pairs + points->first) * width + i] = own[v * size + i];
  if (st == ES_OK) es_comm_sum_f64(c, x, all);
  es_free(&z);
  es_free(&own);
  return st;
}

es_status es_held_out_embed(const es_comm *c, const es_held_out *h,
                            const es_held_out_points *points, double *z) {
  return es_held_out_read(c, h, points, ES_PROBE_EMBEDDING, z);
}
