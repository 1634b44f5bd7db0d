/* SPDX-License-Identifier: BSD-3-Clause */
/** @file conv_verify.h  A planned algorithm against the definition of a convolution: what
 *  a library gets wrong for a shape is not used for it. */
#ifndef ES_CONV_VERIFY_H
#define ES_CONV_VERIFY_H

#include "conv_algo.h"

/** Run w once on random data of its shape, setting its result. *right: sampled numbers of
 *  it, at its edges and inside, are those of the definition, and nothing was written
 *  around it or behind the scratch memory. Not collective.
 *  @return ES_OK, ES_ENOMEM, or what running it returns */
es_status es_conv_verify(es_conv_algo *w, bool *right);

/** A warning, on this rank, that it is not. */
void es_conv_report_wrong(const es_conv_algo *w);

#endif
