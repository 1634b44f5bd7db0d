/* SPDX-License-Identifier: BSD-3-Clause */
/** @file assembly.c  Assembly of a training pipeline, in the order in which data flow. */
#include "assembly_private.h"

#include <stdio.h>
#include <string.h>
#include "bn_rows.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"

static es_status open_backend(const es_comm *c, const es_settings *s, bool sizes_only,
                              es_assembly *p) {
  const es_precision wanted = s->backend.precision == 1 ? ES_BF16 : ES_F32;
  es_backend_options b = es_settings_backend(s);
  b.sizes_only = sizes_only;
  ES_TRY(es_backend_open_with(&b, c, &p->model.backend));
  ES_TRY(es_backend_precision(p->model.backend, wanted, &p->model.precision));
  p->model.eval_precision = s->spectrum.precision == 1 ? p->model.precision : ES_F32;
  return ES_OK;
}

es_status es_assembly_open_backend(const es_comm *c, const es_settings *s,
                                   es_assembly *p) {
  return open_backend(c, s, false, p);
}

es_status es_assembly_describe_backend(const es_comm *c, const es_settings *s,
                                       es_assembly *p) {
  return open_backend(c, s, true, p);
}

/* The network that snapshots are taken through: in f32 also where training is in bf16,
 * whose rounding errors would cover the small eigenvalues. */
static es_status build_eval_net(const es_comm *c, const es_settings *s, es_net_options o,
                                es_assembly *p) {
  p->model.eval_net = p->model.net;
  if (p->model.eval_precision == p->model.precision) return ES_OK;
  es_net *eval_net = NULL;
  o.params = es_net_params(p->model.net);
  o.forward_only = true;
  o.precision = p->model.eval_precision;
  const es_model_desc m = es_settings_model(s, p->input.view);
  const es_status st =
      es_comm_agree(c, es_model_build(p->model.backend, &o, &m, &eval_net, NULL));
  if (st == ES_OK)
    p->model.eval_net = eval_net;
  else
    es_net_destroy(&eval_net);
  return st;
}

/* Do the weights fit the network? Asked before its algorithms are timed. */
static es_status check_weights(const es_comm *c, const es_settings *s, es_net_options o,
                               es_assembly *p) {
  es_net *net = NULL;
  if (s->encoder.weights[0] == '\0') return ES_OK;
  o.plan_only = true;
  const es_model_desc m = es_settings_model(s, p->input.view);
  es_status st = es_comm_agree(c, es_model_build(p->model.backend, &o, &m, &net, NULL));
  if (st == ES_OK) st = es_model_check(es_net_params(net), c, s->encoder.weights);
  es_net_destroy(&net);
  return st;
}

/* The network for the largest batch of the loaders that are open. */
static es_status build_net(const es_comm *c, const es_settings *s, es_assembly *p) {
  const int batch = p->input.loader != NULL ? es_loader_max(p->input.loader) : 0;
  const int chunk = es_loader_max(p->probe.loader);
  es_net_options o = es_settings_net(s, batch > chunk ? batch : chunk, c->size);
  if (s->batch.sync_bn) o.sync = c;
  o.precision = p->model.precision;
  ES_TRY(check_weights(c, s, o, p));
  const es_model_desc m = es_settings_model(s, p->input.view);
  es_progress_begin("building %s for batches of up to %d images%s", s->encoder.name,
                    o.max_n,
                    s->backend.tune ? " and timing its algorithms (backend.tune=false "
                                      "leaves that out)"
                                    : "");
  const es_status st =
      es_model_build(p->model.backend, &o, &m, &p->model.net, &p->model.features);
  es_progress_end();
  ES_TRY(es_comm_agree(c, st));
  return build_eval_net(c, s, o, p);
}

/* First values, and what moves them. */
static es_status prepare_descent(const es_comm *c, const es_settings *s, es_assembly *p) {
  es_params *params = es_net_params(p->model.net);
  ES_TRY(es_comm_agree(c, es_params_init(params, (uint64_t) s->run.seed)));
  if (s->encoder.weights[0] != '\0') ES_TRY(es_model_load(params, c, s->encoder.weights));
  ES_TRY(
      es_comm_agree(c, es_optim_create(&s->optim, s->selected.optim, params, &p->optim)));
  return es_sched_find(&s->sched, &p->sched);
}

/* Losses of batch and probe, for the rows that the layout gives this rank. */
static es_status make_losses(const es_settings *s, es_assembly *p) {
  const es_comm *const c = p->layout.loss_comm;
  const int ranks = c->size, dim = es_net_dim(p->model.net);
  const int64_t chunks = p->probe.pairs / p->probe.chunk;
  const es_loss_size batch = {.n_max = (int) ((s->batch.pairs + ranks - 1) / ranks),
                              .pairs = s->batch.pairs,
                              .dim = dim,
                              .seed = (uint64_t) s->run.seed,
                              .replicas = p->layout.comm};
  const es_loss_size probe = {.n_max =
                                  (int) (chunks * ((p->probe.chunk + ranks - 1) / ranks)),
                              .pairs = p->probe.pairs,
                              .dim = dim,
                              .seed = (uint64_t) s->run.seed,
                              .replicas = p->layout.comm};
  ES_TRY(es_loss_create(&s->selected.loss, &batch, c, &p->loss));
  ES_TRY(es_loss_create(&s->selected.loss, &probe, c, &p->probe.loss));
  ES_TRY(es_surgery_create(&s->surgery, dim, s->run.steps, &p->surgery));
  return es_precondition_create(&s->precondition, p->loss, p->layout.comm,
                                &p->precondition);
}

