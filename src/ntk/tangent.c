/* SPDX-License-Identifier: BSD-3-Clause */
/** @file tangent.c  Layers in runs: one pass of all samples, then the products of each
 *  layer round the ring of ranks. */
#include "tangent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "eigenstep/clock.h"
#include "eigenstep/mem.h"
#include "eigenstep/progress.h"
#include "rate.h"

struct es_ntk_sum {
  es_ntk_job job;
  es_ntk_ring ring;
  int n_layers, n_groups;
  int64_t outputs;     /* u so far */
  int64_t end;         /* of the u under way this layer and later ones are done */
  es_ntk_layer *layer; /* [n_layers] owned, in the order of the network */
  char group[ES_NTK_GROUPS][ES_NTK_GROUP_NAME];
  double *trace; /* [n_layers] of this rank's samples, owned */
  double *work;  /* [n_layers] of products: multiply-adds or, once measured, seconds;
                    owned */
  double pass;   /* of a pass of all samples, in the same unit */
  bool measured;
  double *block; /* [n_groups][block_size] owned */
  int64_t block_size;
};

/* "layer1.0.conv1" is of group "layer1", "conv1" of "stem". */
static void name_group(const char *layer, char name[ES_NTK_GROUP_NAME]) {
  const size_t n = strcspn(layer, ".");
  if (layer[n] == '\0')
    snprintf(name, ES_NTK_GROUP_NAME, "stem");
  else
    snprintf(name, ES_NTK_GROUP_NAME, "%.*s",
             (int) (n < ES_NTK_GROUP_NAME ? n : ES_NTK_GROUP_NAME - 1), layer);
}

/* Number of the group of this name; all that are too many go to the last. */
static int group_of(es_ntk_sum *s, const char *layer) {
  char name[ES_NTK_GROUP_NAME];
  name_group(layer, name);
  int g = 0;
  while (g < s->n_groups && strcmp(s->group[g], name) != 0) g++;
  if (g == s->n_groups && g == ES_NTK_GROUPS) return ES_NTK_GROUPS - 1;
  if (g == s->n_groups) memcpy(s->group[s->n_groups++], name, sizeof name);
  return g;
}

static es_status plan(es_ntk_sum *s) {
  const es_net *const net = s->job.passes.net;
  const int all = es_net_layers(net), first = s->job.last_alone ? all - 1 : 0;
  const double samples = 2 * (double) s->ring.pairs;
  es_backend *const bf16 = s->job.bf16 ? es_net_params(s->job.passes.net)->backend : NULL;
  if (bf16 != NULL) ES_TRY(es_backend_multiplies_bf16(bf16, "ntk.precision"));
  s->end = s->n_layers = all - first;
  ES_TRY(ES_NEW(s->n_layers, &s->layer));
  ES_TRY(ES_NEW(s->n_layers, &s->trace));
  ES_TRY(ES_NEW(s->n_layers, &s->work));
  for (int i = 0; i < s->n_layers; i++) {
    const es_net_layer l = es_net_layer_of(net, first + i);
    s->layer[i] = es_ntk_layer_plan(&l, samples);
    s->layer[i].index = first + i;
    if (s->layer[i].form != ES_NTK_ROWS) s->layer[i].bf16 = bf16;
    s->layer[i].group = group_of(s, l.name);
    s->work[i] = es_ntk_layer_cost(&s->layer[i], samples) / s->ring.comm->size;
  }
  const int64_t own = es_ntk_ring_samples(&s->ring, s->ring.comm->rank);
  for (int t = 0; t < es_ntk_ring_steps(&s->ring); t++)
    s->block_size += own * es_ntk_ring_samples(&s->ring, es_ntk_ring_rank(&s->ring, t));
  return es_alloc_n((size_t) (s->n_groups * s->block_size), sizeof *s->block,
                    "a rank's block of the tangent kernel (fewer ntk.pairs or more ranks "
                    "make it smaller)",
                    (void **) &s->block);
}

es_status es_ntk_sum_create(const es_ntk_job *job, es_ntk_sum **out) {
  es_ntk_sum *s = NULL;
  ES_TRY(ES_COMM_NEW(job->comm, 1, &s));
  s->job = *job;
  s->ring = (es_ntk_ring){job->comm, job->passes.points->pairs};
  const es_status st = es_comm_agree(job->comm, plan(s));
  if (st == ES_OK)
    *out = s;
  else
    es_ntk_sum_destroy(&s);
  return st;
}

void es_ntk_sum_destroy(es_ntk_sum **s) {
  if (*s == NULL) return;
  es_free(&(*s)->block);
  es_free(&(*s)->trace);
  es_free(&(*s)->work);
  es_free(&(*s)->layer);
  es_free(s);
}

