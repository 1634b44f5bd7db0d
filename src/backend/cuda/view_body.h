/* SPDX-License-Identifier: BSD-3-Clause */
/** @file view_body.h  A view of a record, made by one block: the formulas are those of
 *  src/data (resample.c, color.c, augment_*.c), which the tests compare. */
#ifndef ES_CUDA_VIEW_BODY_H
#define ES_CUDA_VIEW_BODY_H

#include <math.h>
#include "kernels.h"
#include "value_body.h"
#include "vec_body.h"

__device__ inline float es_level(float x) {
  return fminf(fmaxf(x, 0.0f), 255.0f);
}

__device__ inline float es_view_luma(const float *p, int64_t plane) {
  return (19595.0f / 65536) * p[0] + (38470.0f / 65536) * p[plane] +
         (7471.0f / 65536) * p[2 * plane];
}

/** Weights of the resampling from n_in to n_out values at output i. */
struct es_view_taps {
  int from, past;
  float centre, squeeze;
  bool bicubic;
  __device__ es_view_taps(bool cubic, int n_in, int n_out, int i) {
    const float step = (float) n_in / (float) n_out, stretch = fmaxf(step, 1.0f);
    const float support = (cubic ? 2.0f : 1.0f) * stretch;
    bicubic = cubic;
    squeeze = 1 / stretch;
    centre = ((float) i + 0.5f) * step;
    from = (int) fmaxf(centre - support + 0.5f, 0.0f);
    past = (int) fminf(centre + support + 0.5f, (float) n_in);
  }
  __device__ float weight(int k) const {
    const float x = fabsf(((float) k - centre + 0.5f) * squeeze);
    if (!bicubic) return x < 1 ? 1 - x : 0.0f;
    if (x < 1) return (1.5f * x - 2.5f) * x * x + 1;
    return x < 2 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : 0.0f;
  }
};

/** A channel of HSV: `place` is 5, 3, 1 sixths of a turn for red, green, blue. */
__device__ inline float es_view_channel(float hue, float place, float value,
                                        float chroma) {
  float k = place + hue;
  k -= k >= 6 ? 6.0f : 0.0f;
  return value - chroma * fminf(fmaxf(fminf(k, 4 - k), 0.0f), 1.0f);
}

__device__ inline void es_view_turn(float *p, int64_t plane, float turns) {
  const float r = p[0], g = p[plane], b = p[2 * plane];
  const float value = fmaxf(r, fmaxf(g, b)), least = fminf(r, fminf(g, b));
  const float chroma = value - least, scale = 1 / (chroma > 0 ? chroma : 1.0f);
  const float other = value == g ? 2 + (b - r) * scale : 4 + (r - g) * scale;
  float hue = (value == r ? (g - b) * scale : other) + 6 * turns;
  hue += hue < 0 ? 6.0f : 0.0f;
  hue -= hue >= 6 ? 6.0f : 0.0f;
  p[0] = es_view_channel(hue, 5, value, chroma);
  p[plane] = es_view_channel(hue, 3, value, chroma);
  p[2 * plane] = es_view_channel(hue, 1, value, chroma);
}

/** One pixel of a change that reads no other; grey: the mean of the image. */
__device__ inline void es_view_pixel(const es_view_change &c, float grey, int64_t plane,
                                     float *p) {
  const float v = c.value[0], luma = es_view_luma(p, plane);
  if (c.kind == ES_VIEW_HUE) return es_view_turn(p, plane, v);
  for (int k = 0; k < 3; k++) {
    float &x = p[k * plane];
    if (c.kind == ES_VIEW_BRIGHTNESS)
      x = es_level(v * x);
    else if (c.kind == ES_VIEW_CONTRAST)
      x = es_level(v * x + (1 - v) * grey);
    else if (c.kind == ES_VIEW_SATURATION)
      x = es_level(v * x + (1 - v) * luma);
    else if (c.kind == ES_VIEW_GRAY)
      x = luma;
    else if (c.kind == ES_VIEW_SOLARIZE)
      x = x >= v ? 255 - x : x;
    else
      x = (x - c.value[k]) * c.value[3 + k];
  }
}

/** Index outside [0, n) reflected at the first and last value; |i| < 2 n. */
__device__ inline int es_view_reflect(int i, int n) {
  i = i < 0 ? -i : i;
  return i < n ? i : 2 * (n - 1) - i;
}

