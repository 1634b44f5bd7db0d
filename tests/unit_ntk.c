/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_ntk.c  The tangent kernel of a network on one rank: both forms of a layer
 *  against each other, all layers against gradients of single images, against slopes of
 *  u . f; symmetric, positive semi-definite. */
#include "backends.h"
#include "net_rig.h"
#include "ntk_layers.h"
#include "eigenstep/clock.h"
#include "eigenstep/eig.h"
#include "ntk/rate.h"

enum { PAIRS = N / 2 };

static const model_spec quarter50 = {.encoder = "resnet50",
                                     .base_width = 16,
                                     .widths = {D},
                                     .bias = true,
                                     .input = {3, 32, 32}};
static const model_spec mlp_with_bn = {.encoder = "mlp",
                                       .hidden = {9, 7},
                                       .widths = {8, D},
                                       .bias = true,
                                       .input = {3, 4, 4}};
static const model_spec *const models[] = {&quarter50, &small50, &mlp_with_bn};
enum { MODELS = sizeof models / sizeof *models };

static const int64_t several_runs[MODELS] = {1 << 20, 1 << 16, 1 << 10};
static const float u[D] = {0.5f, -0.5f, 0.1f, 0.3f, -0.2f, 0.4f};

/* --- forms of one layer ------------------------------------------------------------- */

static const shape_case cases[] = {
    NTK_CONV_3X3,
    /* more than one band of samples and more than one tile of positions */
    {{.name = "1x1",
      .kind = ES_OP_CONV,
      .in = {8, 5, 5},
      .out = {6, 5, 5},
      .window = {1, 1, 0}},
     140},
    {{.name = "7x7",
      .kind = ES_OP_CONV,
      .in = {3, 20, 20},
      .out = {4, 20, 20},
      .window = {7, 1, 3}},
     3},
    NTK_LINEAR};

/** Contracted and structured products of random samples, whole and as a triangle. */
static void forms_agree(void **state) {
  (void) state;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const int n = cases[k].n;
    const es_net_layer *const l = &cases[k].layer;
    const es_ntk_layer form[2] = {es_ntk_layer_in_form(l, ES_NTK_CONTRACTED),
                                  es_ntk_layer_in_form(l, ES_NTK_STRUCTURED)};
    float *x, *g;
    double *theta[3];
    assert_int_equal(ES_NEW(n * form[0].x_size, &x), ES_OK);
    assert_int_equal(ES_NEW(n * form[0].g_size, &g), ES_OK);
    model_normal(SEED, 7, n * form[0].x_size, x);
    model_normal(SEED, 8, n * form[0].g_size, g);
    const es_ntk_block b = {n, x, g};
    const es_ntk_part all = {0, n, 0, n, false}, half = {0, n, 0, n, true};
    const es_ntk_part corner = {1, n, 0, n / 2, false};
    for (int f = 0; f < 3; f++) {
      assert_int_equal(ES_NEW(n * n, &theta[f]), ES_OK);
      const es_ntk_layer *const as = &form[f == 0];
      const es_ntk_part *const part = f == 1 ? &half : f == 2 ? &corner : &all;
      assert_int_equal(es_ntk_product(as, &b, &b, part, theta[f]), ES_OK);
    }
    double worst = 0, size = 0;
    for (int i = 0; i < n; i++) size = fmax(size, theta[0][i * n + i]);
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        const double t = theta[0][i * n + j];
        if (j >= i) worst = fmax(worst, fabs(theta[1][i * n + j] - t));
        if (i >= 1 && j < n / 2) worst = fmax(worst, fabs(theta[2][i * n + j] - t));
        if (i < 1 || j >= n / 2) assert_true(theta[2][i * n + j] == 0);
      }
    if (!(worst < 1e-5 * size)) fail_msg("%s: %g of %g apart", l->name, worst, size);
    for (int f = 0; f < 3; f++) es_free(&theta[f]);
    es_free(&x);
    es_free(&g);
  }
}

/** Seconds foretold from a few samples against those of all, by the processor's time:
 *  both the least of some, against noise. */
