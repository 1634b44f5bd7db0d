/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_loader.c  Batches: the same records and views at any number of ranks,
 *  epochs, the thread, refusals. */
#define _POSIX_C_SOURCE 200809L
#include "par.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "eigenstep/selected.h"
#include "eigenstep/mem.h"

enum { SIDE = 32, VALUES = 3 * SIDE * SIDE };

/** A data set, its pipeline, and a loader on a communicator. */
typedef struct chain {
  es_dataset *ds;
  es_augment *a;
  es_shape view;
  es_loader *l;
} chain;

static es_status open_chain(const es_comm *c, const char *name,
                            const es_loader_options *o, chain *x) {
  es_config *cfg;
  es_data_params p;
  char text[64];
  *x = (chain){0};
  snprintf(text, sizeof text, "data.name=%s", name);
  es_status st = es_config_create(&cfg);
  if (st == ES_OK) st = es_config_set(cfg, text);
  if (st == ES_OK) st = es_config_get(cfg, "data", es_data_table, NULL, sizeof p, &p);
  if (st == ES_OK) st = es_dataset_open(c, &p, NULL, o->seed, &x->ds);
  es_augment_steps steps = {0};
  if (st == ES_OK) st = es_select_augment(cfg, p.name, &steps);
  if (st == ES_OK) st = es_augment_create(&steps, x->ds, &x->a, &x->view);
  es_augment_steps_free(&steps);
  if (st == ES_OK) st = es_loader_create(c, x->ds, x->a, x->view, o, &x->l);
  es_config_destroy(&cfg);
  return st;
}

static void close_chain(chain *x) {
  es_loader_destroy(&x->l);
  es_augment_destroy(&x->a);
  es_dataset_close(&x->ds);
}

static es_loader_options options(int64_t pairs, int64_t count) {
  return (es_loader_options){
      .seed = 11, .pairs = pairs, .count = count, .shuffle = true, .prefetch = true};
}

/** Is this rank's batch the slice [first, first + n) of the whole one, bit by bit? */
static bool is_slice(const es_batch *part, const es_batch *whole, int64_t first,
                     int64_t n) {
  bool same = part->n == n;
  for (int64_t i = 0; i < n && same; i++) {
    same = part->id[i] == whole->id[first + i] &&
           part->epoch[i] == whole->epoch[first + i] &&
           part->label[i] == whole->label[first + i];
    for (int64_t v = 0; v < 2 && same; v++)
      same = memcmp(part->x + (v * n + i) * VALUES,
                    whole->x + (v * whole->n + first + i) * VALUES,
                    VALUES * sizeof(float)) == 0;
  }
  return same;
}

static void shards_make_up_the_batch_of_one_rank(void **state) {
  const es_comm *c = *state;
  const int64_t steps[] = {0, 1, 2, 7, 3};
  const es_loader_options o = options(10, 23);
  es_comm *self;
  chain all, one;
  es_batch *part, *whole;
  int64_t first, n;
  assert_true(par_all(c, es_comm_create(MPI_COMM_SELF, &self) == ES_OK));
  assert_int_equal(open_chain(c, "deadleaves", &o, &all), ES_OK);
  assert_true(par_all(c, open_chain(self, "deadleaves", &o, &one) == ES_OK));
  es_comm_local_range(c, 10, &first, &n);
  bool same = n <= es_loader_max(all.l) && es_loader_max(one.l) == 10;
  for (size_t k = 0; k < sizeof steps / sizeof steps[0] && same; k++)
    same = es_loader_get(all.l, steps[k], &part) == ES_OK &&
           es_loader_get(one.l, steps[k], &whole) == ES_OK &&
           is_slice(part, whole, first, n);
  assert_true(par_all(c, same));
  close_chain(&one);
  close_chain(&all);
  es_comm_destroy(&self);
}

/** Do `steps` batches of 5 hold each of 13 records once in every epoch? Collective. */
static bool epochs_are_permutations(const es_comm *c, es_loader *l, int64_t steps) {
  enum { COUNT = 13, EPOCHS_MAX = 8 };
  int64_t seen[EPOCHS_MAX * COUNT] = {0};
  es_batch *b;
  bool good = true;
  for (int64_t step = 0; step < steps && good; step++) {
    good = es_loader_get(l, step, &b) == ES_OK;
    for (int i = 0; i < b->n && good; i++) {
      good = b->epoch[i] < EPOCHS_MAX && b->id[i] >= 2 && b->id[i] < 2 + COUNT;
      if (good) seen[b->epoch[i] * COUNT + (uint64_t) b->id[i] - 2]++;
    }
  }
  good = par_all(c, good);
  es_comm_sum_i64(c, seen, EPOCHS_MAX * COUNT);
  for (int64_t k = 0; k < 5 * steps / COUNT * COUNT; k++) good = good && seen[k] == 1;
  return good;
}

