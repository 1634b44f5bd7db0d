/* SPDX-License-Identifier: BSD-3-Clause */
/** @file par_ckpt.c  Checkpoints: written whole or not at all, by any number of ranks,
 * read by any other; corrupted or non-matching files are rejected on all ranks. */
#include "par.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "eigenstep/ckpt.h"
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"
#include "eigenstep/path.h"

enum { N = 37 };

/* A state with one array of each kind, and what a test wants to go wrong. */
typedef struct toy {
  float weight[N][3];
  double mean[2][2];
  int64_t step, extra;
  int64_t width; /* 3, or another shape */
  bool has_extra, fails;
} toy;

static es_status walk(void *state, es_visitor *v) {
  toy *s = state;
  es_item items[] = {
      {"params/layer1.0.conv1.weight", ES_ITEM_F32, 2, {N, s->width}, s->weight},
      {"params/none", ES_ITEM_F32, 2, {0, 3}, NULL},
      {"bn.mean", ES_ITEM_F64, 3, {1, 2, 2}, s->mean},
      {"step", ES_ITEM_I64, 0, {0}, &s->step},
      {"extra", ES_ITEM_I64, 1, {1}, &s->extra},
  };
  for (int i = 0; i < (s->has_extra ? 5 : 4); i++) {
    if (i == 2 && s->fails) return ES_EMATH;
    ES_TRY(v->item(v, &items[i]));
  }
  return ES_OK;
}

static void fill(toy *s, int64_t step) {
  *s = (toy){.step = step, .width = 3};
  for (int i = 0; i < N * 3; i++) (&s->weight[0][0])[i] = (float) (step + i);
  for (int i = 0; i < 4; i++) (&s->mean[0][0])[i] = (double) step / (i + 1);
}

static bool is_filled(const toy *s, int64_t step) {
  toy expected;
  fill(&expected, step);
  return memcmp(s->weight, expected.weight, sizeof s->weight) == 0 &&
         memcmp(s->mean, expected.mean, sizeof s->mean) == 0 && s->step == step;
}

static es_status write_set(const es_comm *c, const char *dir, toy *s, int keep) {
  const es_ckpt_set set = {.dir = dir,
                           .step = s->step,
                           .time = 0.5 * (double) s->step,
                           .keep = keep,
                           .config_text = "[run]\n"};
  return es_ckpt_write(c, &set, walk, s);
}

/* A folder name of this communicator's own; and the folder removed. */
static const char *folder(const es_comm *c) {
  static char dir[64];
  long id = (long) getpid();
  es_comm_bcast(c, &id, sizeof id, 0);
  snprintf(dir, sizeof dir, "tmp_ckpt.%ld", id);
  return dir;
}

static void drop(const es_comm *c) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder(c));
  es_comm_barrier(c);
  if (c->rank == 0 && system(command) != 0) abort();
  es_comm_barrier(c);
}

/* Collective. Does DIR/name exist? Checked by rank 0. */
static bool there(const es_comm *c, const char *name) {
  char path[256];
  struct stat s;
  snprintf(path, sizeof path, "%s/%s", folder(c), name);
  int64_t yes = c->rank == 0 && lstat(path, &s) == 0;
  es_comm_max_i64(c, &yes, 1);
  return yes != 0;
}

static void shell(const es_comm *c, const char *command) {
  char text[512];
  snprintf(text, sizeof text, "cd %s && %s", folder(c), command);
  es_comm_barrier(c);
  if (c->rank == 0 && system(text) != 0) abort();
  es_comm_barrier(c);
}

/* Written by all ranks; read by all, and by every rank alone. */
static void round_trip(void **state) {
  const es_comm *c = *state;
  toy s, got = {.width = 3};
  char path[1200], *text = NULL;
  int64_t step = -1;
  double time = 0;
  drop(c);
  fill(&s, 120);
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_EIO);
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  assert_true(there(c, "step_00000120/DONE") && there(c, "latest"));
  assert_false(there(c, "step_00000120.tmp"));
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_OK);
  assert_int_equal(step, 120);
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_OK);
  assert_true(par_all(c, is_filled(&got, 120) && time == 60 && !strcmp(text, "[run]\n")));
  es_free(&text);

  MPI_Comm one;
  es_comm *alone = NULL;
  MPI_Comm_split(c->mpi, c->rank, 0, &one);
  got = (toy){.width = 3};
  bool ok = es_comm_create(one, &alone) == ES_OK &&
            es_ckpt_read(alone, path, walk, &got, NULL, NULL) == ES_OK;
  assert_true(par_all(c, ok && is_filled(&got, 120)));
  es_comm_destroy(&alone);
  MPI_Comm_free(&one);
  drop(c);
}

