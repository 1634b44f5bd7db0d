/* SPDX-License-Identifier: BSD-3-Clause */
/** @file slope.c  The two-dimensional transform as products with matrices of cosines and
 *  sines: images are small, and their sizes arbitrary. */
#include "slope.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "eigenstep/mem.h"

#define PI 3.14159265358979323846
/* Power a pixel of an image that does not vary, far below a grey level's. */
#define NOTHING 1e-12

/* [2, n, n]: cos and sin of 2 pi j k / n. */
static void fill_transform(int n, double *to) {
  for (int j = 0; j < n; j++)
    for (int k = 0; k < n; k++) {
      const double angle = 2 * PI * (double) ((int64_t) j * k % n) / n;
      to[(int64_t) j * n + k] = cos(angle);
      to[(int64_t) (n + j) * n + k] = sin(angle);
    }
}

es_status es_slope_plan_open(int h, int w, es_slope_plan *p) {
  const int64_t pixels = (int64_t) h * w;
  *p = (es_slope_plan){.h = h, .w = w, .rings = (h < w ? h : w) / 2};
  ES_TRY(ES_NEW(2 * (int64_t) h * h, &p->rows));
  ES_TRY(ES_NEW(2 * (int64_t) w * w, &p->columns));
  ES_TRY(ES_NEW(pixels, &p->image));
  ES_TRY(ES_NEW(2 * pixels, &p->half));
  ES_TRY(ES_NEW(2 * pixels, &p->whole));
  ES_TRY(ES_NEW(2 * (p->rings + 1), &p->power));
  fill_transform(h, p->rows);
  fill_transform(w, p->columns);
  return ES_OK;
}

void es_slope_plan_free(es_slope_plan *p) {
  double **const own[] = {&p->rows, &p->columns, &p->image,
                          &p->half, &p->whole,   &p->power};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) es_free(own[i]);
}

/* whole [2, h, w] <- real and imaginary part of the transform of the image. */
static void transform(const es_slope_plan *p) {
  const int h = p->h, w = p->w;
  const int64_t n = (int64_t) h * w;
  const double *const sines = p->columns + (int64_t) w * w;
  for (int k = 0; k < 2; k++)
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, h, w, h, 1,
                p->rows + (int64_t) k * h * h, h, p->image, w, 0, p->half + k * n, w);
  for (int k = 0; k < 2; k++) { /* C C' - S S', then S C' + C S' */
    const double *const first = p->half + k * n, *const second = p->half + (1 - k) * n;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, h, w, w, 1, first, w,
                p->columns, w, 0, p->whole + k * n, w);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, h, w, w, k == 0 ? -1 : 1,
                second, w, sines, w, 1, p->whole + k * n, w);
  }
}

static void sum_rings(const es_slope_plan *p) {
  const int h = p->h, w = p->w, shorter = h < w ? h : w;
  const int64_t n = (int64_t) h * w;
  double *const count = p->power + p->rings + 1;
  memset(p->power, 0, sizeof(double) * 2 * (size_t) (p->rings + 1));
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      const double fy = (double) (y < h - y ? y : h - y) / h;
      const double fx = (double) (x < w - x ? x : w - x) / w;
      const int ring = (int) lround(hypot(fx, fy) * shorter);
      if (ring > p->rings) continue;
      const double re = p->whole[(int64_t) y * w + x],
                   im = p->whole[n + (int64_t) y * w + x];
      p->power[ring] += (re * re + im * im) / (double) n;
      count[ring]++;
    }
}

double es_slope_measure(const es_slope_plan *p, double mean) {
  const double *const count = p->power + p->rings + 1;
  double sx = 0, sy = 0, sxx = 0, sxy = 0, most = 0;
  if (p->rings < 3) return 0;
  for (int y = 0; y < p->h; y++)
    for (int x = 0; x < p->w; x++)
      p->image[(int64_t) y * p->w + x] =
          (p->image[(int64_t) y * p->w + x] - mean) *
          pow(sin(PI * (y + 0.5) / p->h) * sin(PI * (x + 0.5) / p->w), 2);
  transform(p);
  sum_rings(p);
  for (int f = 1; f <= p->rings; f++) {
    const double power = p->power[f] / count[f];
    const double lx = log(f), ly = log(power + NOTHING);
    most = fmax(most, power);
    sx += lx;
    sy += ly;
    sxx += lx * lx;
    sxy += lx * ly;
  }
  const double n = p->rings;
  return most > NOTHING ? (n * sxy - sx * sy) / (n * sxx - sx * sx) : 0;
}