template <class T> struct es_view_body {
  es_cuda_views a;

  /** The window -> px [3, side, side]; resized, by way of tmp [3, window.h, side]. */
  __device__ void take(const es_thread &t, const es_view_recipe &r, float *px,
                       float *tmp) const {
    const es_view_window win = r.window;
    const unsigned char *in =
        a.records + (r.record - a.first) + 3 * ((int64_t) win.y * r.w + win.x);
    const int side = a.side, plane = side * side;
    if (win.h == side && win.w == side) {
      for (int i = (int) t.thread(); i < plane; i += (int) t.threads())
        for (int c = 0; c < 3; c++)
          px[c * plane + i] = in[3 * ((int64_t) (i / side) * r.w + i % side) + c];
      t.barrier();
      return;
    }
    along(t, r, in, tmp);
    t.barrier();
    for (int i = (int) t.thread(); i < plane; i += (int) t.threads()) {
      const es_view_taps taps(r.bicubic, win.h, side, i / side);
      float sum[3] = {0, 0, 0}, all = 0;
      for (int k = taps.from; k < taps.past; k++) {
        const float w = taps.weight(k);
        all += w;
        for (int c = 0; c < 3; c++)
          sum[c] += w * tmp[(c * (int64_t) win.h + k) * side + i % side];
      }
      for (int c = 0; c < 3; c++) px[c * plane + i] = es_level(sum[c] / all);
    }
    t.barrier();
  }

  /** Rows of the window resized -> tmp. */
  __device__ void along(const es_thread &t, const es_view_recipe &r,
                        const unsigned char *in, float *tmp) const {
    const int side = a.side, h = r.window.h;
    for (int64_t i = t.thread(); i < (int64_t) h * side; i += t.threads()) {
      const int y = (int) (i / side), x = (int) (i % side);
      const es_view_taps taps(r.bicubic, r.window.w, side, x);
      float sum[3] = {0, 0, 0}, all = 0;
      for (int k = taps.from; k < taps.past; k++) {
        const float w = taps.weight(k);
        all += w;
        for (int c = 0; c < 3; c++) sum[c] += w * in[3 * ((int64_t) y * r.w + k) + c];
      }
      for (int c = 0; c < 3; c++)
        tmp[(c * (int64_t) h + y) * side + x] = es_level(sum[c] / all);
    }
  }

  __device__ void flip(const es_thread &t, float *px) const {
    const int side = a.side, half = side / 2;
    for (int i = (int) t.thread(); i < 3 * side * half; i += (int) t.threads()) {
      float *const row = px + i / half * side;
      const int x = i % half;
      const float left = row[x];
      row[x] = row[side - 1 - x];
      row[side - 1 - x] = left;
    }
  }

  /** Mean luma, for all threads. */
  __device__ float mean(const es_thread &t, const float *px) const {
    const int plane = a.side * a.side;
    double *const room = t.shared<double>();
    double sum[1] = {0.0};
    for (int i = (int) t.thread(); i < plane; i += (int) t.threads())
      sum[0] += es_view_luma(px + i, plane);
    es_sum_block(t, sum, room);
    t.barrier();
    return (float) (room[0] / plane);
  }

  /** The Gaussian cut at 4 standard deviations -> kernel [2 reach + 1], not
   *  normalised. */
  __device__ int gauss(const es_thread &t, float sigma, float *kernel) const {
    const int wanted = (int) ceilf(4 * sigma);
    const int reach = wanted < a.side ? wanted : a.side - 1;
    for (int k = (int) t.thread(); k <= 2 * reach; k += (int) t.threads()) {
      const float x = (float) (k - reach) / sigma;
      kernel[k] = expf(-0.5f * x * x);
    }
    t.barrier();
    return reach;
  }

  /** to = from blurred along its rows, or its columns. */
  __device__ void blur(const es_thread &t, const float *kernel, int reach, bool rows,
                       const float *from, float *to) const {
    const int side = a.side, plane = side * side;
    float all = 0;
    for (int k = 0; k <= 2 * reach; k++) all += kernel[k];
    for (int i = (int) t.thread(); i < 3 * plane; i += (int) t.threads()) {
      const int c = i / plane, y = i % plane / side, x = i % side;
      float sum = 0;
      for (int k = -reach; k <= reach; k++) {
        const int at = es_view_reflect((rows ? x : y) + k, side);
        sum +=
            kernel[reach + k] * from[c * plane + (rows ? y * side + at : at * side + x)];
      }
      to[i] = sum / all;
    }
    t.barrier();
  }

  __device__ void change(const es_thread &t, const es_view_change &c, float *px,
                         float *tmp) const {
    const int plane = a.side * a.side;
    if (c.kind == ES_VIEW_FLIP) {
      flip(t, px);
    } else if (c.kind == ES_VIEW_BLUR) {
      float *const kernel = t.shared<float>();
      const int reach = gauss(t, c.value[0], kernel);
      blur(t, kernel, reach, true, px, tmp);
      blur(t, kernel, reach, false, tmp, px);
    } else {
      const float grey = c.kind == ES_VIEW_CONTRAST ? mean(t, px) : 0.0f;
      for (int i = (int) t.thread(); i < plane; i += (int) t.threads())
        es_view_pixel(c, grey, plane, px + i);
    }
    t.barrier();
  }

  __device__ void operator()(const es_thread &t) const {
    const es_view_recipe &r = a.recipe[t.block()];
    const int plane = a.side * a.side, view = (int) t.block() / a.n;
    float *const px = a.room + t.block() * a.stride, *const tmp = px + 3 * plane;
    T *const y = (T *) a.y +
                 3 * (int64_t) plane * (view * (int64_t) a.apart + (int) t.block() % a.n);
    take(t, r, px, tmp);
    for (int k = 0; k < r.n; k++) change(t, r.change[k], px, tmp);
    for (int i = (int) t.thread(); i < 3 * plane; i += (int) t.threads())
      es_put(&y[i], px[i % 3 * plane + i / 3] * (1.0f / 255));
  }
};

#endif
