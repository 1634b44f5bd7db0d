/* SPDX-License-Identifier: BSD-3-Clause */
/** @file bn_rows.c  Batch normalisation of one value a channel (bn_rows.h): the last,
 *  smaller part of a batch, a rank with one pair, or micro-batches of one. */
#include "bn_rows.h"

/* Pairs of rank r in pass k. */
static int64_t part(int64_t pairs, int ranks, int r, int64_t micro, int64_t k) {
  const int64_t own = pairs / ranks + (r < pairs % ranks ? 1 : 0);
  const int64_t size = micro > 0 ? micro : own, left = own - k * size;
  return left < 0 ? 0 : (left < size ? left : size);
}

int64_t es_bn_least_pairs(int64_t pairs, int ranks, int64_t micro, bool sync) {
  const int64_t most = (pairs + ranks - 1) / ranks;
  const int64_t passes = micro > 0 ? (most + micro - 1) / micro : 1;
  int64_t least = pairs;
  for (int64_t k = 0; k < passes; k++) {
    int64_t together = 0;
    for (int r = 0; r < ranks; r++) {
      const int64_t n = part(pairs, ranks, r, micro, k);
      together += n;
      if (!sync && n > 0 && n < least) least = n;
    }
    if (sync && together < least) least = together;
  }
  return least;
}

static es_status check(const es_settings *s, const char *key, int64_t pairs, int ranks,
                       int64_t pixels) {
  const int64_t least = es_bn_least_pairs(pairs, ranks, s->batch.micro, s->batch.sync_bn);
  ES_CHECK(s->batch.bn_views == 1 || least * pixels > 1, ES_ECONFIG,
           "%s: got %lld pairs on %d ranks with batch.micro = %lld and batch.sync_bn = "
           "%s, so that batch normalisation sees one value a channel in some pass; "
           "expected 2 or more: more pairs, a batch.micro that leaves no single pair, or "
           "batch.bn_views = joint",
           key, (long long) pairs, ranks, (long long) s->batch.micro,
           s->batch.sync_bn ? "true" : "false");
  return ES_OK;
}

es_status es_bn_rows_check(const es_settings *s, const es_net *net, int64_t chunk,
                           int ranks) {
  const int64_t pixels = es_net_bn_pixels(net);
  if (pixels == 0) return ES_OK;
  ES_TRY(check(s, "batch.pairs", s->batch.pairs, ranks, pixels));
  if (s->spectrum.bn != 0) return ES_OK;
  return check(s, "spectrum.probe", chunk, ranks, pixels);
}
