/* SPDX-License-Identifier: BSD-3-Clause */
/** @file unit_orthogonal.c  Newton-Schulz iteration of all backends, by its formula. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "backends.h"
#include "eigenstep/backend.h"

static es_comm *comm; /* cmocka passes nothing else into a test */

static void near(double a, double b, double tolerance) {
  if (!(fabs(a - b) <= tolerance)) fail_msg("got %.9g, expected %.9g", a, b);
}

/** The iteration as its formula reads, for a wide and for a tall matrix, and the size of
 *  its product with its transpose: between 0.6^2 and 1.3^2 on the diagonal. */
static void check_orthogonal(es_backend *b) {
  enum { LONG = 7, SHORT = 3, K = LONG * SHORT };
  float x[K], y[K];
  void *room = NULL, *work = NULL;
  assert_int_equal(b->ops->alloc(b, sizeof x, "test", &room), ES_OK);
  assert_int_equal(
      b->ops->alloc(b, es_orthogonal_work(LONG, SHORT) * sizeof *x, "test", &work),
      ES_OK);
  for (int tall = 0; tall < 2; tall++) {
    const es_orthogonal_args a = {tall ? LONG : SHORT, tall ? SHORT : LONG, 5};
    double z[SHORT][LONG], sum = 0;
    for (int i = 0; i < K; i++) x[i] = sinf(1.7f * (float) i) + 0.2f * (float) (i % 4);
    for (int i = 0; i < K; i++) sum += (double) x[i] * (double) x[i];
    for (int i = 0; i < SHORT; i++)
      for (int j = 0; j < LONG; j++)
        z[i][j] = (double) x[tall ? j * SHORT + i : i * LONG + j] / (sqrt(sum) + 1e-7);
    for (int k = 0; k < a.iterations; k++) {
      double s[SHORT][SHORT] = {{0}}, p[SHORT][SHORT] = {{0}}, next[SHORT][LONG];
      for (int i = 0; i < SHORT * SHORT; i++)
        for (int j = 0; j < LONG; j++)
          s[i / SHORT][i % SHORT] += z[i / SHORT][j] * z[i % SHORT][j];
      for (int i = 0; i < SHORT * SHORT; i++) {
        p[i / SHORT][i % SHORT] = -4.7750 * s[i / SHORT][i % SHORT];
        for (int j = 0; j < SHORT; j++)
          p[i / SHORT][i % SHORT] += 2.0315 * s[i / SHORT][j] * s[j][i % SHORT];
      }
      for (int i = 0; i < K; i++) {
        next[i / LONG][i % LONG] = 3.4445 * z[i / LONG][i % LONG];
        for (int j = 0; j < SHORT; j++)
          next[i / LONG][i % LONG] += p[i / LONG][j] * z[j][i % LONG];
      }
      memcpy(z, next, sizeof z);
    }
    assert_int_equal(b->ops->upload(b, room, x, K), ES_OK);
    assert_int_equal(b->ops->orthogonalize(b, &a, room, work), ES_OK);
    assert_int_equal(b->ops->download(b, y, room, K), ES_OK);
    for (int i = 0; i < SHORT; i++) {
      double size = 0;
      for (int j = 0; j < LONG; j++) {
        near(y[tall ? j * SHORT + i : i * LONG + j], z[i][j], 1e-4);
        size += z[i][j] * z[i][j];
      }
      assert_true(size > 0.36 && size < 1.69);
    }
  }
  b->ops->release(b, &work);
  b->ops->release(b, &room);
}

static void all_backends_iterate_alike(void **state) {
  (void) state;
  const es_backend_ops *const *list;
  const size_t n = backends_here(&list);
  for (size_t i = 0; i < n; i++) {
    es_backend *b = NULL;
    assert_int_equal(es_backend_open(list[i]->name, comm, 1, &b), ES_OK);
    check_orthogonal(b);
    es_backend_close(&b);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_backends_iterate_alike)};
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_WORLD, &comm) != ES_OK) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  es_comm_destroy(&comm);
  MPI_Finalize();
  return failed;
}