int es_ntk_sum_groups(const es_ntk_sum *s) {
  return s->n_groups;
}

const char *es_ntk_sum_group(const es_ntk_sum *s, int group) {
  return s->group[group];
}

int es_ntk_sum_layers(const es_ntk_sum *s) {
  return s->n_layers;
}

const es_ntk_layer *es_ntk_sum_layer(const es_ntk_sum *s, int layer) {
  return &s->layer[layer];
}

/* Samples of the rank that has most. */
static int64_t most_samples(const es_ntk_sum *s) {
  return es_ntk_ring_samples(&s->ring, 0);
}

static int64_t bytes_of(const es_ntk_sum *s, const es_ntk_layer *l) {
  return (int64_t) sizeof(float) * most_samples(s) * (l->x_size + l->g_size);
}

/* The run that ends before layer `end`: its first layer. At least one is in it, the same
 * on all ranks. */
static int begin_run(const es_ntk_sum *s, int end) {
  int first = end - 1;
  int64_t bytes = bytes_of(s, &s->layer[first]);
  while (first > 0 && bytes + bytes_of(s, &s->layer[first - 1]) <= s->job.memory)
    bytes += bytes_of(s, &s->layer[--first]);
  return first;
}

/* Numbers of a panel of columns. */
enum { PANEL = 1 << 22 };

/* Bytes beside those of the layers: products, symmetric matrices of all groups and of the
 * solution, a panel; what the process has, and what backward passes touch first. */
static int64_t bytes_beside(const es_ntk_sum *s) {
  enum { SOLUTION = 8 };
  const int64_t word = (int64_t) sizeof(double), order = 2 * s->ring.pairs;
  const int64_t matrices = order * order * (s->n_groups + SOLUTION) / s->ring.comm->size;
  es_net_cost net;
  es_net_cost_of(s->job.passes.net, &net);
  return word * (s->n_groups * s->block_size + matrices + PANEL) + net.passing_bytes +
         net.parameter_bytes + (int64_t) es_mem_rss_now();
}

es_ntk_cost es_ntk_sum_cost(const es_ntk_sum *s) {
  const double n = 2 * (double) s->ring.pairs;
  es_ntk_cost c = {.bytes = bytes_beside(s)};
  int64_t visitors = 0, kept = 0;
  for (int i = 0; i < s->n_layers; i++) {
    const es_ntk_layer *const l = &s->layer[i];
    c.layers += l->form != ES_NTK_ROWS;
    c.structured += l->form == ES_NTK_STRUCTURED;
    c.pair += l->pair;
    c.products += es_ntk_layer_cost(l, n) / s->ring.comm->size;
    const int64_t extra =
        es_ntk_ring_bytes(&s->ring, l) + es_ntk_product_bytes(l, (int) most_samples(s));
    if (extra > visitors) visitors = extra;
  }
  for (int end = s->n_layers, first; end > 0; end = first, c.runs++) {
    int64_t bytes = 0;
    first = begin_run(s, end);
    for (int i = first; i < end; i++) bytes += bytes_of(s, &s->layer[i]);
    if (bytes > kept) kept = bytes;
  }
  c.bytes += visitors + kept;
  for (int i = 0; s->measured && i < s->n_layers; i++) c.seconds += s->work[i];
  if (s->measured) c.seconds += c.runs * s->pass;
  c.passes = c.runs * (double) most_samples(s) * es_ntk_pass_cost(s->job.passes.net);
  return c;
}

static void release(int n, es_ntk_kept *kept) {
  for (int i = 0; i < n; i++) {
    es_free(&kept[i].x);
    es_free(&kept[i].g);
  }
}

/* Room for what the layers of a run keep. */
static es_status make_room(const es_ntk_sum *s, int first, int n, es_ntk_kept *kept) {
  const int64_t own = es_ntk_ring_samples(&s->ring, s->ring.comm->rank);
  es_status st = ES_OK;
  for (int i = 0; i < n && st == ES_OK; i++) {
    const es_ntk_layer *const l = &s->layer[first + i];
    kept[i] = (es_ntk_kept){.layer = l};
    st = ES_NEW(own * l->x_size, &kept[i].x);
    if (st == ES_OK) st = ES_NEW(own * l->g_size, &kept[i].g);
  }
  return st;
}

/* Collective. Seconds of a pass of this rank's samples: of one batch of them, with all
 * that the first run of layers keeps. */