static void times_are_foretold(void **state) {
  (void) state;
  enum { SAMPLES = 240, REPEATS = 3 };
  const es_ntk_ring ring = {comm, SAMPLES / 2};
  const es_ntk_part half = {0, SAMPLES, 0, SAMPLES, true};
  for (int f = 0; f < 2; f++) {
    const es_ntk_layer l = es_ntk_layer_in_form(
        &cases[0].layer, f == 0 ? ES_NTK_CONTRACTED : ES_NTK_STRUCTURED);
    float *x, *g;
    double *theta, told = INFINITY, taken = INFINITY;
    assert_int_equal(ES_NEW(SAMPLES * l.x_size, &x), ES_OK);
    assert_int_equal(ES_NEW(SAMPLES * l.g_size, &g), ES_OK);
    assert_int_equal(ES_NEW(SAMPLES * SAMPLES, &theta), ES_OK);
    model_normal(SEED, 7, SAMPLES * l.x_size, x);
    model_normal(SEED, 8, SAMPLES * l.g_size, g);
    const es_ntk_block b = {SAMPLES, x, g};
    for (int i = 0; i < REPEATS; i++) {
      double seconds;
      assert_int_equal(es_ntk_rate_measure(&ring, 1, &l, &seconds), ES_OK);
      told = fmin(told, seconds);
      const double began = es_cpu_now();
      assert_int_equal(es_ntk_product(&l, &b, &b, &half, theta), ES_OK);
      taken = fmin(taken, es_cpu_now() - began);
    }
    if (!(told < 1.6 * taken && taken < 1.6 * told))
      fail_msg("form %d: told %g s, taken %g s", f, told, taken);
    es_free(&theta);
    es_free(&g);
    es_free(&x);
  }
}

/** The rule of the cheaper form, and the counts of a ResNet-50 for images of 32 x 32. */
static void counts_of_a_resnet50(void **state) {
  (void) state;
  static const model_spec whole = {
      .encoder = "resnet50", .widths = {D}, .input = {3, 32, 32}};
  es_backend *b = NULL;
  es_net *net = NULL;
  const es_net_options o = {.max_n = 1, .plan_only = true};
  assert_int_equal(es_backend_open("blas", comm, 1, &b), ES_OK);
  assert_int_equal(model_build(b, &o, &whole, &net, NULL), ES_OK);
  int convolutions = 0, structured = 0;
  double pair = 0;
  for (int i = 0; i < es_net_layers(net); i++) {
    const es_net_layer l = es_net_layer_of(net, i);
    const es_ntk_layer p = es_ntk_layer_plan(&l, 1e9);
    if (l.kind != ES_OP_CONV) continue;
    convolutions++;
    structured += p.form == ES_NTK_STRUCTURED;
    pair += p.pair;
  }
  assert_int_equal(convolutions, 53);
  assert_int_equal(structured, 28);
  assert_true(fabs(pair - 2.1e6) < 0.1e6);
  es_net_destroy(&net);
  es_backend_close(&b);
}

/* --- a network ---------------------------------------------------------------------- */

static rig rig_with_statistics(const char *backend, const model_spec *m,
                               es_bn_mode mode) {
  rig t = rig_open(backend, m);
  for (int i = 0; i < 3; i++) forward(&t, ES_BN_TRAIN);
  assert_int_equal(es_net_freeze_begin(t.net), ES_OK);
  forward(&t, ES_BN_COLLECT);
  assert_int_equal(es_net_freeze_end(t.net, NULL), ES_OK);
  t.mode = mode;
  return t;
}

static int64_t image(const rig *t) {
  const es_shape s = es_net_shape(t->net, 0);
  return (int64_t) s.c * s.h * s.w;
}

/** Theta [N, N] of gradients of single images, passed through the network alone or
 *  `together`. Products of other sizes round differently, and a rounding can close a
 *  ReLU: a kernel is compared with the gradients of images that were passed as its own
 *  were. */
static void explicit_kernel(rig *t, bool together, double *theta) {
  const int64_t n = t->p->n;
  float *g;
  assert_int_equal(ES_NEW(N * n, &g), ES_OK);
  for (int i = 0; i < N; i++) {
    float dz[N * D] = {0};
    memcpy(dz + (together ? i * D : 0), u, sizeof u);
    es_net_zero_grad(t->net);
    assert_int_equal(es_net_forward(t->net, together ? N : 1, 1, t->mode,
                                    t->x + (together ? 0 : i * image(t)), t->z),
                     ES_OK);
    assert_int_equal(es_net_backward(t->net, dz), ES_OK);
    assert_int_equal(t->b->ops->download(t->b, g + i * n, t->p->grad, (size_t) n), ES_OK);
  }
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double sum = 0;
      for (int64_t k = 0; k < n; k++) sum += (double) g[i * n + k] * g[j * n + k];
      theta[i * N + j] = sum;
    }
  es_free(&g);
}

