/* SPDX-License-Identifier: BSD-3-Clause */
/** @file kernel.h  Kernel machines f(x) = A k(x) on pairs of views: kernels
 *  (kernel_list.h), the distributed kernel matrix, its modes, and gradient descent
 *  in function space.
 *
 *  2n training points, all first views, then all second ones; K their kernel matrix,
 *  S the exchange of the views, F = [d, 2n] the embeddings, k(x) = K(points, x):
 *  C = F S F' / 2n and df(x)/dt = -(4 / 2n) (C - I) F S k(x), on training and new points
 *  alike. */
#ifndef ES_KERNEL_H
#define ES_KERNEL_H

#include "eigenstep/linear.h"
#include "eigenstep/param.h"

/* --- for authors of a kernel
 * ------------------------------------------------------------------------- */
typedef struct es_kernel_ops {
  const char *name, *doc;
  const es_param *params; /**< table of section [kernel.NAME] */
  size_t size;            /**< of its parameter struct, > 0 */
  /** Optional: complete automatic parameters for points of m values whose root mean
   *  square distance is `spread`. @return ES_OK, ES_ECONFIG */
  es_status (*prepare)(void *par, int m, double spread);
  /** k(x, y) from x'x, x'y, y'y and |x - y|^2: symmetric, positive semi-definite. */
  double (*value)(const void *par, double xx, double xy, double yy, double d2);
  /** Optional: hidden layers of the ReLU network whose wide limit this kernel is. */
  int (*layers)(const void *par);
  bool tangent; /**< ... with all layers trained, from weights of variance 2; otherwise
                     the kernel of its last features */
} es_kernel_ops;

typedef struct es_kernel {
  const es_kernel_ops *ops;
  void *par; /* owned */
} es_kernel;

/* --- for users
 * ------------------------------------------------------------------------- */
size_t es_kernel_list(const es_kernel_ops *const **list);

/** Sections kernel.NAME of all variants, appended to s[max]; returns how many. */
size_t es_kernel_sections(es_section *s, size_t max);

/** A kernel and the values of its section [kernel.NAME]. */
typedef struct es_kernel_choice {
  const es_kernel_ops *ops;
  void *par; /**< [ops->size] bytes; NULL: the defaults */
} es_kernel_choice;
/** Look up by name, without values. @return ES_OK, ES_ECONFIG */
es_status es_kernel_find(const char *name, const es_kernel_ops **ops);

/** Collective. Make a kernel; the values are copied, automatic ones completed from the
 *  first n pairs of p. @return ES_OK, ES_ECONFIG, ES_ENOMEM: the same on all ranks */
es_status es_kernel_create(const es_kernel_choice *which, const es_comm *c,
                           const es_pairs *p, int64_t n, es_kernel **k);
void es_kernel_destroy(es_kernel **k);

/** Pairs first .. first + n - 1 as 2n points: all first views, then all second ones. */
typedef struct es_points {
  int64_t first, n;
} es_points;

/** Collective. The root mean square distance between points of the first n pairs (both
 *  views), the same on all ranks; 0 where they are the same to round-off. */
es_status es_points_rms_distance(const es_comm *c, const es_pairs *p, int64_t n,
                                 double *spread);

/** Collective. Subtract from every point the mean over those of the first n pairs, both
 *  views together. */
es_status es_points_center(const es_comm *c, es_pairs *p, int64_t n);

/** Collective. K [2 rows.n, 2 cols.n], block-cyclic, of the values k(row, column).
 *  Views go round by broadcast; a rank keeps those of its own rows and columns,
 *  about 2n m (1 / grid rows + 1 / grid columns) doubles, until K is filled.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (a value is not finite): the same on all ranks */
es_status es_kernel_matrix(const es_kernel *k, const es_grid *g, const es_pairs *p,
                           es_points rows, es_points cols, es_dmat **out);

/** Modes of a kernel machine: K~ = K^(1/2) S K^(1/2) / 2n = B diag(gamma) B'. */
typedef struct es_kernel_modes {
  int dropped;    /**< directions of K below 1e-10 of its largest eigenvalue */
  es_modes basis; /**< m = 2n, gamma, vector = B [2n, k]; samples, residual of the
                       solver; owned */
  es_dmat *dual;  /**< [2n, >= k] K^(-1/2) B, pseudo-inverse; owned */
} es_kernel_modes;

/** Collective. @return ES_OK; ES_EMATH (K is zero, or has negative eigenvalues). */
es_status es_kernel_modes_create(const es_dmat *k, es_kernel_modes **modes);
void es_kernel_modes_destroy(es_kernel_modes **modes);

/** Collective. w [d, k] = F K^(-1/2) B, replicated: the weights of embeddings F [d,
 *  2n] on the modes. */
es_status es_kernel_weights(const es_kernel_modes *modes, int d, const double *f,
                            double *w);

/** Collective. f [d, N] = w B' K^(-1/2) K(points, x): what weights w [d, k] give on
 *  the N points of the columns of k_x [2n, N]; all replicated but k_x. */
es_status es_kernel_embed(const es_kernel_modes *modes, int d, const double *w,
                          const es_dmat *k_x, double *f);

/** Collective. Gradient descent on the values themselves: o->w = [d, 2n + N],
 *  embeddings of the training points, then of N new ones, replicated.
 *  f(x) <- (1 - lr wd) f(x) - (4 lr / 2n) E F S k(x).
 *  A step takes 2 d 2n (2n + N) / ranks operations and a sum of d (2n + N) numbers.
 *  @param k_new  [2n, N], or NULL with N = 0
 *  @return as es_descent_modes */
es_status es_descent_kernel(es_descent *o, const es_dmat *k, const es_dmat *k_new);

/** C [d, d] = F S F' / 2n of embeddings [d, 2n] whose rows are `stride` apart. */
void es_kernel_correlate(int d, int points, int stride, const double *f, double *c);

#endif
