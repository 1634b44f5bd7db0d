/* SPDX-License-Identifier: BSD-3-Clause */
/** @file guard.c  A CPU that behaves like a device with memory of its own.
 *
 *  Results are those of `blas`, whose ops do the work; but a buffer can be touched only
 *  while an op that was given it runs. Between ops its pages have no access rights, so
 *  host code that dereferences a backend's address faults at that line instead of working
 *  until it runs on a real device. Each buffer ends at a page that is never
 *  accessible: a write past its end faults too (to 64 bytes, the alignment of buffers).
 *  Slow on purpose; for tests. */
#define _DEFAULT_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backend/blas/blas.h"
#include "eigenstep/mem.h"

enum { ALIGN = 64, MAX_BUFFERS = 4096 };

/** One mapping: pages with the buffer at their end, then one page without rights. */
typedef struct region {
  char *pages; /* owned mapping */
  size_t bytes, wanted;
  char *start; /**< what the caller holds */
  int open;    /**< nested openings now */
} region;

typedef struct guard {
  es_backend inner; /**< blas: ops, plans and their scratch */
  size_t page, mapped;
  es_mark marks; /**< given out so far */
  int n;
  region regions[MAX_BUFFERS];
} guard;

typedef struct guard_op {
  es_op op;
  es_op *inner; /* owned */
} guard_op;

static void count(es_backend *b) {
  const guard *s = b->impl;
  b->allocated = s->mapped + s->inner.allocated;
}

static es_status open_guard(es_backend *b, const es_comm *comm) {
  guard *s = NULL;
  ES_TRY(ES_NEW(1, &s));
  s->page = (size_t) sysconf(_SC_PAGESIZE);
  s->inner.ops = &es_backend_blas;
  s->inner.threads = b->threads;
  const es_status st = es_backend_blas.open(&s->inner, comm);
  if (st != ES_OK) {
    es_free(&s);
    return st;
  }
  b->impl = s;
  return ES_OK;
}

static void close_guard(es_backend *b) {
  guard *s = b->impl;
  s->inner.ops->close(&s->inner);
  count(b);
  es_free(&b->impl);
}