static es_status time_pass(const es_ntk_sum *s, double *seconds) {
  const es_held_out_points *const all = s->job.passes.points;
  const int first = begin_run(s, s->n_layers), n = s->n_layers - first;
  es_held_out_points few = *all;
  es_ntk_passes passes = s->job.passes;
  es_ntk_kept *kept = NULL;
  float *u = NULL;
  passes.points = &few;
  if (few.n > (all->most + 1) / 2) few.n = (all->most + 1) / 2;
  es_status st = ES_NEW(n, &kept);
  if (st == ES_OK) st = ES_NEW(es_net_dim(passes.net), &u);
  if (st == ES_OK) u[0] = 1;
  if (st == ES_OK) st = make_room(s, first, n, kept);
  const double began = es_cpu_now();
  if (st == ES_OK) st = es_ntk_pass(&passes, u, n, kept, NULL);
  *seconds = few.n > 0 ? (es_cpu_now() - began) * (double) all->n / (double) few.n : 0;
  if (kept != NULL) release(n, kept);
  es_free(&u);
  es_free(&kept);
  return es_comm_agree(s->ring.comm, st);
}

es_status es_ntk_sum_calibrate(es_ntk_sum *s) {
  const es_status st = es_ntk_rate_measure(&s->ring, s->n_layers, s->layer, s->work);
  ES_TRY(es_comm_agree(s->ring.comm, st));
  ES_TRY(time_pass(s, &s->pass));
  s->measured = true;
  es_comm_max_f64(s->ring.comm, s->work, s->n_layers);
  es_comm_max_f64(s->ring.comm, &s->pass, 1);
  return ES_OK;
}

/* Of this rank's samples, in a group. */
static double trace_of(const es_ntk_sum *s, int group) {
  const int64_t n = es_ntk_ring_samples(&s->ring, s->ring.comm->rank);
  const double *const own = s->block + group * s->block_size;
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += own[i * n + i];
  return sum;
}

/* Collective. */
static es_status add_layer(es_ntk_sum *s, int i, const es_ntk_kept *kept) {
  const es_ntk_layer *const l = &s->layer[i];
  const int own = es_ntk_ring_samples(&s->ring, s->ring.comm->rank);
  const es_ntk_block samples = {own, kept->x, kept->g};
  const int steps = es_ntk_ring_steps(&s->ring);
  double **theta = NULL, *at = s->block + l->group * s->block_size;
  const double before = trace_of(s, l->group);
  ES_TRY(ES_COMM_NEW(s->ring.comm, steps, &theta));
  for (int t = 0; t < steps; t++) {
    theta[t] = at;
    at += (int64_t) own * es_ntk_ring_samples(&s->ring, es_ntk_ring_rank(&s->ring, t));
  }
  const es_status st = es_ntk_ring_add(&s->ring, l, &samples, theta);
  es_free(&theta);
  s->trace[i] += trace_of(s, l->group) - before;
  ES_CHECK(st != ES_OK || isfinite(s->trace[i]), ES_EMATH,
           "%s: got a kernel with trace %g, expected finite numbers", l->of.name,
           s->trace[i]);
  return st;
}

/* Collective. */
static es_status add_and_tell(es_ntk_sum *s, int i, const es_ntk_kept *kept) {
  ES_TRY(es_comm_agree(s->ring.comm, add_layer(s, i, kept)));
  s->end = i;
  return s->job.layer_done != NULL ? s->job.layer_done(s->job.ctx, s) : ES_OK;
}

/* Collective. Layers first to end - 1: a pass of all samples, then the products. */
static es_status add_run(es_ntk_sum *s, const float *u, int first, int end,
                         es_ntk_kept *kept) {
  const int n = end - first;
  es_status st = make_room(s, first, n, kept);
  if (st == ES_OK) st = es_ntk_pass(&s->job.passes, u, n, kept, NULL);
  return es_comm_agree(s->ring.comm, st);
}

es_status es_ntk_sum_add(es_ntk_sum *s, const float *u, es_ntk_progress progress) {
  const es_ntk_cost cost = es_ntk_sum_cost(s);
  const double pass = s->measured ? s->pass : cost.passes / cost.runs;
  double done = 0, all = pass * cost.runs;
  es_ntk_kept *kept = NULL;
  es_status st = ES_COMM_NEW(s->ring.comm, s->n_layers, &kept);
  for (int i = 0; i < s->n_layers; i++) all += s->work[i];
  for (int end = s->n_layers, first; end > 0 && st == ES_OK; end = first) {
    first = begin_run(s, end);
    if (s->end > first) st = add_run(s, u, first, end, kept);
    done += pass;
    for (int i = end - 1; i >= first && st == ES_OK; i--) {
      if (i < s->end) st = add_and_tell(s, i, &kept[i - first]);
      done += s->work[i];
      if (progress.all > 0) es_progress_at(progress.done + done / all, progress.all);
    }
    release(end - first, kept);
  }
  es_free(&kept);
  if (st == ES_OK) {
    s->outputs++;
    s->end = s->n_layers;
  }
  return st;
}

int es_ntk_sum_outputs(const es_ntk_sum *s) {
  return (int) s->outputs;
}

