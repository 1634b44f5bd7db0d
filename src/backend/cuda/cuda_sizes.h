/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cuda_sizes.h  What of backend cuda needs no CUDA. */
#ifndef ES_CUDA_SIZES_H
#define ES_CUDA_SIZES_H

#include "eigenstep/backend.h"

#define ES_CUDA_BF16 "a GPU of compute capability 8.0"
#define ES_CUDA_READS "share|graph|tf32"

size_t es_cuda_act_bytes(es_backend *b, es_act_type t, int n);
es_op_needs es_cuda_needs(const es_op_desc *d);
/** Not known before the device is chosen: opening it says what it lacks. */
bool es_cuda_has_bf16(void);

#endif
