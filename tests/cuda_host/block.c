/* SPDX-License-Identifier: BSD-3-Clause */
/** @file block.c  Kernels on the CPU. Blocks run one after another in a random order; the
 *  threads of a block start in a random order and run until they end or wait at a
 *  barrier.
 *
 *  A thread is a fibre: a stack of its own. One that ends without having waited leaves
 *  its stack to the next thread, so that kernels without barriers need one stack only.
 *  Stacks are entered by makecontext once and left and entered by _longjmp then, which
 *  calls no system function. The shared array of a block is NaN at its start and ends at
 *  a page without rights. */
#undef _FORTIFY_SOURCE /* its longjmp takes another stack for an error */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include "cuda_host_kernel.h"
#include "host.h"

enum { THREADS = 1024, STACK = 1 << 17, SHARED = 48 << 10, ALIGN = 16, POISON = 0xFF };

typedef struct fibre {
  jmp_buf at;            /**< where it waits */
  ucontext_t entry;      /**< where it begins */
  cuda_host_place place; /**< of its thread */
  bool begun, waits;     /**< it has been entered; its thread is at a barrier */
} fibre;

static struct {
  jmp_buf scheduler;
  fibre *fibre[THREADS]; /**< made when first needed, then kept */
  fibre *now;            /**< the one that runs */
  char *shared;          /**< SHARED bytes, then a page without rights */
  /* the block that runs */
  const cuda_host_kernel *kernel;
  unsigned first, threads, started, ended; /**< first: the thread that starts first */
  cuda_host_place place;
} state;

/** A fibre runs threads that have not yet started, until none is left. */
static void fibre_main(void) {
  for (;;) {
    fibre *const f = state.now;
    while (state.started < state.threads) {
      f->place = state.place;
      f->place.thread = (state.first + state.started++) % state.threads;
      state.kernel->run(state.kernel->body, &f->place);
      state.ended++;
    }
    if (_setjmp(f->at) == 0) _longjmp(state.scheduler, 1);
  }
}

static fibre *fibre_new(void) {
  fibre *const f = cuda_host_alloc(sizeof *f);
  getcontext(&f->entry);
  f->entry.uc_stack.ss_sp = cuda_host_alloc(STACK);
  f->entry.uc_stack.ss_size = STACK;
  makecontext(&f->entry, fibre_main, 0);
  return f;
}

/** Run a fibre until it waits, or finds no thread to start. */
static void resume(fibre *f) {
  state.now = f;
  if (_setjmp(state.scheduler) != 0) return;
  if (f->begun) _longjmp(f->at, 1);
  f->begun = true;
  setcontext(&f->entry);
}

void cuda_host_barrier(void) {
  fibre *const f = state.now;
  f->waits = true;
  if (_setjmp(f->at) == 0) _longjmp(state.scheduler, 1);
}

static void run_block(void) {
  unsigned used = 0; /* fibres */
  state.started = state.ended = 0;
  state.first = cuda_host_random(state.threads);
  while (state.started < state.threads) {
    if (state.fibre[used] == NULL) state.fibre[used] = fibre_new();
    resume(state.fibre[used++]);
  }
  while (state.ended < state.threads) {
    if (state.ended > 0)
      cuda_host_mistake("%s: %u of %u threads of block %u end without the barrier that "
                        "the others wait at",
                        state.kernel->name, state.ended, state.threads,
                        state.place.block);
    const unsigned first = cuda_host_random(used);
    for (unsigned i = 0; i < used; i++) {
      fibre *const f = state.fibre[(first + i) % used];
      if (!f->waits) continue;
      f->waits = false;
      resume(f);
    }
  }
}

/** What a launch keeps; a copy of the kernel's body follows. */
typedef struct launch {
  _Alignas(ALIGN) cuda_host_grid grid;
  cuda_host_kernel kernel;
} launch;

static void run_launch(void *payload) {
  launch *const l = payload;
  const size_t shared = (l->grid.shared + ALIGN - 1) / ALIGN * ALIGN;
  const unsigned first = cuda_host_random(l->grid.blocks);
  if (state.shared == NULL)
    state.shared = cuda_host_map_guarded(SHARED, "leaves its shared array");
  l->kernel.body = l + 1;
  state.kernel = &l->kernel;
  state.threads = l->grid.threads;
  state.place = (cuda_host_place){.threads = l->grid.threads,
                                  .blocks = l->grid.blocks,
                                  .shared = state.shared + SHARED - shared};
  for (unsigned i = 0; i < l->grid.blocks; i++) {
    state.place.block = (first + i) % l->grid.blocks;
    memset(state.place.shared, POISON, shared);
    run_block();
  }
}

void cuda_host_launch(cudaStream_t stream, const cuda_host_grid *g,
                      const cuda_host_kernel *k) {
  if (g->threads < 1 || g->threads > k->most_threads || g->threads > THREADS ||
      g->shared > SHARED) {
    cuda_host_note(cudaErrorInvalidConfiguration);
    return;
  }
  if (!cuda_host_has_kernels()) {
    cuda_host_note(cudaErrorNoKernelImageForDevice);
    return;
  }
  if (cuda_host_fails(CUDA_HOST_LAUNCH)) {
    cuda_host_note(cudaErrorLaunchOutOfResources);
    return;
  }
  launch *const l = cuda_host_alloc(sizeof *l + k->bytes);
  *l = (launch){*g, *k};
  memcpy(l + 1, k->body, k->bytes);
  const cuda_host_work w = {
      .name = k->name, .run = run_launch, .payload = l, .bytes = sizeof *l + k->bytes};
  cuda_host_queue(stream, &w);
  free(l);
}
