/* SPDX-License-Identifier: BSD-3-Clause */
/** @file blas_memory.h  Memory that the BLAS library takes for itself. OpenBLAS maps a
 *  buffer for each thread when it is first used; where that fails (a limit on the address
 *  space) it tries again for ever and answers no signal. So it is made to map its buffer
 *  early, after a test of whether that can succeed. */
#ifndef ES_BLAS_MEMORY_H
#define ES_BLAS_MEMORY_H

#include "eigenstep/status.h"

/** Not collective. Is there address space for the buffers of `threads` threads?
 *  @return ES_OK, ES_ENOMEM (says how much is missing) */
es_status es_blas_memory_check(int threads);

/** Not collective. Check, and let the library map the buffer of this thread now.
 *  @return as es_blas_memory_check */
es_status es_blas_memory_reserve(void);

#endif
