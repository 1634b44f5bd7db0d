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

/* --- for authors of a kernel -------------------------------------------------------- */
typedef struct es_kernel_ops {
  const char *name, *doc;
  const es_param *params; /**< table of section [kernel.NAME] */
  size_t size;            /**< of its parameter struct, > 0 */
  /** Optional: set automatic parameters, for points of m values and this root mean square
   *  distance between them. @return ES_OK, ES_ECONFIG */
  es_status (*prepare)(void *par, int m, double rms_distance);
  /** k(x, y) from x'x, x'y, y'y and |x - y|^2: symmetric, positive semi-definite. */
  double (*value)(const void *par, double xx, double xy, double yy, double d2);
  /** Optional: number of hidden layers of the ReLU network whose infinite-width limit has
   *  this kernel. */
  int (*layers)(const void *par);
  /** True: kernel of that network with all layers trained, weights of variance 2; false:
   *  kernel of its last features. */
  bool tangent;
} es_kernel_ops;

typedef struct es_kernel {
  const es_kernel_ops *ops;
  void *par; /**< owned parameter struct of the kernel */
} es_kernel;

/* --- for users ---------------------------------------------------------------------- */
/** Not collective. All registered kernels; returns their number. */
size_t es_kernel_list(const es_kernel_ops *const **list);

/** Not collective. Store the sections kernel.NAME of all kernels in s[max]; returns their
 *  number. */
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

/** The 2n points of pairs first .. first + n - 1: all first views, then all second
 *  ones. */
typedef struct es_points {
  int64_t first, n;
} es_points;

/** Collective. The root mean square distance between points of the first n pairs (both
 *  views), the same on all ranks; 0 if all points are equal to round-off.
 *  @return ES_OK, ES_ENOMEM: the same on all ranks */
es_status es_points_rms_distance(const es_comm *c, const es_pairs *p, int64_t n,
                                 double *distance);

/** Collective. Subtract from every point the mean over those of the first n pairs, both
 *  views together. */
es_status es_points_center(const es_comm *c, es_pairs *p, int64_t n);

/** Collective. K [2 rows.n, 2 cols.n], block-cyclic, of the values k(row, column).
 *  Views are broadcast; each rank stores those of its rows and columns, about
 *  2n m (1 / grid rows + 1 / grid columns) doubles, until K is complete. The caller
 *  destroys *out.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (a value is not finite): the same on all ranks */
es_status es_kernel_matrix(const es_kernel *k, const es_grid *g, const es_pairs *p,
                           es_points rows, es_points cols, es_dmat **out);

/** A kernel on training pairs and further ones, of which ranks hold their shares. */
typedef struct es_kernel_sample {
  const es_kernel *kernel;
  const es_pairs *pairs;
  es_points trained, fresh; /**< fresh.n = 0: none */
} es_kernel_sample;

/** Pairs of a block of the matrix that es_kernel_leading works with, at most. */
enum { ES_TILE_PAIRS = 256 };

/** How much there is. */
typedef struct es_kernel_size {
  int64_t n, fresh; /**< training pairs, further pairs */
  int m, k;         /**< values of a view, modes */
} es_kernel_size;

/** What finding leading modes takes. */
typedef struct es_kernel_plan {
  int k;          /**< modes */
  int entry;      /**< bytes in which an entry of K is stored: 8, 4; 0: computed anew for
                       each product */
  int block;      /**< columns of a product */
  int most;       /**< columns of the basis */
  double bytes;   /**< of a rank, its pairs included */
  double form;    /**< operations of all ranks: all entries of K once */
  double product; /**< a product with a block, and its place in the basis */
} es_kernel_plan;

/** Not collective. Plan for k modes of n pairs of m values (and `fresh` further ones) on
 *  so many ranks: the entries as they fit into `limit` bytes a rank (0: no limit). If not
 *  even bytes <= limit holds with entry = 0, there is not enough memory. */
es_kernel_plan es_kernel_plan_of(es_kernel_size s, int ranks, double limit);

/** Modes of a kernel machine: K~ = K^(1/2) S K^(1/2) / 2n = B diag(gamma) B'. */
typedef struct es_kernel_modes {
  int dropped;    /**< number of directions of K below 1e-10 of its largest eigenvalue */
  es_modes basis; /**< m = 2n, gamma, vector = B [2n, k], or NULL: leading modes;
                       residual of the solver; owned */
  es_dmat *dual;  /**< [2n, >= k] X = K^(-1/2) B, pseudo-inverse; owned */
  es_dmat *value[2]; /**< of leading modes: the functions X'k(x) at the training points
                          [2n, k], and at fresh ones or NULL; else NULL; owned */
} es_kernel_modes;

/** Collective. The leading modes alone, fewer where K has not so many directions, without
 *  K^(1/2) and, if the plan says so, without a stored K: subspace iteration on S K / 2n
 *  in the inner product of K. basis.residual is |K~ b - gamma b| / gamma_1 of the worst
 *  mode before the last product: at most 1e-10, 1e-8 where K is not stored.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (K is zero, or has negative eigenvalues; no
 *          convergence): the same on all ranks */
es_status es_kernel_leading(const es_grid *g, const es_kernel_sample *s,
                            const es_kernel_plan *plan, es_kernel_modes **modes);

/** Collective. Modes of the symmetric kernel matrix K [2n, 2n]; the caller destroys
 *  *modes.
 *  @return ES_OK, ES_ENOMEM, ES_EMATH (K is zero, or has negative eigenvalues) */
es_status es_kernel_modes_create(const es_dmat *k, es_kernel_modes **modes);
void es_kernel_modes_destroy(es_kernel_modes **modes);

/** Collective. w [d, k] = F K^(-1/2) B, replicated: coordinates of the embeddings F [d,
 *  2n] in the modes. @return ES_OK, ES_ENOMEM, ES_EARG */
es_status es_kernel_weights(const es_kernel_modes *modes, int d, const double *f,
                            double *w);

/** Collective. f [d, N] = w B' K^(-1/2) K(points, x): embeddings of N points from
 *  the coordinates w [d, k]. k_x [2n, N] is distributed, w and f are replicated.
 *  @return ES_OK, ES_ENOMEM, ES_EARG */
es_status es_kernel_embed(const es_kernel_modes *modes, int d, const double *w,
                          const es_dmat *k_x, double *f);

/** Collective. Gradient descent in function space: o->w [d, 2n + N] holds the embeddings
 *  of the training points, then of N new points, replicated. f(x) <- (1 - lr wd) f(x) -
 *  (4 lr / 2n) E F S k(x). A step takes 4 d n (2n + N) / ranks operations and an
 *  all-reduce of d (2n + N) numbers.
 *  @param k_new  [2n, N], or NULL with N = 0
 *  @return as es_descent_modes */
es_status es_descent_kernel(es_descent *o, const es_dmat *k, const es_dmat *k_new);

/** Not collective. C [d, d] = F S F' / 2n of embeddings F [d, points], points = 2n, with
 *  leading dimension `stride`. */
void es_kernel_correlate(int d, int points, int stride, const double *f, double *c);

#endif
