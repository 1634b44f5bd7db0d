/* SPDX-License-Identifier: BSD-3-Clause */
/** @file fuzz_inputs.c  Damaged input files: each reader must end with a status, whatever
 *  the bytes. Good files are made, then changed by a seeded sequence of bit flips,
 *  extreme numbers, cuts, repetitions and splices, so that a failure can be repeated.
 *
 *      fuzz_inputs [TARGET [SEED]]
 *
 *  FUZZ_MINUTES is the time for all targets (default: 3 seconds each). Under
 *  --enable-sanitizer memory errors show as well. On a crash the file that caused it is
 *  what is left in the folder that is printed first. */
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../dataset_files.h"
#include "backend/onednn/tune.h"
#include "config.h"
#include "eigenstep/array_file.h"
#include "eigenstep/ckpt.h"
#include "eigenstep/clock.h"
#include "eigenstep/h5.h"
#include "eigenstep/rng.h"
#include "eigenstep/safetensors.h"
#include "fuzz_corpus.h"

enum { MOST = 1 << 16, SEEDS = 8 };

static es_comm *self;
static char folder[64];

static void write_case(const char *name, const uint8_t *bytes, size_t n) {
  files_write(folder, name, bytes, n);
}

static void path_of(const char *name, char path[256]) {
  snprintf(path, 256, "%s/%s", folder, name);
}

/* --- readers ---------------------------------------------------------------------- */
static void feed_ini(const uint8_t *bytes, size_t n) {
  es_config *cfg = NULL;
  es_section s[128];
  const size_t sections = es_data_sections(s, 128);
  char *text = calloc(n + 1, 1);
  memcpy(text, bytes, n);
  if (es_config_create(&cfg) == ES_OK && es_config_read_text(cfg, text, "fuzz") == ES_OK)
    (void) es_config_check(cfg, s, sections);
  es_config_destroy(&cfg);
  free(text);
}

static void feed_safetensors(const uint8_t *bytes, size_t n) {
  char path[256];
  es_safetensors *f = NULL;
  write_case("x.safetensors", bytes, n);
  path_of("x.safetensors", path);
  if (es_safetensors_open(path, &f) != ES_OK) return;
  for (size_t i = 0; i < es_safetensors_count(f); i++) {
    es_st_tensor t;
    int64_t count = 1;
    es_safetensors_info(f, i, &t);
    for (int k = 0; k < t.ndim; k++) count *= t.dim[k];
    float *out = malloc((size_t) count * sizeof *out + 1);
    (void) es_safetensors_read(f, i, out);
    free(out);
  }
  es_safetensors_close(&f);
}

static void feed_npy(const uint8_t *bytes, size_t n) {
  char path[256];
  es_array_file *a = NULL;
  write_case("x.npy", bytes, n);
  path_of("x.npy", path);
  if (es_array_open_npy(path, &a) != ES_OK) return;
  const es_array_info *const x = es_array_shape(a);
  int64_t start[ES_ARRAY_DIMS] = {0}, count[ES_ARRAY_DIMS], all = 1;
  for (int i = 0; i < x->ndim; i++) {
    count[i] = x->dim[i] < 5 ? x->dim[i] : 5;
    start[i] = x->dim[i] - count[i];
    all *= count[i];
  }
  double *out = malloc((size_t) all * sizeof *out + 1);
  (void) es_array_read(a, start, count, out);
  free(out);
  es_array_close(&a);
}

/** Open a data set and read some of its records. */
static void read_set(const char *name, const char *path, int64_t size) {
  es_data_params p = files_params(name, path);
  es_dataset *ds = NULL;
  void *scratch = NULL;
  es_sample s;
  p.size = size;
  p.max_pixels = 1 << 20;
  if (es_dataset_open(self, &p, NULL, 1, &ds) != ES_OK) return;
  if (es_alloc(ds->scratch, "scratch", &scratch) == ES_OK)
    for (int64_t i = 0; i < ds->size && i < 4; i++)
      (void) ds->ops->get(ds, i, 0, scratch, &s);
  es_free(&scratch);
  es_dataset_close(&ds);
}