/* The held-out pairs through eval_net. */
static es_status make_probe_data(const es_settings *s, es_assembly *p) {
  const es_probe_data_options o = {.layout = p->layout,
                                   .net = p->model.eval_net,
                                   .loader = p->probe.loader,
                                   .records = p->probe.pairs,
                                   .chunk = p->probe.chunk,
                                   .views = 2,
                                   .groups = s->batch.bn_views == 0 ? 2 : 1,
                                   .micro = (int) s->batch.micro};
  return es_probe_data_create(&o, &p->probe.data);
}

/* Collective. */
static es_status make_train(const es_settings *s, es_assembly *p) {
  const es_train_options o = {.layout = p->layout,
                              .net = p->model.net,
                              .loss = p->loss,
                              .precondition = p->precondition,
                              .optim = p->optim,
                              .surgery = p->surgery,
                              .n_max = es_loader_max(p->input.loader),
                              .groups = s->batch.bn_views == 0 ? 2 : 1,
                              .micro = (int) s->batch.micro,
                              .local_bn = !s->batch.sync_bn,
                              .skip_max = s->run.skip_max,
                              .data = es_assembly_checksum(p)};
  es_status st = es_train_create(&o, &p->train);
  if (st == ES_OK) st = make_probe_data(s, p);
  ES_TRY(es_comm_agree(p->layout.comm, st));
  return es_train_share(p->train);
}

static es_status check_loss(const es_settings *s) {
  const es_loss_choice *const loss = &s->selected.loss;
  const es_loss_ops *const ops = loss->ops;
  if (ops->check != NULL)
    ES_TRY(ops->check(loss->par, s->batch.pairs, es_settings_dim(s)));
  ES_TRY(es_precondition_check(&s->precondition, ops, es_settings_dim(s)));
  if (es_settings_dim(s) > s->batch.pairs)
    es_warn("embeddings of width %d, but batches of %lld pairs: C of a batch has at most "
            "%lld eigenvalues above 0, so at most that many modes are learned at a time",
            es_settings_dim(s), (long long) s->batch.pairs, (long long) s->batch.pairs);
  return ES_OK;
}

static es_status check_surgery(const es_settings *s) {
  const int dim = es_settings_dim(s);
  ES_TRY(es_surgery_check(&s->surgery, dim, s->run.steps));
  ES_CHECK(!es_surgery_is_wanted(&s->surgery) ||
               !es_loss_modes_with(&s->selected.loss, dim).normalize,
           ES_ECONFIG,
           "surgery: got a loss that divides outputs by their standard deviation, "
           "expected one that takes them as they are (loss.barlow.normalize = none)");
  return ES_OK;
}

/* Features of a linear encoder without layers are the pixels. */
static es_status check_features(const es_settings *s) {
  ES_CHECK(!es_settings_wants_features(s) || strcmp(s->encoder.name, "linear") != 0 ||
               s->encoder.hidden.n > 0,
           ES_ECONFIG,
           "spectrum.of: got features with encoder.name = linear and encoder.hidden = "
           "none, whose features are the pixels; expected an encoder with layers");
  return ES_OK;
}

es_status es_assembly_check(const es_settings *s) {
  const es_snapshot_options o = es_settings_snapshot(s, s->spectrum.probe);
  const es_sched_ops *sched;
  ES_CHECK(s->spectrum.precision <= s->backend.precision, ES_ECONFIG,
           "spectrum.precision: got bf16 with backend.precision = f32, expected f32");
  ES_TRY(check_loss(s));
  ES_TRY(check_surgery(s));
  if (s->optim.lr == 0 && s->run.steps > 0)
    es_warn("optim.lr: got 0: the model stays as it is, and no mode is learned");
  ES_TRY(es_sched_find(&s->sched, &sched));
  ES_TRY(es_snapshot_check(&s->spectrum, &o));
  return check_features(s);
}

es_status es_assembly_create(const es_comm *c, const es_settings *s, es_assembly **out) {
  es_assembly *p = NULL;
  es_status st;
  ES_TRY(es_comm_agree(c, es_assembly_check(s)));
  ES_TRY(ES_COMM_NEW(c, 1, &p));
  ES_TRY_GOTO(es_assembly_open_backend(c, s, p), fail);
  ES_TRY_GOTO(es_assembly_open_data(c, s, p), fail);
  p->layout = es_row_layout_distributed(c);
  ES_TRY_GOTO(es_assembly_open_probe_loader(c, s, p), fail);
  ES_TRY_GOTO(es_assembly_open_loader(c, s, p), fail);
  ES_TRY_GOTO(build_net(c, s, p), fail);
  st = es_bn_rows_check(s, p->model.net, p->probe.chunk, c->size);
  ES_TRY_GOTO(es_comm_agree(c, st), fail);
  ES_TRY_GOTO(prepare_descent(c, s, p), fail);
  if (s->parallel.deterministic)
    ES_TRY_GOTO(es_row_layout_replicate(c, &p->layout), fail);
  ES_TRY_GOTO(es_comm_agree(c, make_losses(s, p)), fail);
  ES_TRY_GOTO(make_train(s, p), fail);
  *out = p;
  return ES_OK;
fail:
  es_assembly_destroy(&p);
  return st;
}

