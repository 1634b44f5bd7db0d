/* SPDX-License-Identifier: BSD-3-Clause */
/** @file orthogonal_factor.c  The exact orthogonal factor of a matrix. */
#include "orthogonal_factor.h"

#include <cblas.h>
#include <string.h>
#include "eigenstep/mem.h"

/** LAPACK: singular value decomposition, divide and conquer. */
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda,
             double *s, double *u, const int *ldu, double *vt, const int *ldvt,
             double *work, const int *lwork, int *iwork, int *info);

struct es_orthogonal_factor {
  const es_comm *comm; /* borrowed */
  int d, m, r, lwork;
  double *a, *s, *u, *vt, *work; /* rank 0: column-major [m, d], [r], [m, r], [r, d] */
  int *iwork;
};

/* A row-major [d, m] is a column-major [m, d]: the factor of the transpose. */
static int decompose(es_orthogonal_factor *f, int lwork, double *work) {
  int info = 0;
  dgesdd_("S", &f->m, &f->d, f->a, &f->m, f->s, f->u, &f->m, f->vt, &f->r, work, &lwork,
          f->iwork, &info);
  return info;
}

static es_status allocate(es_orthogonal_factor *f) {
  const size_t d = (size_t) f->d, m = (size_t) f->m, r = (size_t) f->r;
  double query = 0;
  ES_TRY(ES_NEW(d * m, &f->a));
  ES_TRY(ES_NEW(r, &f->s));
  ES_TRY(ES_NEW(m * r, &f->u));
  ES_TRY(ES_NEW(r * d, &f->vt));
  ES_TRY(ES_NEW(8 * r, &f->iwork));
  decompose(f, -1, &query);
  f->lwork = (int) query;
  return ES_NEW(f->lwork, &f->work);
}

es_status es_orthogonal_factor_create(const es_comm *c, int d, int m,
                                      es_orthogonal_factor **out) {
  es_orthogonal_factor *f = NULL;
  es_status st = ES_NEW(1, &f);
  if (st == ES_OK) {
    *f = (es_orthogonal_factor){.comm = c, .d = d, .m = m, .r = d < m ? d : m};
    if (c->rank == 0) st = allocate(f);
  }
  st = es_comm_agree(c, st);
  if (st == ES_OK)
    *out = f;
  else
    es_orthogonal_factor_destroy(&f);
  return st;
}

void es_orthogonal_factor_destroy(es_orthogonal_factor **f) {
  if (*f == NULL) return;
  double *owned[] = {(*f)->a, (*f)->s, (*f)->u, (*f)->vt, (*f)->work};
  for (size_t i = 0; i < sizeof owned / sizeof *owned; i++) es_free(&owned[i]);
  es_free(&(*f)->iwork);
  es_free(f);
}

es_status es_orthogonal_factor_compute(es_orthogonal_factor *f, const double *a,
                                       double *out) {
  const size_t bytes = (size_t) f->d * (size_t) f->m * sizeof *out;
  es_status st = ES_OK;
  if (f->comm->rank == 0) {
    memcpy(f->a, a, bytes);
    const int info = decompose(f, f->lwork, f->work);
    if (info != 0) {
      es_error("LAPACK dgesdd failed on a %d x %d matrix: info = %d", f->d, f->m, info);
      st = ES_EMATH;
    } else {
      cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, f->m, f->d, f->r, 1, f->u,
                  f->m, f->vt, f->r, 0, out, f->m);
    }
  }
  ES_TRY(es_comm_agree(f->comm, st));
  es_comm_bcast(f->comm, out, (int64_t) bytes, 0);
  return ES_OK;
}