static void feed_cifar10(const uint8_t *bytes, size_t n) {
  write_case("data_batch_1.bin", bytes, n);
  read_set("cifar10", folder, 0);
}

/** A case is the number of labels and of bytes of names, then labels, names, images. */
static void feed_stl10(const uint8_t *bytes, size_t n) {
  const size_t at = n < 2 ? n : 2,
               labels = n < 2 || n - at < bytes[0] ? n - at : bytes[0];
  const size_t rest = n - at - labels, names = n < 2 || rest < bytes[1] ? rest : bytes[1];
  write_case("train_y.bin", bytes + at, labels);
  write_case("class_names.txt", bytes + at + labels, names);
  write_case("train_X.bin", bytes + at + labels + names, rest - names);
  read_set("stl10", folder, 0);
}

#ifdef HAVE_ONEDNN
/** Plans of this machine, as the library writes them, and a row of another one. */
static int corpus_plans(fuzz_bytes *seed, int most) {
  const es_conv_algo_ops *const *list;
  const size_t algos = es_conv_algo_list(&list);
  es_choices *known = NULL;
  char path[256], text[4096];
  (void) most;
  assert_int_equal(es_onednn_choices(&known), ES_OK);
  for (size_t i = 0; i < algos; i++)
    assert_int_equal(
        es_choices_add(known, "f32 1 shape forward", (int) i + 1, list[i]->name), ES_OK);
  path_of("good.plans", path);
  assert_int_equal(es_choices_write(path, known), ES_OK);
  es_choices_destroy(&known);
  FILE *const f = fopen(path, "rb");
  assert_non_null(f);
  size_t n = fread(text, 1, sizeof text - 64, f);
  fclose(f);
  fuzz_copy(&seed[0], text, n);
  n += (size_t) snprintf(text + n, 64, "another\tlibrary\tkey\t1\tdirect\n");
  fuzz_copy(&seed[1], text, n);
  return 2;
}

/** What could be read is the same after it was written back. */
static void feed_plans(const uint8_t *bytes, size_t n) {
  es_choices *first = NULL, *again = NULL;
  char path[256];
  assert_int_equal(es_onednn_choices(&first), ES_OK);
  assert_int_equal(es_onednn_choices(&again), ES_OK);
  write_case("plans", bytes, n);
  path_of("plans", path);
  if (es_choices_read(path, first) == ES_OK) {
    assert_int_equal(es_choices_write(path, first), ES_OK);
    assert_int_equal(es_choices_read(path, again), ES_OK);
  }
  for (int i = 0; i < first->n && again->n > 0; i++) {
    const es_choice *const a = &first->row[i];
    assert_true(es_choices_has(again, a->key, a->n));
  }
  assert_int_equal(again->n > 0, first->n > 0);
  es_choices_destroy(&first);
  es_choices_destroy(&again);
}
#endif

static void feed_hdf5(const uint8_t *bytes, size_t n) {
  char path[256];
  write_case("x.h5", bytes, n);
  path_of("x.h5", path);
  read_set("hdf5", path, 0);
}

