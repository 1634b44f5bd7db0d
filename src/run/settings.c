/* SPDX-License-Identifier: BSD-3-Clause */
/** @file settings.c  All sections: the list of what may be set, and the reading of it. */
#define _POSIX_C_SOURCE 200809L
#include "eigenstep/settings.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/tree.h"
#include "preset.h"

typedef es_output_params out_par;
const es_param es_output_table[] = {
    ES_STRING(out_par, dir, "eigenstep-out",
              "output folder; refused when it exists and is not empty; not given: named "
              "after command and input, with a number where that is taken (a sweep: "
              "eigenstep-out)"),
    ES_PARAM_END};

typedef es_backend_params back_par;
const es_param es_backend_table[] = {
    ES_STRING(back_par, name, "auto",
              "where the network is computed: auto, onednn, blas, guard, cuda"),
    ES_CHOICE(back_par, precision, "f32", "f32|bf16",
              "type of activations; parameters and statistics are f32 (bf16: onednn, "
              "cuda)"),
    ES_INT(back_par, threads, "1", 1, 4096, "1", "threads per rank"),
    ES_BOOL(back_par, tune, "true",
            "onednn, cuda: time the algorithms of each convolution and use the fastest; "
            "false: choose by fixed rules, the same in every run"),
    ES_STRING(back_par, plans, "auto",
              "file that keeps what was timed, for later runs: a path, none, or auto = "
              ".cache/eigenstep/plans.tsv in the home folder that the system has for the "
              "user, whatever $HOME says"),
    ES_BOOL(back_par, share, "false",
            "cuda: several ranks may use one GPU; false: each rank needs one of its own"),
    ES_CHOICE(back_par, graph, "auto", "auto|true|false",
              "cuda: forward and backward are recorded once as CUDA graphs and repeated "
              "by one call; auto: where no sum over ranks passes through the host"),
    ES_BOOL(back_par, tf32, "false",
            "cuda: products in f32 round their factors to TF32 (10 bits of mantissa), "
            "which is several times as fast"),
    ES_PARAM_END};

/* The fixed sections, and where their values go in es_settings. */
typedef struct entry {
  const char *name, *doc;
  const es_param *table;
  size_t offset, size;
} entry;

#define ES_ENTRY(member, table, doc)                                                     \
  {                                                                                      \
#member, doc, table, offsetof(es_settings, member),                                  \
        sizeof(((es_settings *) 0)->member)                                              \
  }

static const entry fixed[] = {
    ES_ENTRY(run, es_run_table, "length, seed, progress"),
    ES_ENTRY(output, es_output_table, "where results go"),
    ES_ENTRY(data, es_data_table, "the data set"),
    ES_ENTRY(encoder, es_encoder_table, "the network whose embeddings are studied"),
    ES_ENTRY(projector, es_projector_table, "layers after the encoder"),
    ES_ENTRY(init, es_init_table, "initial weights"),
    ES_ENTRY(batch, es_batch_table, "the global batch"),
    ES_ENTRY(parallel, es_parallel_table, "how ranks share the work"),
    ES_ENTRY(loss, es_loss_table, "self-supervised loss"),
    ES_ENTRY(precondition, es_precondition_table, "gradient divided by the loss's C"),
    ES_ENTRY(surgery, es_surgery_table,
             "modes of the embedding that are removed, frozen or boosted"),
    ES_ENTRY(optim, es_optim_table, "optimiser"),
    ES_ENTRY(sched, es_sched_table, "learning-rate schedule"),
    ES_ENTRY(backend, es_backend_table, "where the network is computed"),
    ES_ENTRY(spectrum, es_spectrum_table, "snapshots of the embedding spectrum"),
    ES_ENTRY(accuracy, es_accuracy_table,
             "accuracy of classifiers on the frozen features"),
    ES_ENTRY(ckpt, es_ckpt_table, "checkpoints"),
};
enum { FIXED = sizeof fixed / sizeof fixed[0] };

size_t es_settings_sections(es_section *s, size_t max) {
  size_t n = 0;
  for (size_t i = 0; i < FIXED; i++) {
    if (strcmp(fixed[i].name, "data") == 0) {
      n += es_data_sections(s + n, max - n);
    } else if (strcmp(fixed[i].name, "loss") == 0) {
      n += es_loss_sections(s + n, max - n);
    } else if (strcmp(fixed[i].name, "accuracy") == 0) {
      n += es_accuracy_sections(s + n, max - n);
    } else if (strcmp(fixed[i].name, "optim") == 0) {
      n += es_optim_sections(s + n, max - n);
    } else if (n < max) {
      s[n++] = (es_section){
          .name = fixed[i].name, .table = fixed[i].table, .doc = fixed[i].doc};
    }
  }
  return n;
}

/** backend.plans as a path, "" for none; auto: in the home folder that the system has for
 * the user. */