int64_t es_ntk_sum_progress(const es_ntk_sum *s) {
  return s->outputs * s->n_layers + s->n_layers - s->end;
}

es_status es_ntk_sum_visit(es_ntk_sum *s, es_visitor *v) {
  const int64_t blocks = s->n_groups * s->block_size;
  es_item items[] = {{"ntk/outputs", ES_ITEM_I64, 1, {1}, &s->outputs},
                     {"ntk/end", ES_ITEM_I64, 1, {1}, &s->end},
                     {"ntk/trace", ES_ITEM_F64, 1, {s->n_layers}, s->trace},
                     {"ntk/block", ES_ITEM_F64, 1, {blocks}, s->block}};
  for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
    if (items[i].dim[0] > 0) ES_TRY(v->item(v, &items[i]));
  }
  return ES_OK;
}

es_status es_ntk_sum_identify(const es_ntk_sum *s, int64_t identity[ES_NTK_IDENTITY]) {
  const es_held_out_points *const points = s->job.passes.points;
  const es_shape in = es_net_shape(s->job.passes.net, 0);
  const es_params *const p = es_net_params(s->job.passes.net);
  es_backend *const b = p->backend;
  float *value = NULL;
  ES_TRY(ES_NEW(p->n, &value));
  const es_status st = b->ops->download(b, value, p->value, (size_t) p->n);
  const es_item weights = {"", ES_ITEM_F32, 1, {p->n}, value};
  const es_item samples = {
      "", ES_ITEM_F32, 4, {2 * points->n, in.c, in.h, in.w}, (void *) points->x};
  identity[0] = st == ES_OK ? es_item_hash(&weights) : 0;
  identity[1] = es_item_hash(&samples);
  es_free(&value);
  return st;
}

void es_ntk_sum_shares(const es_ntk_sum *s, double *share) {
  double all = 0;
  memcpy(share, s->trace, (size_t) s->n_layers * sizeof *share);
  es_comm_sum_f64(s->ring.comm, share, s->n_layers);
  for (int i = 0; i < s->n_layers; i++) all += share[i];
  for (int i = 0; i < s->n_layers; i++) share[i] /= all;
}

/* Columns first to first + width - 1 of Theta, [2n, width], of this rank's products. */
static void scatter(const es_ntk_sum *s, int group, int64_t first, int64_t width,
                    double *to) {
  const es_ntk_ring *const r = &s->ring;
  const double *from = s->block + group * s->block_size;
  for (int t = 0; t < es_ntk_ring_steps(r); t++) {
    const int own = r->comm->rank, other = es_ntk_ring_rank(r, t);
    const int rows = es_ntk_ring_samples(r, own), cols = es_ntk_ring_samples(r, other);
    const es_ntk_part p = es_ntk_ring_part(r, t);
    for (int i = p.i0; i < p.i1; i++)
      for (int j = p.triangle ? i : p.j0; j < p.j1; j++) {
        const double v = from[(int64_t) i * cols + j] / (double) s->outputs;
        const int64_t gi = es_ntk_ring_number(r, own, i);
        const int64_t gj = es_ntk_ring_number(r, other, j);
        if (gj >= first && gj < first + width) to[gi * width + gj - first] += v;
        if (gi != gj && gi >= first && gi < first + width)
          to[gj * width + gi - first] += v;
      }
    from += (int64_t) rows * cols;
  }
}

es_status es_ntk_sum_matrix(const es_ntk_sum *s, const es_grid *g, int group,
                            es_dmat **out) {
  const int64_t order = 2 * s->ring.pairs;
  const int64_t most = PANEL / order < 1 ? 1 : PANEL / order;
  double *panel = NULL;
  es_dmat *theta = NULL;
  ES_TRY(es_dmat_create(g, (int) order, (int) order, 0, &theta));
  const es_status st = ES_COMM_NEW(g->comm, order * most, &panel);
  for (int64_t first = 0; first < order && st == ES_OK; first += most) {
    const int64_t width = order - first < most ? order - first : most;
    memset(panel, 0, (size_t) (order * width) * sizeof *panel);
    for (int k = 0; k < s->n_groups; k++)
      if (group < 0 || group == k) scatter(s, k, first, width, panel);
    es_comm_sum_f64(g->comm, panel, order * width);
    for (int j = 0; j < theta->ln; j++) {
      const int64_t at = es_dmat_col(theta, j) - first;
      for (int i = 0; i < theta->lm && at >= 0 && at < width; i++)
        theta->a[(int64_t) j * theta->lld + i] =
            panel[es_dmat_row(theta, i) * width + at];
    }
  }
  es_free(&panel);
  if (st == ES_OK)
    *out = theta;
  else
    es_dmat_destroy(&theta);
  return st;
}