static void each_epoch_is_another_permutation(void **state) {
  const es_comm *c = *state;
  es_loader_options o = options(5, 13);
  chain x;
  es_batch *b;
  o.first = 2;
  assert_int_equal(open_chain(c, "gaussian", &o, &x), ES_OK);
  assert_true(epochs_are_permutations(c, x.l, 13));
  close_chain(&x);
  o.pairs = 13; /* a batch is an epoch */
  assert_int_equal(open_chain(c, "gaussian", &o, &x), ES_OK);
  int64_t moved = 0, kept[13];
  assert_true(par_all(c, es_loader_get(x.l, 0, &b) == ES_OK));
  memcpy(kept, b->id, (size_t) b->n * sizeof *kept);
  assert_true(par_all(c, es_loader_get(x.l, 1, &b) == ES_OK));
  for (int i = 0; i < b->n; i++) moved += kept[i] != b->id[i];
  es_comm_sum_i64(c, &moved, 1);
  assert_true(moved >= 7);
  close_chain(&x);
}

static void without_shuffle_records_follow_each_other(void **state) {
  const es_comm *c = *state;
  es_loader_options o = options(6, 10);
  chain x;
  es_batch *b;
  int64_t first, n;
  o.shuffle = false;
  o.first = 100;
  es_comm_local_range(c, 6, &first, &n);
  assert_int_equal(open_chain(c, "deadleaves", &o, &x), ES_OK);
  bool good = true;
  for (int64_t step = 0; step < 5 && good; step++) {
    good = es_loader_get(x.l, step, &b) == ES_OK;
    for (int i = 0; i < b->n && good; i++) {
      const int64_t p = 6 * step + first + i;
      good = b->id[i] == 100 + p % 10 && b->epoch[i] == (uint64_t) (p / 10);
    }
  }
  assert_true(par_all(c, good));
  close_chain(&x);
}

static void threads_change_nothing(void **state) {
  const es_comm *c = *state;
  const int64_t steps[] = {0, 1, 1, 5, 6, 2, 0};
  es_loader_options o = options(7, 9);
  chain with, without;
  es_batch *a, *b;
  o.threads = 3;
  assert_int_equal(open_chain(c, "deadleaves", &o, &with), ES_OK);
  o.threads = o.prefetch = 0;
  assert_int_equal(open_chain(c, "deadleaves", &o, &without), ES_OK);
  bool same = true;
  for (size_t k = 0; k < sizeof steps / sizeof steps[0] && same; k++)
    same = es_loader_get(with.l, steps[k], &a) == ES_OK &&
           es_loader_get(without.l, steps[k], &b) == ES_OK && is_slice(a, b, 0, b->n);
  assert_true(par_all(c, same));
  const int64_t before = es_mem_count();
  same = es_loader_get(with.l, 3, &a) == ES_OK && es_loader_get(with.l, 4, &a) == ES_OK &&
         es_mem_count() == before; /* no allocation once it runs */
  assert_true(par_all(c, same));
  close_chain(&with);
  close_chain(&without);
}

static es_status (*plain_get)(const es_dataset *, int64_t, int, void *, es_sample *);

static es_status slow_get(const es_dataset *ds, int64_t id, int view, void *scratch,
                          es_sample *s) {
  const struct timespec pause = {0, 60000000};
  nanosleep(&pause, NULL);
  return plain_get(ds, id, view, scratch, s);
}

/** While a late batch is waited for, the caller gets to do something else. */
static void waiting_for_a_batch_ends_in_time(void **state) {
  const es_comm *c = *state;
  es_loader_options o = options(c->size, 9);
  chain x;
  es_batch *b;
  assert_int_equal(open_chain(c, "deadleaves", &o, &x), ES_OK);
  es_dataset_ops slow = *x.ds->ops;
  plain_get = slow.get;
  slow.get = slow_get;
  x.ds->ops = &slow;
  bool good = es_loader_get(x.l, 0, &b) == ES_OK; /* the next one is being prepared */
  good = good && !es_loader_wait(x.l, 0.001);
  int waits = 0;
  while (good && !es_loader_wait(x.l, 0.005) && waits < 4000) waits++;
  good = good && waits > 0 && waits < 4000;
  good = good && es_loader_wait(x.l, 0) && es_loader_get(x.l, 1, &b) == ES_OK;
  close_chain(&x);
  assert_true(par_all(c, good));
}