static void locate_plans(char *plans, size_t size) {
  const bool automatic = strcmp(plans, "auto") == 0;
  if (!automatic && strcmp(plans, "none") != 0) return;
  const struct passwd *user = automatic ? getpwuid(getuid()) : NULL;
  plans[0] = '\0';
  if (user != NULL && user->pw_dir[0] == '/')
    snprintf(plans, size, "%s/.cache/eigenstep/plans.tsv", user->pw_dir);
}

es_backend_options es_settings_backend(const es_settings *s) {
  return (es_backend_options){.name = s->backend.name,
                              .threads = (int) s->backend.threads,
                              .tune = s->backend.tune && !s->parallel.deterministic,
                              .plans = s->backend.plans,
                              .share = s->backend.share,
                              .graph = s->parallel.deterministic
                                           ? ES_GRAPH_NEVER
                                           : (es_graph_use) s->backend.graph,
                              .tf32 = s->backend.tf32};
}

int es_settings_dim(const es_settings *s) {
  return (int) s->projector.widths.v[s->projector.widths.n - 1];
}

es_snapshot_options es_settings_snapshot(const es_settings *s, int64_t samples) {
  const es_loss_modes m = es_loss_modes_with(&s->selected.loss, es_settings_dim(s));
  const double eps = s->precondition.eps; /* below it a mode grows 1/eps as fast */
  return (es_snapshot_options){.dim = es_settings_dim(s),
                               .samples = samples,
                               .pairs = true,
                               .center = m.center,
                               .normalize = m.normalize,
                               .followed = m.unit    ? "unit"
                                           : m.cross ? "cross"
                                                     : "covariance",
                               .rate = eps > 0 ? m.rate / eps : m.rate,
                               .settled = m.settled,
                               .alone = m.alone,
                               .momentum = s->optim.momentum,
                               .nesterov = s->optim.nesterov};
}

es_snapshot_options es_settings_features(const es_settings *s, int64_t samples, int width,
                                         es_spectrum_params *par) {
  *par = s->spectrum;
  if (par->top > width) par->top = width;
  return (es_snapshot_options){.dim = width,
                               .samples = samples,
                               .pairs = true,
                               .center = true,
                               .of = ES_SNAPSHOT_FEATURES};
}

bool es_settings_wants_features(const es_settings *s) {
  bool wanted;
  return es_spectrum_wants_features(&s->spectrum, &wanted) == ES_OK && wanted;
}

es_loss_setup es_settings_loss_setup(const es_settings *s) {
  const bool constant = strcmp(s->sched.name, "constant") == 0 && s->sched.warmup == 0;
  return (es_loss_setup){.dim = es_settings_dim(s),
                         .pairs = s->batch.pairs,
                         .layers = s->projector.widths.n,
                         .bias = s->projector.bias,
                         .optim = s->optim.name,
                         .lr = s->optim.lr,
                         .momentum = s->optim.momentum,
                         .nesterov = s->optim.nesterov,
                         .weight_decay = s->optim.weight_decay,
                         .constant_lr = constant,
                         .precondition = s->precondition.eps};
}

/* Conditions of a run that must not depend on the number of ranks. */
static es_status check_deterministic(const es_settings *s, int ranks) {
  const int64_t shards = s->parallel.shards;
  if (!s->parallel.deterministic) return ES_OK;
  ES_CHECK(es_tree_supports(shards), ES_ECONFIG,
           "parallel.shards: got %lld, expected a power of two", (long long) shards);
  ES_CHECK(es_tree_supports(ranks) && ranks <= shards, ES_ECONFIG,
           "parallel.deterministic: got %d ranks, expected a power of two of at most "
           "parallel.shards = %lld",
           ranks, (long long) shards);
  ES_CHECK(s->batch.pairs % shards == 0, ES_ECONFIG,
           "batch.pairs: got %lld with parallel.deterministic, expected a multiple of "
           "parallel.shards = %lld",
           (long long) s->batch.pairs, (long long) shards);
  ES_CHECK(s->spectrum.probe % shards == 0, ES_ECONFIG,
           "spectrum.probe: got %lld with parallel.deterministic, expected a multiple of "
           "parallel.shards = %lld",
           (long long) s->spectrum.probe, (long long) shards);
  ES_CHECK(s->backend.graph != ES_GRAPH_ALWAYS, ES_ECONFIG,
           "backend.graph: got true with parallel.deterministic, expected auto: sums in "
           "the order of a tree pass through the host");
  ES_CHECK(s->batch.sync_bn, ES_ECONFIG,
           "batch.sync_bn: got false with parallel.deterministic, expected true: "
           "statistics of each rank alone depend on the number of ranks");
  ES_CHECK(s->batch.micro == 0, ES_ECONFIG,
           "batch.micro: got %lld with parallel.deterministic, expected 0: which pairs "
           "pass together depends on the number of ranks",
           (long long) s->batch.micro);
  ES_CHECK(s->selected.accuracy.n == 0, ES_ECONFIG,
           "accuracy.list: got '%s' with parallel.deterministic, expected none: "
           "accuracies are "
           "sums in the order of ranks",
           s->accuracy.list);
  return ES_OK;
}