/** The largest difference over the largest entry. */
static double apart(const double *a, const double *b) {
  double worst = 0, size = 0;
  for (int i = 0; i < N * N; i++) {
    worst = fmax(worst, fabs(a[i] - b[i]));
    size = fmax(size, fabs(b[i]));
  }
  return worst / size;
}

/** The same by es_ntk_sum, with so much memory for a run of layers; *runs. */
static void summed_kernel(rig *t, int64_t memory, double *theta, int *runs) {
  const es_held_out_points points = {.pairs = PAIRS, .n = PAIRS, .x = t->x, .most = 3};
  const es_ntk_job job = {
      .comm = comm, .passes = {t->net, t->mode, &points}, .memory = memory};
  es_ntk_sum *s = NULL;
  es_grid *g = NULL;
  es_dmat *m = NULL;
  double *share = NULL, all = 0;
  assert_int_equal(es_grid_create(comm, 0, &g), ES_OK);
  assert_int_equal(es_ntk_sum_create(&job, &s), ES_OK);
  assert_int_equal(es_ntk_sum_add(s, u, (es_ntk_progress){0, 0}), ES_OK);
  assert_int_equal(es_ntk_sum_matrix(s, g, -1, &m), ES_OK);
  assert_int_equal(es_dmat_gather(m, theta), ES_OK);
  assert_int_equal(ES_NEW(es_ntk_sum_layers(s), &share), ES_OK);
  es_ntk_sum_shares(s, share);
  for (int i = 0; i < es_ntk_sum_layers(s); i++) all += share[i];
  assert_true(fabs(all - 1) < 1e-12);
  *runs = es_ntk_sum_cost(s).runs;
  es_free(&share);
  es_dmat_destroy(&m);
  es_ntk_sum_destroy(&s);
  es_grid_destroy(&g);
}

/** Every convolution and linear layer in one form. */
static void kernel_in_form(rig *t, es_ntk_form form, double *theta) {
  const es_held_out_points points = {.pairs = PAIRS, .n = PAIRS, .x = t->x, .most = N};
  const es_ntk_passes passes = {t->net, t->mode, &points};
  const es_ntk_part all = {0, N, 0, N, false};
  for (int i = 0; i < N * N; i++) theta[i] = 0;
  for (int i = 0; i < es_net_layers(t->net); i++) {
    const es_net_layer l = es_net_layer_of(t->net, i);
    es_ntk_layer p =
        l.kind == ES_OP_BN ? es_ntk_layer_plan(&l, N) : es_ntk_layer_in_form(&l, form);
    es_ntk_kept kept = {.layer = &p};
    p.index = i;
    assert_int_equal(ES_NEW(N * p.x_size, &kept.x), ES_OK);
    assert_int_equal(ES_NEW(N * p.g_size, &kept.g), ES_OK);
    assert_int_equal(es_ntk_pass(&passes, u, 1, &kept, NULL), ES_OK);
    const es_ntk_block b = {N, kept.x, kept.g};
    assert_int_equal(es_ntk_product(&p, &b, &b, &all, theta), ES_OK);
    es_free(&kept.x);
    es_free(&kept.g);
  }
}

static void check(const char *what, const char *backend, int m, double error) {
  if (!(error < 1e-5)) fail_msg("%s, %s, model %d: %g apart", what, backend, m, error);
}

static void forms_match_gradients(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t backends = backends_here(&list);
  for (size_t i = 0; i < backends * MODELS; i++) {
    const char *const name = list[i / MODELS]->name;
    const int m = (int) (i % MODELS);
    const es_bn_mode mode = i % 2 == 0 ? ES_BN_FROZEN : ES_BN_RUNNING;
    double jacobian[N * N], theta[N * N];
    int one, several;
    rig t = rig_with_statistics(name, models[m], mode);
    explicit_kernel(&t, false, jacobian);
    summed_kernel(&t, (int64_t) 1 << 40, theta, &one);
    check("cheaper form", name, m, apart(theta, jacobian));
    summed_kernel(&t, several_runs[m], theta, &several);
    check("several runs", name, m, apart(theta, jacobian));
    assert_true(one == 1 && several > 1);
    explicit_kernel(&t, true, jacobian);
    kernel_in_form(&t, ES_NTK_CONTRACTED, theta);
    check("contracted", name, m, apart(theta, jacobian));
    kernel_in_form(&t, ES_NTK_STRUCTURED, theta);
    check("structured", name, m, apart(theta, jacobian));
    rig_close(&t);
  }
}