static void passes_are_epochs_from_the_fixed_one_on(void **state) {
  const es_comm *c = *state;
  es_loader_options o = options(4, 8);
  chain x;
  es_batch *b;
  static float first[2 * 4 * VALUES];
  o.fixed_epoch = 1000;
  o.shuffle = false;
  assert_int_equal(open_chain(c, "deadleaves", &o, &x), ES_OK);
  bool same = es_loader_get(x.l, 0, &b) == ES_OK;
  const size_t bytes = 2 * (size_t) b->n * VALUES * sizeof *first;
  memcpy(first, b->x, bytes);
  for (int i = 0; i < b->n; i++) same = same && b->epoch[i] == 1000;
  same = same && es_loader_get(x.l, 2, &b) == ES_OK; /* records 8.. are 0.. again */
  for (int i = 0; i < b->n; i++) same = same && b->epoch[i] == 1001;
  same = same && memcmp(first, b->x, bytes) != 0;
  same = same && es_loader_get(x.l, 0, &b) == ES_OK;
  same = same && memcmp(first, b->x, bytes) == 0;
  same = same && es_loader_get(x.l, 1, &b) == ES_OK;
  same = same && memcmp(first, b->x, bytes) != 0;
  assert_true(par_all(c, same));
  close_chain(&x);
}

static void refusals_are_the_same_on_all_ranks(void **state) {
  const es_comm *c = *state;
  es_loader_options o = options(c->size - 1, 10);
  chain x;
  assert_int_equal(open_chain(c, "gaussian", &o, &x), ES_ECONFIG);
  assert_null(x.l);
  if (c->rank == 0) {
    assert_non_null(strstr(es_log_last_error(), "batch.pairs"));
  }
  close_chain(&x);
  o = options(c->size, 0);
  assert_int_equal(open_chain(c, "gaussian", &o, &x), ES_ECONFIG);
  close_chain(&x);
  o = options(c->size, 10);
  assert_int_equal(open_chain(c, "cifar10", &o, &x), ES_ECONFIG); /* no path */
  close_chain(&x);
  assert_int_equal(open_chain(c, "cifar-10", &o, &x), ES_ECONFIG);
  close_chain(&x);
}

/** A set of pairs whose record 5 holds a NaN. */
static es_status get_nan(const es_dataset *ds, int64_t i, int view, void *scratch,
                         es_sample *s) {
  float *x = scratch;
  for (int k = 0; k < ds->c; k++) x[k] = (float) (i + view);
  if (i == 5) x[ds->c - 1] = NAN;
  *s = (es_sample){.is_float = true, .c = ds->c, .h = 1, .w = 1, .f32 = x, .label = -1};
  return ES_OK;
}

static void nan_is_named(void **state) {
  const es_comm *c = *state;
  const es_dataset_ops ops = {.name = "bad", .pairs = true, .get = get_nan};
  const es_dataset ds = {
      .ops = &ops, .size = 8, .c = 7, .h = 1, .w = 1, .scratch = 7 * sizeof(float)};
  es_loader_options o = options(8, 8);
  const es_augment_steps none = {0}; /* the set makes both views */
  es_augment *a;
  es_shape view;
  es_loader *l;
  es_batch *b;
  int64_t first, n;
  o.shuffle = false;
  o.threads = 4;
  bool good = es_augment_create(&none, &ds, &a, &view) == ES_OK;
  assert_true(par_all(c, good));
  assert_int_equal(es_loader_create(c, &ds, a, view, &o, &l), ES_OK);
  es_comm_local_range(c, 8, &first, &n);
  const bool mine = first <= 5 && 5 < first + n;
  for (int i = 0; i < 2; i++) { /* the second time without the thread's batch */
    good = es_loader_get(l, 0, &b) == (mine ? ES_EMATH : ES_OK);
    good = good && (!mine || strstr(es_log_last_error(), "record 5") != NULL);
    assert_true(par_all(c, good));
  }
  es_loader_destroy(&l);
  es_augment_destroy(&a);
}

/** A set that can read every record but 5. */
static es_status get_most(const es_dataset *ds, int64_t i, int view, void *scratch,
                          es_sample *s) {
  float *x = scratch;
  (void) view;
  ES_CHECK(i != 5, ES_EIO, "cannot read record 5");
  x[0] = (float) i;
  *s = (es_sample){.is_float = true, .c = ds->c, .h = 1, .w = 1, .f32 = x, .label = -1};
  return ES_OK;
}

/** A set whose record i is of class i mod 7. */
static es_status get_class(const es_dataset *ds, int64_t i, int view, void *scratch,
                           es_sample *s) {
  ES_TRY(get_most(ds, 0, view, scratch, s));
  s->label = (int) (i % 7);
  return ES_OK;
}