es_status es_settings_check_ranks(const es_settings *s, int ranks) {
  ES_CHECK(s->batch.pairs >= ranks, ES_ECONFIG,
           "batch.pairs: got %lld pairs for %d ranks, expected at least one a rank",
           (long long) s->batch.pairs, ranks);
  ES_CHECK(s->spectrum.probe >= ranks, ES_ECONFIG,
           "spectrum.probe: got %lld pairs for %d ranks, expected at least one a rank",
           (long long) s->spectrum.probe, ranks);
  return check_deterministic(s, ranks);
}

/* What concerns several sections at once. */
static es_status check(const es_settings *s, int ranks) {
  es_cadence unused = {.n = 0};
  ES_CHECK(
      s->projector.widths.n >= 1, ES_ECONFIG,
      "projector.widths: got an empty list, expected at least the embedding's width");
  ES_CHECK(s->spectrum.top <= es_settings_dim(s), ES_ECONFIG,
           "spectrum.top: got %lld modes, expected at most the embedding's %d dimensions",
           (long long) s->spectrum.top, es_settings_dim(s));
  ES_TRY(es_accuracy_cadence(&s->accuracy, &unused, &unused));
  return es_settings_check_ranks(s, ranks);
}

/* As es_select_unread_data. */
static void select_unread_backend(es_config *cfg, const char *name) {
  enum { MOST = 16 };
  const es_section s = {.name = "backend", .table = es_backend_table};
  const es_backend_ops *const *list;
  es_reader r[MOST];
  es_backend_list(&list);
  const char *const selected = strcmp(name, "auto") == 0 ? list[0]->name : name;
  es_config_unread(cfg, &s, r, es_backend_readers(r, MOST), selected);
}

/* Into members that are zero. */
static es_status select_variants(es_config *cfg, es_settings *s) {
  ES_TRY(es_select_loss(cfg, s->loss.name, &s->selected.loss));
  ES_TRY(es_select_optim(cfg, &s->optim, &s->selected.optim));
  ES_TRY(es_select_accuracy(cfg, s->accuracy.list, &s->selected.accuracy));
  ES_TRY(es_select_device(cfg, &s->selected.device));
  es_select_unread_data(cfg, s->data.name);
  es_select_unread_encoder(cfg, s->encoder.name);
  es_select_unread_sched(cfg, s->sched.name);
  select_unread_backend(cfg, s->backend.name);
  return es_select_augment(cfg, s->data.name, &s->selected.augment);
}

static es_status apply_preset(es_config *cfg) {
  es_run_params run;
  ES_TRY(es_config_get(cfg, "run", es_run_table, NULL, sizeof run, &run));
  return es_preset_apply(cfg, &run);
}

static es_status read_all(es_config *cfg, int ranks, es_settings *s) {
  ES_TRY(apply_preset(cfg));
  for (size_t i = 0; i < FIXED; i++) {
    void *at = (char *) s + fixed[i].offset;
    ES_TRY(es_config_get(cfg, fixed[i].name, fixed[i].table, NULL, fixed[i].size, at));
  }
  locate_plans(s->backend.plans, sizeof s->backend.plans);
  ES_TRY(select_variants(cfg, s));
  return check(s, ranks);
}

es_status es_settings_read(const es_comm *c, es_config *cfg, int ranks, es_settings *s) {
  memset(s, 0, sizeof *s);
  const es_status st = es_comm_agree(c, read_all(cfg, ranks, s));
  if (st != ES_OK) es_settings_free(s);
  return st;
}

void es_settings_free(es_settings *s) {
  es_selected_free(&s->selected);
}

es_model_desc es_settings_model(const es_settings *s, es_shape input) {
  return (es_model_desc){.input = input,
                         .encoder = &s->encoder,
                         .projector = &s->projector,
                         .init = &s->init};
}

int es_settings_loss_ranks(const es_settings *s, int ranks) {
  return s->parallel.deterministic ? 1 : ranks;
}

int64_t es_settings_pairs_unit(const es_settings *s) {
  return s->parallel.deterministic ? s->parallel.shards : 1;
}

es_net_options es_settings_net(const es_settings *s, int64_t pairs, int ranks) {
  const int64_t micro = s->batch.micro;
  const int64_t pass = micro > 0 && micro < pairs ? micro : pairs;
  const int shards = s->parallel.deterministic ? (int) s->parallel.shards / ranks : 0;
  return (es_net_options){.max_n = (int) (2 * pass), .shards = shards};
}
