/* SPDX-License-Identifier: BSD-3-Clause */
/** @file product.h  A matrix product of the double, of cuBLAS (product.c) and cuBLASLt
 *  (product_lt.c). */
#ifndef ES_CUDA_HOST_PRODUCT_H
#define ES_CUDA_HOST_PRODUCT_H

#include "cublas_v2.h"
#include "host.h"

/** A matrix with columns of ld elements. */
typedef struct cuda_host_matrix {
  void *p;
  cudaDataType type;
  int ld;
} cuda_host_matrix;

/** C = alpha op(A) op(B) + beta C [+ bias [m] to each column] */
typedef struct cuda_host_product {
  bool ta, tb, tf32;
  bool halves; /**< of the sum, the second comes first */
  int m, n, k;
  float alpha, beta;
  cuda_host_matrix a, b, c;
  const float *bias; /**< NULL: none */
} cuda_host_product;

/** Does cuBLAS take the sizes, and the types? */
bool cuda_host_product_fits(const cuda_host_product *p);
void cuda_host_product_queue(cudaStream_t s, const char *name,
                             const cuda_host_product *p);

#endif