static void records_are_those_of_the_batches(void **state) {
  const es_comm *c = *state;
  const es_dataset_ops ops = {.name = "classes", .pairs = true, .get = get_class};
  const es_dataset ds = {
      .ops = &ops, .size = 40, .c = 1, .h = 1, .w = 1, .scratch = sizeof(float)};
  es_loader_options o = options(6, 30);
  const es_augment_steps none = {0}; /* the set makes both views */
  es_augment *a;
  es_shape view;
  es_loader *l;
  es_batch *b;
  int64_t first, n, list[30];
  o.first = 10;
  bool good = es_augment_create(&none, &ds, &a, &view) == ES_OK;
  assert_true(par_all(c, good));
  assert_int_equal(es_loader_create(c, &ds, a, view, &o, &l), ES_OK);
  es_comm_local_range(c, 6, &first, &n);
  for (int64_t step = 0; step < 8 && good; step++) { /* into the second epoch */
    good = es_loader_get(l, step, &b) == ES_OK;
    for (int i = 0; i < n && good; i++)
      good = es_loader_record(l, 6 * step + first + i) == b->id[i] && b->id[i] >= 10 &&
             b->label[i] == b->id[i] % 7;
  }
  assert_true(par_all(c, good));
  es_loader_destroy(&l);
  o.first = 0; /* chosen records instead of a range, in their order */
  o.shuffle = false;
  o.prefetch = false;
  o.record = list;
  for (int i = 0; i < 30; i++) list[i] = (7 * i + 3) % 40;
  assert_int_equal(es_loader_create(c, &ds, a, view, &o, &l), ES_OK);
  for (int64_t step = 0; step < 8 && good; step++) {
    good = es_loader_get(l, step, &b) == ES_OK;
    for (int i = 0; i < n && good; i++)
      good = b->id[i] == list[(6 * step + first + i) % 30] &&
             es_loader_record(l, 6 * step + first + i) == b->id[i];
  }
  assert_true(par_all(c, good));
  es_loader_destroy(&l);
  es_augment_destroy(&a);
}

/** The thread meets the error one batch early: it must be told when its batch is asked
 *  for, once, and not at all if it is not. */
static void early_errors_wait_for_their_turn(void **state) {
  const es_comm *c = *state;
  const es_dataset_ops ops = {.name = "bad", .pairs = true, .get = get_most};
  const es_dataset ds = {
      .ops = &ops, .size = 16, .c = 1, .h = 1, .w = 1, .scratch = sizeof(float)};
  es_loader_options o = options(4, 16);
  const es_augment_steps none = {0}; /* the set makes both views */
  es_augment *a;
  es_shape view;
  es_loader *l;
  es_batch *b;
  int64_t first, n;
  o.shuffle = false;
  o.threads = 2;
  bool good = es_augment_create(&none, &ds, &a, &view) == ES_OK;
  assert_true(par_all(c, good));
  assert_int_equal(es_loader_create(c, &ds, a, view, &o, &l), ES_OK);
  es_comm_local_range(c, 4, &first, &n);
  const bool mine = first <= 1 && 1 < first + n; /* record 5 is the second of batch 1 */
  es_error("nothing yet");
  good = es_loader_get(l, 0, &b) == ES_OK;         /* the thread starts on batch 1 */
  good = good && es_loader_get(l, 2, &b) == ES_OK; /* and has ended */
  good = good && strstr(es_log_last_error(), "nothing yet") != NULL;
  good = good && es_loader_get(l, 0, &b) == ES_OK;
  good = good && es_loader_get(l, 1, &b) == (mine ? ES_EIO : ES_OK);
  good = good && strstr(es_log_last_error(), mine ? "record 5" : "nothing yet") != NULL;
  good = good && es_loader_get(l, 2, &b) == ES_OK && b->id[0] == 8 + first;
  assert_true(par_all(c, good));
  es_loader_destroy(&l);
  es_augment_destroy(&a);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(shards_make_up_the_batch_of_one_rank),
      cmocka_unit_test(each_epoch_is_another_permutation),
      cmocka_unit_test(without_shuffle_records_follow_each_other),
      cmocka_unit_test(threads_change_nothing),
      cmocka_unit_test(waiting_for_a_batch_ends_in_time),
      cmocka_unit_test(passes_are_epochs_from_the_fixed_one_on),
      cmocka_unit_test(refusals_are_the_same_on_all_ranks),
      cmocka_unit_test(nan_is_named),
      cmocka_unit_test(early_errors_wait_for_their_turn),
      cmocka_unit_test(records_are_those_of_the_batches),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
