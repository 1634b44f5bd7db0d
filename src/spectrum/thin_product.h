/* SPDX-License-Identifier: BSD-3-Clause */
/** @file thin_product.h  A large matrix times a few vectors. A BLAS copies the matrix
 *  first, which for so few vectors takes as long as the product (OpenBLAS 0.3.21, 16
 *  vectors, one core of a Zen 4: n = 8192 95 ms, and 62 ms here). */
#ifndef ES_THIN_PRODUCT_H
#define ES_THIN_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>
#include "eigenstep/basis.h"

/** Does the compiler have 32 registers of 512 bits? With fewer it does not pay. */
#ifdef __AVX512F__
enum { ES_THIN_REGISTERS = 1 };
#else
enum { ES_THIN_REGISTERS = 0 };
#endif

/** Not collective. Is p one of those, on a processor and beside a BLAS (of one thread)
 *  where it pays? */
bool es_thin_pays(const es_product *p);
/** Not collective. C <- alpha A B + beta C. */
void es_thin_product(const es_product *p);

#endif
