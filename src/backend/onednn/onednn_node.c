/* SPDX-License-Identifier: BSD-3-Clause */
/** @file onednn_node.c  Packed weights that the ranks of a node hold once.
 *
 *  Each step packs all weights, for forward and for data passes, whatever the size of its
 *  batch. The ranks of a node have the same weights: each packs a share of them into
 *  memory of the node, and all take them from there. Training uses that; passes of other
 *  numbers of images, of other versions and of other networks pack by themselves.
 *
 *  Strips (packed.h) are divided among all threads of a node. What the library packs is
 *  packed whole by one rank. Ranks whose processors, libraries or numbers of images lead
 *  to other algorithms would read what they do not understand: what is shared is packed
 *  in the same way, and to the same bytes, on all ranks. */
#include <string.h>
#include "conv_algo.h"
#include "eigenstep/log.h"
#include "eigenstep/mem.h"
#include "eigenstep/shared.h"

enum { LINE = 64, STRIPS = 0, WHOLE = 1, KINDS };

/** One pass of one layer. */
typedef struct part {
  es_conv_algo *algo;  /* borrowed */
  const float *value;  /* borrowed: its weights */
  int64_t begin, work; /**< bytes of those of its kind before it; its own */
} part;

struct es_onednn_node {
  const float *params; /* borrowed: of the network whose weights these are */
  es_shared *memory;   /* owned */
  part *part;          /* owned [n] */
  int n;
  int64_t work[KINDS]; /**< of all parts */
  size_t room;         /**< bytes of scratch for the strips of a thread */
};

static int kind_of(const part *p) {
  return es_conv_algo_strips(p->algo) > 0 ? STRIPS : WHOLE;
}

static size_t lines(size_t bytes) {
  return (bytes + LINE - 1) / LINE * LINE;
}

/** What the last backward of each layer of these parameters took. Where two networks have
 *  the same weights it is that of the later: the one in training. */