static double symmetric_entry(void *ctx, int i, int j) {
  const double *const theta = ctx;
  return theta[i * N + j];
}

static void symmetric_and_positive(void **state) {
  (void) state;
  double theta[N * N];
  int runs;
  es_grid *g = NULL;
  es_dmat *a = NULL;
  es_eigen *e = NULL;
  rig t = rig_with_statistics("auto", &quarter50, ES_BN_FROZEN);
  summed_kernel(&t, (int64_t) 1 << 40, theta, &runs);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) assert_true(theta[i * N + j] == theta[j * N + i]);
  assert_int_equal(es_grid_create(comm, 0, &g), ES_OK);
  assert_int_equal(es_dmat_create(g, N, N, 0, &a), ES_OK);
  es_dmat_fill(a, symmetric_entry, theta);
  assert_int_equal(es_eig_values("syevd", a, &e), ES_OK);
  assert_true(e->value[0] > 0 && e->value[N - 1] > -1e-6 * e->value[0]);
  es_eig_destroy(&e);
  es_dmat_destroy(&a);
  es_grid_destroy(&g);
  rig_close(&t);
}

/** theta(i, j) is the slope of u . f(x_i) along the gradient of u . f(x_j). */
static void entries_are_slopes(void **state) {
  (void) state;
  double theta[N * N];
  int runs;
  float *moved, *value, *grad;
  rig t = rig_with_statistics("blas", &mlp_with_bn, ES_BN_FROZEN);
  const size_t n = (size_t) t.p->n;
  summed_kernel(&t, (int64_t) 1 << 40, theta, &runs);
  assert_int_equal(ES_NEW(n, &moved), ES_OK);
  value = t.value;
  grad = t.grad;
  assert_int_equal(t.b->ops->download(t.b, value, t.p->value, n), ES_OK);
  for (int j = 0; j < N; j++) {
    double f[2][N];
    es_net_zero_grad(t.net);
    assert_int_equal(es_net_forward(t.net, 1, 1, t.mode, t.x + j * image(&t), t.z),
                     ES_OK);
    assert_int_equal(es_net_backward(t.net, u), ES_OK);
    assert_int_equal(t.b->ops->download(t.b, grad, t.p->grad, n), ES_OK);
    const double h = 1e-4 / model_norm((int64_t) n, grad);
    for (int side = 0; side < 2; side++) {
      for (size_t k = 0; k < n; k++)
        moved[k] = value[k] + (float) (side == 0 ? h : -h) * grad[k];
      assert_int_equal(t.b->ops->upload(t.b, t.p->value, moved, n), ES_OK);
      t.p->version++;
      assert_int_equal(es_net_forward(t.net, N, 1, t.mode, t.x, t.z), ES_OK);
      for (int i = 0; i < N; i++) {
        f[side][i] = 0;
        for (int d = 0; d < D; d++) f[side][i] += (double) u[d] * t.z[i * D + d];
      }
    }
    assert_int_equal(t.b->ops->upload(t.b, t.p->value, value, n), ES_OK);
    t.p->version++;
    for (int i = 0; i < N; i++) {
      const double slope = (f[0][i] - f[1][i]) / (2 * h), size = theta[j * N + j];
      /* the ReLUs that switch within a step, and single precision */
      if (!(fabs(slope - theta[i * N + j]) < 0.01 * size))
        fail_msg("entry %d, %d: slope %g, kernel %g", i, j, slope, theta[i * N + j]);
    }
  }
  es_free(&moved);
  rig_close(&t);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forms_agree),
      cmocka_unit_test(times_are_foretold),
      cmocka_unit_test(counts_of_a_resnet50),
      cmocka_unit_test(forms_match_gradients),
      cmocka_unit_test(symmetric_and_positive),
      cmocka_unit_test(entries_are_slopes),
  };
  return rig_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