es_status es_assembly_create_net(const es_comm *c, const es_settings *s, es_shape view,
                                 es_assembly **out) {
  const es_model_desc m = es_settings_model(s, view);
  es_net_options one = {.max_n = 1};
  es_assembly *p = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &p));
  p->input.view = view;
  es_status st = es_assembly_open_backend(c, s, p);
  one.precision = p->model.precision;
  if (st == ES_OK)
    st = es_comm_agree(
        c, es_model_build(p->model.backend, &one, &m, &p->model.net, &p->model.features));
  if (st == ES_OK) st = build_eval_net(c, s, one, p);
  if (st == ES_OK)
    *out = p;
  else
    es_assembly_destroy(&p);
  return st;
}

es_status es_assembly_create_probe(const es_comm *c, const es_settings *s,
                                   es_assembly **out) {
  es_settings shared = *s; /* its variants are borrowed */
  es_assembly *p = NULL;
  ES_TRY(ES_COMM_NEW(c, 1, &p));
  es_status st = es_assembly_open_backend(c, s, p);
  if (st == ES_OK) st = es_assembly_open_data(c, s, p); /* chunks as in the run */
  shared.parallel.deterministic = false;
  if (st == ES_OK) st = es_comm_agree(c, es_settings_check_ranks(&shared, c->size));
  if (st == ES_OK) st = es_assembly_open_probe_loader(c, &shared, p);
  if (st == ES_OK) st = build_net(c, &shared, p);
  p->layout = es_row_layout_distributed(c);
  if (st == ES_OK) st = es_comm_agree(c, make_probe_data(&shared, p));
  if (st == ES_OK)
    *out = p;
  else
    es_assembly_destroy(&p);
  return st;
}

/* Collective. */
static es_status make_snapshots(const es_assembly *p, const es_settings *s,
                                const es_grid *g, es_traj *t, es_measures *m) {
  const es_snapshot_options o = es_settings_snapshot(s, p->probe.pairs);
  const int width = es_probe_data_width(p->probe.data, p->model.features);
  es_spectrum_params par;
  ES_TRY(es_snapshot_create(g, t, &s->spectrum, &o, &m->snapshot));
  if (!es_settings_wants_features(s)) return ES_OK;
  const es_snapshot_options f = es_settings_features(s, p->probe.pairs, width, &par);
  return es_snapshot_create(g, t, &par, &f, &m->features);
}

es_status es_assembly_measure(const es_assembly *p, const es_settings *s,
                              const es_grid *g, es_traj *t, es_measures *m) {
  const es_snapshot_options o = es_settings_snapshot(s, p->probe.pairs);
  ES_TRY(make_snapshots(p, s, g, t, m));
  const es_probe_options measured = {.layout = p->layout,
                                     .data = p->probe.data,
                                     .loss = p->probe.loss,
                                     .mode = s->spectrum.bn == 0 ? ES_BN_BATCH
                                                                 : ES_BN_RUNNING,
                                     .views = es_snapshot_views(&s->spectrum, &o),
                                     .snapshot = m->snapshot,
                                     .value = p->model.features,
                                     .of_features = m->features};
  ES_TRY(es_assembly_record_probe(p, t));
  return es_comm_agree(p->layout.comm, es_probe_create(&measured, &m->probe));
}

void es_measures_close(es_measures *m) {
  es_probe_destroy(&m->probe);
  es_snapshot_destroy(&m->features);
  es_snapshot_destroy(&m->snapshot);
}

void es_assembly_destroy(es_assembly **pp) {
  es_assembly *p = *pp;
  if (p == NULL) return;
  es_probe_data_destroy(&p->probe.data);
  es_train_destroy(&p->train);
  es_optim_destroy(&p->optim);
  es_surgery_destroy(&p->surgery);
  es_precondition_destroy(&p->precondition);
  es_loss_destroy(&p->probe.loss);
  es_loss_destroy(&p->loss);
  if (p->model.eval_net != p->model.net) es_net_destroy(&p->model.eval_net);
  es_net_destroy(&p->model.net);
  es_loader_destroy(&p->probe.loader);
  es_loader_destroy(&p->input.loader);
  es_augment_destroy(&p->input.augment);
  es_free(&p->probe.record);
  es_free(&p->input.record);
  es_dataset_close(&p->input.held_out);
  es_dataset_close(&p->input.data);
  es_backend_close(&p->model.backend);
  es_row_layout_free(&p->layout);
  es_free(pp);
}