/** A small file of images, or of vectors, with labels. */
static es_status make_hdf5(const char *path, bool images) {
  const es_h5_dataset x = {
      "/x",     images ? ES_H5_U8 : ES_H5_F32, images ? 4 : 2, {6, 3, 4, 4}, 0, "1",
      "records"};
  const es_h5_dataset y = {"/label", ES_H5_I32, 1, {6}, 0, "1", "classes"};
  const uint8_t grey[6 * 48] = {7, 200};
  const float value[6 * 3] = {0.5f, -3};
  const int32_t label[6] = {0, 1, 0, 1, 2, 2};
  es_h5 *f = NULL;
  ES_TRY(es_h5_create(self, path, &f));
  es_status st = es_h5_declare(f, &x);
  if (st == ES_OK) st = es_h5_declare(f, &y);
  if (st == ES_OK)
    st = es_h5_write_rows(f, "/x", x.type, 0, 6,
                          images ? (const void *) grey : (const void *) value);
  if (st == ES_OK) st = es_h5_write_rows(f, "/label", ES_H5_I32, 0, 6, label);
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

static int corpus_hdf5(fuzz_bytes *seed, int most) {
  static uint8_t all[MOST];
  char path[256];
  (void) most;
  for (int i = 0; i < 2; i++) {
    path_of(i == 0 ? "images.h5" : "vectors.h5", path);
    assert_int_equal(make_hdf5(path, i == 0), ES_OK);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(all, 1, MOST, f);
    fclose(f);
    fuzz_copy(&seed[i], all, n);
  }
  return 2;
}

static const char parameters[] = "[run]\nsteps = 3\n";

/** The state of a checkpoint: an array of each type. */
typedef struct toy {
  float weight[4][4]; /* no gap behind it: the whole is compared */
  double mean[4];
  int64_t step;
} toy;

static es_status walk(void *state, es_visitor *v) {
  toy *const s = state;
  es_item items[] = {{"params/weight", ES_ITEM_F32, 2, {4, 4}, s->weight},
                     {"bn.mean", ES_ITEM_F64, 1, {4}, s->mean},
                     {"step", ES_ITEM_I64, 0, {0}, &s->step}};
  for (int i = 0; i < 3; i++) ES_TRY(v->item(v, &items[i]));
  return ES_OK;
}

static int corpus_ckpt(fuzz_bytes *seed, int most) {
  static uint8_t all[MOST];
  char dir[256], path[1200], file[1300];
  toy state = {.weight = {{1, -2}}, .mean = {0.5}, .step = 3};
  int64_t step = 0;
  (void) most;
  path_of("ckpt", dir);
  const es_ckpt_set set = {
      .dir = dir, .step = 3, .time = 0.5, .keep = 1, .config_text = parameters};
  assert_int_equal(es_ckpt_write(self, &set, walk, &state), ES_OK);
  assert_int_equal(es_ckpt_latest(self, dir, path, &step), ES_OK);
  snprintf(file, sizeof file, "%s/state.h5", path);
  FILE *f = fopen(file, "rb");
  assert_non_null(f);
  const size_t n = fread(all, 1, MOST, f);
  assert_true(n > 0 && feof(f));
  fclose(f);
  fuzz_copy(&seed[0], all, n);
  return 1;
}

/** What differs from the checkpoint that was written must have been refused, as damaged,
 *  so that the one before it is taken. */
static void feed_ckpt(const uint8_t *bytes, size_t n) {
  const toy good = {.weight = {{1, -2}}, .mean = {0.5}, .step = 3};
  toy state = {.step = 0};
  char *text = NULL;
  double time = 0;
  char dir[256], path[1200], file[1300];
  int64_t step = 0;
  path_of("ckpt", dir);
  assert_int_equal(es_ckpt_latest(self, dir, path, &step), ES_OK);
  snprintf(file, sizeof file, "%s/state.h5", path);
  FILE *f = fopen(file, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
  const es_status st = es_ckpt_read(self, path, walk, &state, &time, &text);
  assert_true(st == ES_OK || st == ES_EIO);
  if (st == ES_OK) {
    assert_memory_equal(&state, &good, sizeof good);
    assert_true(time == 0.5 && strcmp(text, parameters) == 0);
  }
  es_free(&text);
}

static void feed_image(const uint8_t *bytes, size_t n) {
  char path[256];
  path_of("images", path);
  (void) mkdir(path, 0755);
  write_case("images/x.png", bytes, n);
  read_set("imagefolder", path, 0);
  read_set("imagefolder", path, 8);
}

typedef struct target {
  const char *name;
  int (*corpus)(fuzz_bytes *seed, int most); /**< good files; how many */
  void (*feed)(const uint8_t *bytes, size_t n);
} target;

static const target targets[] = {
    {"ini", fuzz_corpus_ini, feed_ini},
    {"safetensors", fuzz_corpus_safetensors, feed_safetensors},
    {"npy", fuzz_corpus_npy, feed_npy},
    {"cifar10", fuzz_corpus_cifar10, feed_cifar10},
    {"stl10", fuzz_corpus_stl10, feed_stl10},
#ifdef HAVE_ONEDNN
    {"plans", corpus_plans, feed_plans},
#endif
    {"image", fuzz_corpus_image, feed_image},
    {"hdf5", corpus_hdf5, feed_hdf5},
    {"ckpt", corpus_ckpt, feed_ckpt}};
enum { TARGETS = sizeof targets / sizeof *targets };

/* --- changes ------------------------------------------------------------------------ */
static void change_once(es_rng *r, uint8_t *b, size_t *n, const fuzz_bytes *other) {
  static const uint8_t extreme[] = {0, 1, 0x7F, 0x80, 0xFF, '{', '}', '"', ',', '9', '-'};
  const size_t head = *n > 256 && es_rng_below(r, 2) ? 256 : *n; /* formats begin so */
  const size_t at = *n > 0 ? (size_t) es_rng_below(r, head) : 0;
  switch (es_rng_below(r, 6)) {
  case 0: /* a bit */
    if (*n > 0) b[at] ^= (uint8_t) (1 << es_rng_below(r, 8));
    break;
  case 1: /* a byte */
    if (*n > 0) b[at] = extreme[es_rng_below(r, sizeof extreme)];
    break;
  case 2: /* a number of four bytes */
    for (size_t k = at; k < *n && k < at + 4; k++) b[k] = es_rng_below(r, 2) ? 0xFF : 0;
    break;
  case 3: /* cut off */
    *n = at;
    break;
  case 4: { /* repeat a part */
    const size_t m = (size_t) es_rng_below(r, 64) + 1;
    if (at + 2 * m < MOST && at + m <= *n) {
      memmove(b + at + m, b + at, *n - at < MOST - at - m ? *n - at : MOST - at - m);
      *n = *n + m < MOST ? *n + m : MOST;
    }
    break;
  }
  default: { /* a part of another file, or none of it */
    const size_t from = other->n > 0 ? (size_t) es_rng_below(r, other->n) : 0;
    const size_t m = other->n - from < *n - at ? other->n - from : *n - at;
    memcpy(b + at, other->bytes + from, m);
    break;
  }
  }
}

static int64_t fuzz(const target *t, double seconds, uint64_t seed) {
  static uint8_t bytes[MOST];
  fuzz_bytes corpus[SEEDS];
  const int seeds = t->corpus(corpus, SEEDS);
  const double end = es_now() + seconds;
  int64_t round = 0;
  for (int k = 0; k < seeds; k++) t->feed(corpus[k].bytes, corpus[k].n); /* as it is */
  for (; es_now() < end; round++) {
    es_rng r = es_rng_at(seed, ES_STREAM_TEST, (uint64_t) round, 0);
    const fuzz_bytes *const from = &corpus[es_rng_below(&r, (uint64_t) seeds)];
    size_t n = from->n;
    memcpy(bytes, from->bytes, n);
    const int changes = 1 + (int) es_rng_below(&r, 6);
    for (int i = 0; i < changes; i++)
      change_once(&r, bytes, &n, &corpus[es_rng_below(&r, (uint64_t) seeds)]);
    t->feed(bytes, n);
  }
  for (int k = 0; k < seeds; k++) free(corpus[k].bytes);
  return round;
}

int main(int argc, char **argv) {
  const char *const minutes = getenv("FUZZ_MINUTES");
  const double seconds = minutes != NULL ? 60 * atof(minutes) / TARGETS : 3;
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  MPI_Init(&argc, &argv);
  if (es_comm_create(MPI_COMM_SELF, &self) != ES_OK) return 99;
  es_log_setup(0, ES_LOG_ERROR, false);
  es_log_mute(true);
  files_make(folder);
  printf("fuzz: cases are written to %s\n", folder);
  for (int k = 0; k < TARGETS; k++) {
    if (argc > 1 && strcmp(argv[1], targets[k].name) != 0) continue;
    printf("fuzz: %s, seed %llu\n", targets[k].name, (unsigned long long) seed);
    fflush(stdout);
    printf("fuzz: %lld cases\n", (long long) fuzz(&targets[k], seconds, seed));
  }
  files_clear(folder);
  es_comm_destroy(&self);
  const int lost = es_mem_now() != 0; /* all was freed */
  if (lost) printf("fuzz: %zu bytes were not freed\n", es_mem_now());
  MPI_Finalize();
  return lost;
}