/* Old sets go, complete newer ones stay, folders without DONE are no sets. */
static void sets(void **state) {
  const es_comm *c = *state;
  toy s;
  char path[1200];
  int64_t step = -1;
  drop(c);
  for (int64_t i = 1; i <= 4; i++) {
    fill(&s, i);
    assert_int_equal(write_set(c, folder(c), &s, 2), ES_OK);
  }
  assert_true(!there(c, "step_00000001") && !there(c, "step_00000002"));
  assert_true(there(c, "step_00000003") && there(c, "step_00000004"));
  shell(c, "mkdir step_00000009 step_00000005.tmp && touch step_00000005.tmp/state.h5"
           " step_00000005.tmp/DONE && mkdir step_7 && touch step_7/DONE notes");
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_OK);
  assert_int_equal(step, 4);
  fill(&s, 4); /* again, over itself */
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  assert_true(there(c, "step_00000004/DONE") && there(c, "notes"));
  assert_false(there(c, "step_00000004.tmp") || there(c, "step_00000004.old"));
  assert_false(there(c, "step_00000003") || there(c, "step_00000009"));
  assert_false(there(c, "step_00000005.tmp"));
  fill(&s, 2); /* an earlier step, after a resume from it: the newer one is not touched */
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  assert_true(there(c, "step_00000004/DONE") && there(c, "step_00000002/DONE"));
  drop(c);
}

/* What a kill leaves where two names cannot be exchanged: the former set is found until
 * the new one stands, and removed then. A damaged set: the one before it. */
static void interrupted(void **state) {
  const es_comm *c = *state;
  toy s;
  char path[1200];
  int64_t step = -1;
  drop(c);
  for (int64_t i = 3; i <= 4; i++) {
    fill(&s, i);
    assert_int_equal(write_set(c, folder(c), &s, 2), ES_OK);
  }
  shell(c, "cp -r step_00000004 step_00000004.tmp && mv step_00000004 step_00000004.old");
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_OK);
  assert_true(step == 4 && strstr(path, "step_00000004.old") != NULL);
  toy got = {.width = 3};
  assert_int_equal(es_ckpt_read(c, path, walk, &got, NULL, NULL), ES_OK);
  assert_true(par_all(c, is_filled(&got, 4)));
  assert_int_equal(es_ckpt_before(c, folder(c), step, path, &step), ES_OK);
  assert_int_equal(step, 3);
  assert_int_equal(es_ckpt_before(c, folder(c), step, path, &step), ES_EIO);
  assert_int_equal(write_set(c, folder(c), &s, 2), ES_OK);
  assert_true(there(c, "step_00000004/DONE") && there(c, "step_00000003/DONE"));
  assert_false(there(c, "step_00000004.old") || there(c, "step_00000004.tmp"));
  drop(c);
}

/* What kills leave beside complete sets is counted as it can be read: a step once, in
 * ascending order, the newest ones where there are more than asked for. */
static void listed(void **state) {
  const es_comm *c = *state;
  int64_t step[8] = {0};
  toy s;
  drop(c);
  for (int64_t i = 1; i <= 5; i++) {
    fill(&s, i);
    assert_int_equal(write_set(c, folder(c), &s, 5), ES_OK);
  }
  shell(c, "cp -r step_00000005 step_00000009.tmp" /* complete, but not renamed yet */
           " && mkdir step_00000007 && touch step_00000007/state.h5" /* without DONE */
           " && cp -r step_00000004 step_00000004.old" /* both of an exchange */
           " && mv step_00000003 step_00000003.old"    /* the only one of its step */
           " && mkdir step_00000003 step_00000008.old" /* neither has DONE */
           " && mv step_00000002 step_00000002.older && touch step_1x stop");
  assert_int_equal(es_ckpt_count(folder(c)), 4);
  assert_int_equal(es_ckpt_list(folder(c), 8, step), 4);
  assert_true(step[0] == 1 && step[1] == 3 && step[2] == 4 && step[3] == 5);
  assert_int_equal(es_ckpt_list(folder(c), 2, step), 2);
  assert_true(step[0] == 4 && step[1] == 5);
  assert_int_equal(es_ckpt_list("nowhere", 8, step), 0);
  es_comm_barrier(c);
  drop(c);
}