static void collect(const es_onednn_trained *t, size_t n, es_onednn_node *node) {
  for (int i = 0; i < t->n; i++) {
    const es_onednn_weights *const w = &t->weights[i];
    if (w->value < node->params || w->value >= node->params + n) continue;
    if (i + 1 < t->n && t->weights[i + 1].value == w->value) continue;
    for (int pass = 0; pass < ES_PASSES; pass++) {
      es_conv_algo *const a = w->algo(w->op, pass);
      if (a != NULL) node->part[node->n++] = (part){.algo = a, .value = w->value};
    }
  }
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

/** Of how weights are packed: who packs them, what a unit of it is, and for whom. */
static uint64_t hash_of_way(const es_conv_algo *w) {
  const es_packed *const f = &w->weights.form;
  const uint64_t word[] = {
      (uint64_t) w->pass,  w->weights.bytes,         (uint64_t) es_conv_algo_strips(w),
      (uint64_t) f->width, (uint64_t) f->transposed, (uint64_t) f->bf16};
  uint64_t hash = 0;
  for (const char *c = w->ops->name; *c != '\0'; c++) hash = mix(hash, (uint64_t) *c);
  for (size_t i = 0; i < sizeof word / sizeof *word; i++) hash = mix(hash, word[i]);
  return hash;
}

/** Of that, and of packed weights. */
static int64_t hash_of(const es_conv_algo *w) {
  const unsigned char *const p = es_conv_algo_packed(w);
  uint64_t hash = hash_of_way(w), word;
  for (size_t at = 0; at + sizeof word <= w->weights.bytes; at += sizeof word) {
    memcpy(&word, p + at, sizeof word);
    hash = mix(hash, word);
  }
  return (int64_t) (hash >> 1); /* can be negated */
}

/** hash[2 n]: of each part and its negative. */
static es_status hash_parts(const es_onednn_node *node, int64_t *hash) {
  for (int i = 0; i < node->n; i++) {
    const part *const p = &node->part[i];
    ES_TRY(es_conv_algo_ready(p->algo, p->value, 0));
    hash[2 * i] = hash_of(p->algo);
    hash[2 * i + 1] = -hash[2 * i];
  }
  return ES_OK;
}

/** Leave out the parts whose largest and least hashes differ. */
static void keep_equal(es_onednn_node *node, const int64_t *hash) {
  int kept = 0;
  for (int i = 0; i < node->n; i++)
    if (hash[2 * i] == -hash[2 * i + 1]) node->part[kept++] = node->part[i];
  if (kept < node->n)
    es_info_once("packed weights: each rank packs %d of %d by itself; ranks pack these "
                 "differently, as they have other processors or numbers of images",
                 node->n - kept, node->n);
  node->n = kept;
}

/** Collective. The parts among n parameters, the same on all ranks. */
static es_status agree_on_parts(const es_comm *c, const es_onednn_trained *t, size_t n,
                                es_onednn_node *node) {
  int64_t *hash = NULL;
  ES_TRY(ES_COMM_NEW(c, 2 * t->n + 1, &node->part));
  collect(t, n, node);
  ES_TRY(ES_COMM_NEW(c, 2 * node->n + 1, &hash));
  int64_t count[2] = {node->n, -node->n};
  es_comm_max_i64(c, count, 2);
  if (count[0] != -count[1]) {
    es_info_once("packed weights: each rank packs all by itself, as some have no images");
    node->n = 0;
  }
  const es_status st = es_comm_agree(c, hash_parts(node, hash));
  es_comm_max_i64(c, hash, 2 * node->n);
  if (st == ES_OK) keep_equal(node, hash);
  es_free(&hash);
  return st;
}

static void set_work(es_onednn_node *node) {
  for (int i = 0; i < node->n; i++) {
    part *const p = &node->part[i];
    int64_t *const all = &node->work[kind_of(p)];
    const size_t room = lines(p->algo->weights.room);
    p->begin = *all;
    p->work = (int64_t) p->algo->weights.bytes;
    *all += p->work;
    if (room > node->room) node->room = room;
  }
}

static size_t bytes_of(const es_onednn_node *node) {
  size_t bytes = 0;
  for (int i = 0; i < node->n; i++) bytes += lines(node->part[i].algo->weights.bytes);
  return bytes;
}

/** Room for strips, and for packing what is of another version. */
static es_status reserve(es_backend *b, const es_onednn_node *node) {
  for (int i = 0; i < node->n; i++)
    ES_TRY(es_onednn_reserve_packed(b, node->part[i].algo->weights.bytes));
  return es_onednn_reserve(b, (size_t) b->threads * node->room);
}

/** Give the parts their places, in place of memory of their own; that of data passes is
 *  kept, and takes no room until it is used. */
static void place(es_backend *b, es_onednn_node *node) {
  es_onednn *const s = b->impl;
  char *at = node->memory->part[0];
  if (s->packed != NULL) es_mem_discard(s->packed, s->packed_size);
  s->packed_by = NULL;
  for (int i = 0; i < node->n; i++) {
    es_conv_weights *const w = &node->part[i].algo->weights;
    if (w->own != NULL) es_mem_discard(w->own, w->bytes);
    es_blas_release(b, &w->own);
    w->version = w->node_version = 0;
    w->node = at;
    at += lines(w->bytes);
  }
}

/** Collective. Without room in shared memory, or weights, there are no parts. */
static es_status set_up(es_backend *b, const es_comm *c, size_t n, es_onednn_node *node) {
  ES_TRY(agree_on_parts(c, &((const es_onednn *) b->impl)->trained, n, node));
  if (node->n == 0) return ES_OK;
  set_work(node);
  ES_TRY(es_comm_agree(c, reserve(b, node)));
  const es_shared_request want = {.bytes = bytes_of(node)};
  ES_TRY(es_shared_create(c, &want, 1, "packed weights", &node->memory));
  if (node->memory == NULL)
    node->n = 0;
  else
    place(b, node);
  return ES_OK;
}

/** Of `count` units of p, the first that begins at `at` of the work or later. */
static int64_t unit_at(const part *p, int64_t count, int64_t at) {
  if (at <= p->begin) return 0;
  if (at >= p->begin + p->work) return count;
  return ((at - p->begin) * count + p->work - 1) / p->work;
}

/** Worker i of n: its strips. */
static void pack_strips(const es_onednn_node *node, int64_t i, int64_t n, void *room) {
  const int64_t from = node->work[STRIPS] * i / n, to = node->work[STRIPS] * (i + 1) / n;
  for (int k = 0; k < node->n; k++) {
    const part *const p = &node->part[k];
    const int64_t count = es_conv_algo_strips(p->algo);
    if (count > 0)
      es_conv_algo_pack_strips(p->algo, p->value, unit_at(p, count, from),
                               unit_at(p, count, to), room);
  }
}

/** Rank i of n: what it packs whole. */
static es_status pack_whole(const es_onednn_node *node, int64_t i, int64_t n) {
  const int64_t from = node->work[WHOLE] * i / n, to = node->work[WHOLE] * (i + 1) / n;
  for (int k = 0; k < node->n; k++) {
    const part *const p = &node->part[k];
    if (kind_of(p) == WHOLE && unit_at(p, 1, from) < unit_at(p, 1, to))
      ES_TRY(es_conv_algo_pack_whole(p->algo, p->value));
  }
  return ES_OK;
}

/** From now on the memory of the node is of this version, 0: of none. */
static void set_version(const es_onednn_node *node, int64_t version) {
  for (int k = 0; k < node->n; k++) {
    node->part[k].algo->weights.node_version = version;
    node->part[k].algo->weights.from_node = true;
  }
}

static es_status pack(const es_backend *b, const es_comm *c, const es_onednn_node *node) {
  const int64_t threads = b->threads, all = c->node_size * threads;
  char *const room = es_onednn_scratch(b);
#pragma omp parallel for num_threads(b->threads) schedule(static)
  for (int64_t t = 0; t < threads; t++)
    pack_strips(node, c->node_rank * threads + t, all, room + (size_t) t * node->room);
  return pack_whole(node, c->node_rank, c->node_size);
}

es_status es_onednn_pack(es_backend *b, const es_comm *c, size_t n, const es_buf p,
                         int64_t version) {
  es_onednn *const s = b->impl;
  if (es_onednn_updates_whole(b)) return ES_OK;
  if (s->node == NULL) {
    ES_TRY(ES_COMM_NEW(c, 1, &s->node));
    s->node->params = p;
    ES_TRY(set_up(b, c, n, s->node));
  }
  if (s->node->params != p || s->node->n == 0 ||
      s->node->part[0].algo->weights.node_version == version)
    return ES_OK;
  set_version(s->node, 0);
  ES_TRY(pack(b, c, s->node));
  set_version(s->node, version);
  return ES_OK;
}

size_t es_onednn_packed_bytes(const es_op_desc *d) {
  const bool packs = d->kind == ES_OP_CONV || d->kind == ES_OP_LINEAR;
  if (!packs || d->forward_only) return 0;
  const es_op_desc as_conv = d->kind == ES_OP_LINEAR ? es_choices_as_conv(d) : *d;
  return lines(es_conv_algo_most_packed(&as_conv)) + ES_PASSES * LINE;
}

void es_onednn_node_remove(es_backend *b, const es_conv_algo *w) {
  es_onednn *const s = b->impl;
  es_onednn_node *const node = s->node;
  int kept = 0;
  for (int i = 0; i < node->n; i++)
    if (node->part[i].algo != w) node->part[kept++] = node->part[i];
  node->n = kept;
  if (kept == 0) es_onednn_node_free(s); /* its network is gone: the next may take it */
}

void es_onednn_node_free(es_onednn *s) {
  if (s->node == NULL) return;
  es_shared_destroy(&s->node->memory);
  es_free(&s->node->part);
  es_free(&s->node);
}
