/* SPDX-License-Identifier: BSD-3-Clause */
/** @file gram.h  D x D matrices of products of all ranks' rows, one copy a node: its
 *  ranks put their rows side by side in shared memory, each computes some rows of a
 *  matrix from all of them, and sums over nodes go between the ranks that have the same
 *  rows. So a node holds and sends a matrix once, and its ranks share the passes through
 *  it. What rank 0 alone computes goes once to every node (es_gram_spread).
 *
 *  Where a node has no room to share each rank is a node of its own. With replicas, ranks
 *  that each have all rows and decide alike (loss.h), each holds its own. D = embedding
 *  width; matrices are row-major. */
#ifndef ES_SSL_GRAM_H
#define ES_SSL_GRAM_H

#include "eigenstep/shared.h"

typedef struct es_gram es_gram;

/** What one is made for. */
typedef struct es_gram_size {
  int n_max, dim; /**< rows of a view on this rank, at most; D */
  int matrices;
  size_t work; /**< numbers of further memory, of the rank that computes for all */
} es_gram_size;

/** Collective over decide. The ranks of c share the rows.
 *  @param c       borrowed, must outlive it
 *  @param decide  likewise: c, or the replicas, of which each is alone in its c
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_gram_create(const es_comm *c, const es_comm *decide,
                         const es_gram_size *size, es_gram **g);
/** Collective. */
void es_gram_destroy(es_gram **g);
/** Not collective. Bytes of rank 0, which alone has `work`, where `node` ranks share and
 *  each has rows of n_max pairs; and what a node takes of /dev/shm for that. */
double es_gram_bytes(const es_gram_size *size, int node);
double es_gram_shared(const es_gram_size *size, int node);

/** This rank's rows [n_max, D] of view 0 or 1 and matrix k [D, D]: in memory of the node.
 *  The further memory: of the rank that computes for all, NULL on others. */
double *es_gram_rows(const es_gram *g, int view);
double *es_gram_matrix(const es_gram *g, int k);
double *es_gram_work(const es_gram *g);
int es_gram_dim(const es_gram *g);
/** The ranks that decide alike; its rank 0 computes for all. */
const es_comm *es_gram_decide(const es_gram *g);

/** Collective. This rank has written n rows of both views, after all had read those
 *  before: products may use them. */
void es_gram_publish(es_gram *g, int n);

enum { ES_GRAM_BOTH = 2 }; /**< views: the rows of one below those of the other */
/** Collective. c = factor sum over all ranks of A'B, A and B the rows of views a and b;
 *  symmetric: of (A'B + B'A) / 2, whose upper triangle alone travels. Afterwards all may
 *  read it, and change their rows.
 *  @param a, b  0, 1, or both of them ES_GRAM_BOTH */
void es_gram_product(es_gram *g, int a, int b, double factor, bool symmetric, double *c);

/** A function of rows [first, last) of the matrices; adds to sums[2]. */
typedef void (*es_gram_function)(void *ctx, int first, int last, double *sums);
/** Collective. f for all rows, divided among the ranks of a node. Afterwards all may
 *  read what it has written. sums[2]: over all rows, the same bits on all ranks. */
void es_gram_each(es_gram *g, es_gram_function f, void *ctx, double sums[2]);

/** Collective over decide. Matrix c as rank 0 has written it, which no other rank reads
 *  or writes meanwhile, to all: the same bits, once to each node. */
void es_gram_spread(const es_gram *g, double *c);

#endif