/* What the file system cannot tell (a link to itself stands for an error of the disk) is
 * not taken for absent: a set is neither left out nor removed, a folder is not empty. */
static void untold(void **state) {
  const es_comm *c = *state;
  char path[1200];
  int64_t step[2] = {0};
  toy s;
  drop(c);
  fill(&s, 4);
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  shell(c, "ln -sf DONE step_00000004/DONE && ln -s loop loop");
  fill(&s, 3); /* after a resume from before */
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  assert_true(there(c, "step_00000004/state.h5") && there(c, "step_00000003/DONE"));
  assert_int_equal(es_ckpt_list(folder(c), 2, step), 2);
  assert_true(step[0] == 3 && step[1] == 4);
  snprintf(path, sizeof path, "%s/loop", folder(c));
  assert_int_equal(es_ckpt_list(path, 2, step), -1);
  assert_int_equal(es_ckpt_count(path), -1);
  bool empty = true;
  assert_int_equal(es_path_is_empty(path, &empty), ELOOP);
  assert_false(empty);
  assert_int_equal(es_path_is_empty("nowhere", &empty), 0);
  assert_true(empty);
  es_comm_barrier(c);
  drop(c);
}

/* A failing write leaves the older set and no .tmp; also if one rank alone fails. */
static void failing_write(void **state) {
  const es_comm *c = *state;
  toy s;
  char path[1200];
  int64_t step = -1;
  drop(c);
  fill(&s, 1);
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  fill(&s, 2);
  s.fails = c->rank == c->size - 1;
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_EMATH);
  s.fails = false;
  if (c->rank == c->size - 1) s.weight[N - 1][2] += 1; /* replicas that differ */
  if (c->size > 1) assert_int_equal(write_set(c, folder(c), &s, 1), ES_EINTERNAL);
  s.step = -1;
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_EARG);
  s.step = 2;
  assert_int_equal(write_set(c, folder(c), &s, 0), ES_EARG);
  assert_false(there(c, "step_00000002") || there(c, "step_00000002.tmp"));
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_OK);
  assert_int_equal(step, 1);
  assert_int_equal(write_set(c, "/proc/none", &s, 1), ES_EIO);
  drop(c);
}

/* Flip the value of one element in the file, past the checks of HDF5. */
static void damage(const es_comm *c, const char *set) {
  char file[1300];
  es_h5 *f = NULL;
  const double wrong = 42;
  const int64_t start[3] = {0, 1, 0}, count[3] = {1, 1, c->rank == 0};
  snprintf(file, sizeof file, "%s/state.h5", set);
  assert_int_equal(es_h5_open(c, file, true, &f), ES_OK);
  assert_int_equal(es_h5_write_slab(f, "/state/bn.mean", ES_H5_F64, start, count, &wrong),
                   ES_OK);
  assert_int_equal(es_h5_close(&f), ES_OK);
}

static void refused_reads(void **state) {
  const es_comm *c = *state;
  toy s, got = {.width = 3};
  char path[1200], *text = NULL;
  int64_t step = -1;
  double time = -1;
  drop(c);
  fill(&s, 3);
  assert_int_equal(write_set(c, folder(c), &s, 1), ES_OK);
  assert_int_equal(es_ckpt_latest(c, folder(c), path, &step), ES_OK);
  got.has_extra = true; /* not in the file */
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EFORMAT);
  got = (toy){.width = 2}; /* another shape */
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EFORMAT);
  got = (toy){.width = 3, .fails = c->rank == 0};
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EMATH);
  got = (toy){.width = 3};
  shell(c, "LC_ALL=C sed -i 's/\\[run\\]/[rum]/' step_00000003/state.h5");
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EIO);
  shell(c, "LC_ALL=C sed -i 's/\\[rum\\]/[run]/' step_00000003/state.h5");
  assert_int_equal(es_ckpt_read(c, path, walk, &got, NULL, NULL), ES_OK);
  damage(c, path);
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EIO);
  assert_true(time == -1 && text == NULL);
  shell(c, "truncate -s 500 step_00000003/state.h5");
  assert_int_equal(es_ckpt_read(c, path, walk, &got, &time, &text), ES_EIO);
  assert_int_equal(es_ckpt_read(c, "nowhere", walk, &got, &time, &text), ES_EIO);
  drop(c);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(round_trip),    cmocka_unit_test(sets),
      cmocka_unit_test(interrupted),   cmocka_unit_test(failing_write),
      cmocka_unit_test(listed),        cmocka_unit_test(untold),
      cmocka_unit_test(refused_reads),
  };
  return par_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
