/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_host_rig.h  What tests of the double of the CUDA runtime share: a try in a
 *  child process, of what ends the program; streams and memory. */
#ifndef ES_TESTS_CUDA_HOST_RIG_H
#define ES_TESTS_CUDA_HOST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cuda_host/include/cuda_host_kernel.h"

enum { N = 37, ROUNDS = 64, LEAKED = 97 };

/** Exit code of f in a child, 256 + the signal that ended it; *said: its standard error.
 *  */
static inline int child(int (*f)(void), char *said, size_t room) {
  int ends[2], status = 0;
  assert_int_equal(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    exit(f());
  }
  close(ends[1]);
  size_t n = 0;
  for (ssize_t got; n + 1 < room && (got = read(ends[0], said + n, room - n - 1)) > 0;)
    n += (size_t) got;
  said[n] = '\0';
  close(ends[0]);
  assert_true(waitpid(pid, &status, 0) == pid);
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void ends_with(int (*f)(void), const char *words) {
  char said[4096];
  const int code = child(f, said, sizeof said);
  if (code < 256 || strstr(said, words) == NULL)
    fail_msg("exit code %d and '%s', expected an abort with '%s'", code, said, words);
}

static inline cudaStream_t stream(void) {
  cudaStream_t s;
  assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
  return s;
}

static inline void *device(size_t bytes) {
  void *p;
  assert_int_equal(cudaMalloc(&p, bytes), cudaSuccess);
  return p;
}

#endif
