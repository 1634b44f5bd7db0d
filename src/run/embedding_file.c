/* SPDX-License-Identifier: BSD-3-Clause */
/** @file embedding_file.c  Embeddings of any origin, read in parallel. */
#include "eigenstep/embedding_file.h"

#include <string.h>
#include "eigenstep/h5.h"
#include "eigenstep/mem.h"
#include "eigenstep/param.h"

/* "FILE.h5:/DATASET" -> file and dataset. */
static es_status split_address(const char *address, es_string file, const char **set) {
  const char *colon = strrchr(address, ':');
  ES_CHECK(colon != NULL && colon[1] == '/' && colon != address, ES_ECONFIG,
           "spectrum: got '%s', expected FILE.h5:/DATASET", address);
  const size_t n = (size_t) (colon - address);
  ES_CHECK(n < sizeof(es_string), ES_ECONFIG, "spectrum: the file's name is too long");
  memcpy(file, address, n);
  file[n] = '\0';
  *set = colon + 1;
  return ES_OK;
}

static es_status check_shape(const es_h5_info *info, const char *set) {
  ES_CHECK(info->ndim >= 2, ES_EFORMAT,
           "%s: got %d dimensions, expected [samples, embedding width]", set, info->ndim);
  int64_t dim = 1;
  for (int i = 1; i < info->ndim && dim > 0 && dim <= 1000000; i++) {
    dim = info->dim[i] <= 1000000 ? dim * info->dim[i] : info->dim[i];
  }
  ES_CHECK(info->dim[0] >= 2 && info->dim[0] < INT64_C(1) << 40 && dim >= 1 &&
               dim <= 1000000,
           ES_EFORMAT,
           "%s: got %lld samples of %lld values, expected at least 2 (and fewer than "
           "2^40) samples of 1 to 10^6",
           set, (long long) info->dim[0], (long long) dim);
  return ES_OK;
}

es_status es_embedding_read(const es_comm *c, const char *address, es_embedding_rows *r) {
  es_string file;
  const char *set = NULL;
  es_h5 *f = NULL;
  es_h5_info info;
  es_status st;
  ES_TRY(split_address(address, file, &set));
  ES_TRY(es_h5_open(c, file, false, &f));
  ES_TRY_GOTO(es_h5_stat(f, set, &info), done);
  ES_TRY_GOTO(check_shape(&info, set), done);
  r->total = info.dim[0];
  r->dim = 1;
  for (int i = 1; i < info.ndim; i++) r->dim *= (int) info.dim[i];
  if (info.ndim > 2)
    es_info("%s has %d dimensions: flattening each sample to %d values", set, info.ndim,
            r->dim);
  es_comm_local_range(c, r->total, &r->first, &r->n);
  st = ES_NEW((size_t) r->n * (size_t) r->dim, &r->z);
  if (st == ES_OK) st = ES_NEW(r->n, &r->number);
  ES_TRY_GOTO(es_comm_agree(c, st), done);
  for (int64_t i = 0; i < r->n; i++) r->number[i] = r->first + i;
  st = es_h5_read_rows(f, set, ES_H5_F64, r->first, r->n, r->z);
done:;
  const es_status closed = es_h5_close(&f);
  return st != ES_OK ? st : closed;
}

void es_embedding_free(es_embedding_rows *r) {
  es_free(&r->z);
  es_free(&r->number);
}