static es_status alloc_guard(es_backend *b, size_t bytes, const char *what, void **p) {
  guard *s = b->impl;
  const size_t size = (bytes + ALIGN - 1) / ALIGN * ALIGN;
  const size_t usable = (size / s->page + 1) * s->page;
  ES_CHECK(s->n < MAX_BUFFERS, ES_ENOMEM,
           "%s: the guard backend keeps at most %d buffers", what, MAX_BUFFERS);
  void *pages =
      mmap(NULL, usable + s->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ES_CHECK(pages != MAP_FAILED, ES_ENOMEM, "%s: cannot map %zu bytes", what, usable);
  region *r = &s->regions[s->n++];
  *r = (region){.pages = pages, .bytes = usable, .wanted = bytes};
  r->start = r->pages + usable - size;
  s->mapped += bytes;
  count(b);
  *p = r->start;
  return ES_OK;
}

/** The buffer an address points into, NULL for none. */
static region *region_of(guard *s, const void *p) {
  const char *at = p;
  for (int i = 0; i < s->n && at != NULL; i++)
    if (at >= s->regions[i].start && at <= s->regions[i].start + s->regions[i].wanted)
      return &s->regions[i];
  return NULL;
}

static void release_guard(es_backend *b, void **p) {
  guard *s = b->impl;
  region *r = region_of(s, *p);
  *p = NULL;
  if (r == NULL) return;
  s->mapped -= r->wanted;
  munmap(r->pages, r->bytes + s->page);
  *r = s->regions[--s->n];
  count(b);
}

/** Make the buffers of n addresses accessible; NULL addresses are skipped. */
static es_status unlock(es_backend *b, int n, const void *const *p) {
  guard *s = b->impl;
  for (int i = 0; i < n; i++) {
    if (p[i] == NULL) continue;
    region *r = region_of(s, p[i]);
    ES_CHECK(r != NULL, ES_EARG,
             "the address of argument %d is not in the memory of this backend", i);
    if (r->open++ > 0) continue;
    ES_CHECK(mprotect(r->pages, r->bytes, PROT_READ | PROT_WRITE) == 0, ES_EINTERNAL,
             "cannot make a buffer of %zu bytes accessible", r->wanted);
  }
  return ES_OK;
}

/** Take all rights away again. */
static void lock(es_backend *b) {
  guard *s = b->impl;
  for (int i = 0; i < s->n; i++) {
    if (s->regions[i].open == 0) continue;
    mprotect(s->regions[i].pages, s->regions[i].bytes, PROT_NONE);
    s->regions[i].open = 0;
  }
}

/** Run `call` (an es_status expression) while the listed addresses are accessible. */
#define WITH(b, call, ...)                                                               \
  do {                                                                                   \
    const void *const addresses_[] = {__VA_ARGS__};                                      \
    es_status st_ =                                                                      \
        unlock(b, (int) (sizeof addresses_ / sizeof *addresses_), addresses_);           \
    if (st_ == ES_OK) st_ = (call);                                                      \
    lock(b);                                                                             \
    return st_;                                                                          \
  } while (0)

static es_backend *inner(es_backend *b) {
  return &((guard *) b->impl)->inner;
}

static es_status upload(es_backend *b, es_buf dst, const float *src, size_t n) {
  WITH(b, es_backend_blas.upload(inner(b), dst, src, n), dst);
}

static es_status download(es_backend *b, float *dst, const es_buf src, size_t n) {
  WITH(b, es_backend_blas.download(inner(b), dst, src, n), src);
}

static es_status download64(es_backend *b, double *dst, const es_buf64 src, size_t n) {
  WITH(b, es_backend_blas.download64(inner(b), dst, src, n), src);
}

static es_status copy(es_backend *b, es_buf dst, const es_buf src, size_t n) {
  WITH(b, es_backend_blas.copy(inner(b), dst, src, n), dst, src);
}

static es_status zero(es_backend *b, void *p, size_t bytes) {
  WITH(b, es_backend_blas.zero(inner(b), p, bytes), p);
}

static es_status sync_guard(es_backend *b) {
  return es_backend_blas.sync(inner(b));
}

static es_status record(es_backend *b, es_mark *m) {
  *m = ++((guard *) b->impl)->marks;
  return ES_OK;
}

static es_status wait_guard(es_backend *b, es_mark m) {
  const es_mark last = ((guard *) b->impl)->marks;
  ES_CHECK(m >= 1 && m <= last, ES_EARG,
           "guard backend: got mark %lld, expected one of 1 to %lld", (long long) m,
           (long long) last);
  return ES_OK;
}

static size_t act_bytes(es_backend *b, es_act_type t, int n) {
  return es_backend_blas.act_bytes(inner(b), t, n);
}

static es_status act_write(es_backend *b, es_act_type t, int n, const float *nchw,
                           es_act dst) {
  WITH(b, es_backend_blas.act_write(inner(b), t, n, nchw, dst), dst);
}

static es_status act_read(es_backend *b, es_act_type t, int n, const es_act src,
                          float *nchw) {
  WITH(b, es_backend_blas.act_read(inner(b), t, n, src, nchw), src);
}

static es_status dot(es_backend *b, size_t n, const es_buf x, const es_buf y,
                     es_buf64 r) {
  WITH(b, es_backend_blas.dot(inner(b), n, x, y, r), x, y, r);
}

static es_status gram(es_backend *b, size_t n, const es_buf x, const es_buf y,
                      es_buf64 r) {
  WITH(b, es_backend_blas.gram(inner(b), n, x, y, r), x, y, r);
}

static es_status scale(es_backend *b, size_t n, double alpha, es_buf x) {
  WITH(b, es_backend_blas.scale(inner(b), n, alpha, x), x);
}

static es_status sgd(es_backend *b, size_t n, const es_sgd_args *a, es_buf p,
                     const es_buf g, es_buf m) {
  WITH(b, es_backend_blas.sgd(inner(b), n, a, p, g, m), p, g, m);
}

static es_status adamw(es_backend *b, size_t n, const es_adamw_args *a, es_buf p,
                       const es_buf g, es_buf const m[2]) {
  WITH(b, es_backend_blas.adamw(inner(b), n, a, p, g, m), p, g, m[0], m[1]);
}

static es_status add(es_backend *b, size_t n, const es_buf x, es_buf y) {
  WITH(b, es_backend_blas.add(inner(b), n, x, y), x, y);
}

static es_status orthogonalize(es_backend *b, const es_orthogonal_args *a, es_buf x,
                               es_buf work) {
  WITH(b, es_backend_blas.orthogonalize(inner(b), a, x, work), x, work);
}

static es_status allreduce(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  WITH(b, es_backend_blas.allreduce(inner(b), c, p, n), p);
}

static es_status treesum(es_backend *b, const es_comm *c, es_buf p, size_t n) {
  WITH(b, es_backend_blas.treesum(inner(b), c, p, n), p);
}

static es_op_needs needs(const es_op_desc *d) {
  return es_backend_blas.needs(d);
}

static es_status forward(es_op *op, const es_op_args *a) {
  es_op *does = ((guard_op *) op)->inner;
  WITH(op->backend, does->forward(does, a), a->x, a->y, a->moments, a->param.w,
       a->param.b, a->bn.residual, a->bn.mean, a->bn.var, a->bn.collected);
}

static es_status backward(es_op *op, const es_op_args *a) {
  es_op *does = ((guard_op *) op)->inner;
  WITH(op->backend, does->backward(does, a), a->x, a->y, a->dx, a->dy, a->bn.dresidual,
       a->param.w, a->param.b, a->param.dw, a->param.db);
}

static es_status replay(es_op *op, const es_op_args *a) {
  es_op *does = ((guard_op *) op)->inner;
  WITH(op->backend, does->replay(does, a), a->x, a->y, a->param.w, a->param.b);
}

static void destroy(es_op *op) {
  guard_op *o = (guard_op *) op;
  es_backend *b = op->backend;
  es_op_destroy(&o->inner);
  es_free(&o);
  count(b);
}

static es_status plan(es_backend *b, const es_op_desc *d, es_op **op) {
  guard_op *o = NULL;
  ES_TRY(ES_NEW(1, &o));
  const es_status st = es_backend_blas.plan[d->kind](inner(b), d, &o->inner);
  if (st != ES_OK) {
    es_free(&o);
    return st;
  }
  o->op = *o->inner;
  o->op.backend = b;
  o->op.forward = forward;
  o->op.backward = backward;
  o->op.replay = o->inner->replay != NULL ? replay : NULL;
  o->op.destroy = destroy;
  count(b);
  *op = &o->op;
  return ES_OK;
}

const es_backend_ops es_backend_guard = {
    .name = "guard",
    .doc = "as blas, but its memory is inaccessible between ops; for tests",
    .open = open_guard,
    .close = close_guard,
    .alloc = alloc_guard,
    .release = release_guard,
    .upload = upload,
    .download = download,
    .copy = copy,
    .zero = zero,
    .download64 = download64,
    .sync = sync_guard,
    .record = record,
    .wait = wait_guard,
    .act_bytes = act_bytes,
    .act_write = act_write,
    .act_read = act_read,
    .dot = dot,
    .gram = gram,
    .scale = scale,
    .sgd = sgd,
    .adamw = adamw,
    .add = add,
    .orthogonalize = orthogonalize,
    .allreduce = allreduce,
    .treesum = treesum,
    .needs = needs,
    .plan = {[ES_OP_CONV] = plan,
             [ES_OP_BN] = plan,
             [ES_OP_LINEAR] = plan,
             [ES_OP_RELU] = plan,
             [ES_OP_MAXPOOL] = plan,
             [ES_OP_AVGPOOL] = plan,
             [ES_OP_FLATTEN] = plan},
};
