/* SPDX-License-Identifier: BSD-3-Clause */
/** @file dataset_deadleaves.c  Dead leaves: opaque discs that fall on each other.
 *
 *  Radii have the density r^-3 between r_min and r_max, a 64th of the side (at least a
 *  pixel) and half of it, which gives the scale invariance and the 1/f^2 power spectrum
 *  of natural images (Lee, Mumford, Huang, IJCV 2001; Baradad et al., NeurIPS 2021).
 *  Colours vary mostly in luminance. Palette, light and grain belong to the image, so two
 *  crops of one image have them in common and crops of different images do not: what an
 *  invariant encoder can learn.
 *
 *  Discs are laid from the front to the back until nothing shines through, which is an
 *  exact sample of the infinite process (Kendall, Thoennes 1999). Only discs that touch
 *  the image are drawn: their radii have the density r^-3 (side + 2 r)^2. A record is a
 *  function of (seed, record number) alone. */
#include <math.h>
#include <string.h>

#include "clamp.h"
#include "data_private.h"
#include "eigenstep/mem.h"

enum { SIDE = 32, DISCS_PER_PIXEL = 32 };
static const float TRANSPARENT = 1.0f / 512;

typedef struct leaves {
  uint64_t seed;
  int64_t first; /**< record of the generator that is record 0 of this split */
  int side;
  float r_min, r_max;
} leaves;

/** What all discs of an image share. */
typedef struct style {
  float luminance, contrast, chroma[2], spread; /**< palette, full scale = 1 */
  float light[2];                               /**< gradient of the shading */
  float grain, wave[2];                         /**< texture: depth, cycles a pixel */
} style;

typedef struct disc {
  float x, y, r, rgb[3], phase;
} disc;

/** The image being covered. */
typedef struct canvas {
  int side, open; /**< open: pixels still shone through */
  int *row_open;  /**< [side] the same by row */
  float *shine;   /**< [side, side] what is left of the light */
  float *rgb[3];  /**< [side, side] */
} canvas;

/** Uniform in [lo, hi), 32 bits: enough here, and twice as fast as es_rng_range. */
static float uniform(es_rng *r, float lo, float hi) {
  return lo + (hi - lo) * ((float) (es_rng_u32(r) >> 8) * 0x1p-24f);
}

static style draw_style(es_rng *r) {
  style s = {.luminance = uniform(r, 0.3f, 0.62f), .contrast = uniform(r, 0.18f, 0.42f)};
  s.chroma[0] = uniform(r, -0.16f, 0.16f);
  s.chroma[1] = uniform(r, -0.06f, 0.06f);
  s.spread = uniform(r, 0.02f, 0.12f);
  const float two_pi = 6.28318531f;
  const float light = uniform(r, 0, two_pi), shade = uniform(r, 0.05f, 0.35f);
  const float across = uniform(r, 0, two_pi), cycles = uniform(r, 0.04f, 0.2f);
  s.light[0] = shade * cosf(light);
  s.light[1] = shade * sinf(light);
  s.grain = uniform(r, 0, 0.08f);
  s.wave[0] = cycles * cosf(across);
  s.wave[1] = cycles * sinf(across);
  return s;
}

/** A radius with the density r^-3 (side + 2 r)^2 in [a, b]: a mixture of three powers,
 *  each by its inverse distribution function. */
static float draw_radius(es_rng *r, float side, float a, float b) {
  const float u = uniform(r, 0, 1);
  const float cube = side * side * (1 / (a * a) - 1 / (b * b)) / 2;
  const float square = 4 * side * (1 / a - 1 / b), plain = 4 * logf(b / a);
  const float which = uniform(r, 0, cube + square + plain);
  if (which < cube) return 1 / sqrtf(1 / (a * a) - u * (1 / (a * a) - 1 / (b * b)));
  if (which < cube + square) return 1 / (1 / a - u * (1 / a - 1 / b));
  return a * powf(b / a, u);
}

static disc draw_disc(es_rng *r, const style *s, const leaves *set) {
  const float side = (float) set->side;
  disc d = {.r = draw_radius(r, side, set->r_min, set->r_max)};
  d.x = uniform(r, -d.r, side + d.r);
  d.y = uniform(r, -d.r, side + d.r);
  const float l = s->luminance + s->contrast * uniform(r, -1, 1);
  const float red_blue = s->chroma[0] + s->spread * uniform(r, -1, 1);
  const float green = s->chroma[1] + 0.4f * s->spread * uniform(r, -1, 1);
  d.rgb[0] = es_max_f32(l + red_blue - 0.5f * green, 0.01f);
  d.rgb[1] = es_max_f32(l + green, 0.01f);
  d.rgb[2] = es_max_f32(l - red_blue - 0.5f * green, 0.01f);
  d.phase = uniform(r, 0, 1);
  return d;
}

/** Lay the part of a disc in row y, pixels [x0, x1), behind what is there. Its edge is
 *  one pixel wide. @return pixels closed by it */
static int lay_row(canvas *c, const style *s, const disc *d, int y, int x0, int x1) {
  const size_t row = (size_t) y * (size_t) c->side;
  float *restrict shine = c->shine + row;
  float *restrict red = c->rgb[0] + row, *restrict green = c->rgb[1] + row;
  float *restrict blue = c->rgb[2] + row;
  const float dy = (float) y + 0.5f - d->y, edge = d->r + 0.5f;
  const float gx = s->light[0] / d->r, gy = s->light[1] / d->r;
  const float wx = s->wave[0], wy = s->wave[1] * dy + d->phase;
  int closed = 0;
  for (int x = x0; x < x1; x++) {
    const float dx = (float) x + 0.5f - d->x;
    const float cover = es_clamp_f32(edge - sqrtf(dx * dx + dy * dy), 0, 1);
    const float turn = wx * dx + wy, t = turn - rintf(turn);
    const float wave = 16 * t * (0.5f - fabsf(t)); /* parabolas: nearly a sine */
    const float seen = cover * shine[x];
    const float light = seen * (1 + gx * dx + gy * dy + s->grain * wave);
    const float left = shine[x] - seen;
    closed += (shine[x] > TRANSPARENT) & (left <= TRANSPARENT);
    shine[x] = left;
    red[x] += d->rgb[0] * light;
    green[x] += d->rgb[1] * light;
    blue[x] += d->rgb[2] * light;
  }
  return closed;
}

static void lay_disc(canvas *c, const style *s, const disc *d) {
  const float reach = d->r + 0.5f;
  const int y0 = (int) es_max_f32(floorf(d->y - reach), 0);
  const int y1 = (int) es_min_f32(ceilf(d->y + reach), (float) c->side);
  for (int y = y0; y < y1; y++) {
    const float dy = (float) y + 0.5f - d->y, chord = reach * reach - dy * dy;
    if (c->row_open[y] == 0 || chord <= 0) continue;
    const float half = sqrtf(chord);
    const int x0 = (int) es_max_f32(floorf(d->x - half), 0);
    const int x1 = (int) es_min_f32(ceilf(d->x + half), (float) c->side);
    const int closed = lay_row(c, s, d, y, x0, x1);
    c->row_open[y] -= closed;
    c->open -= closed;
  }
}

/** Divide the scratch: the u8 image first, then the canvas, bare. */
static canvas clear_canvas(void *scratch, int side) {
  const size_t pixels = (size_t) side * (size_t) side;
  float *f = (float *) scratch + (3 * pixels + 3) / 4;
  canvas c = {.side = side, .open = side * side, .shine = f};
  for (size_t k = 0; k < pixels; k++) c.shine[k] = 1;
  for (size_t k = 0; k < 3; k++) c.rgb[k] = f + (k + 1) * pixels;
  memset(c.rgb[0], 0, 3 * pixels * sizeof *f);
  c.row_open = (void *) (f + 4 * pixels);
  for (int y = 0; y < side; y++) c.row_open[y] = side;
  return c;
}

/** What still shines through is divided among the discs seen. */
static void store(const canvas *c, uint8_t *px) {
  const int pixels = c->side * c->side;
  for (int k = 0; k < pixels; k++) {
    const float scale = 255 / es_max_f32(1 - c->shine[k], TRANSPARENT);
    for (int j = 0; j < 3; j++)
      px[3 * k + j] = (uint8_t) (es_min_f32(c->rgb[j][k] * scale, 255) + 0.5f);
  }
}

static es_status get(const es_dataset *ds, int64_t i, int view, void *scratch,
                     es_sample *s) {
  (void) view;
  const leaves *l = ds->impl;
  const int64_t most = (int64_t) DISCS_PER_PIXEL * l->side * l->side;
  es_rng r = es_rng_at(l->seed, ES_STREAM_DATA, (uint64_t) (l->first + i), 0);
  const style look = draw_style(&r);
  canvas c = clear_canvas(scratch, l->side);
  for (int64_t n = 0; n < most && c.open > 0; n++) {
    const disc d = draw_disc(&r, &look, l);
    lay_disc(&c, &look, &d);
  }
  store(&c, scratch);
  *s = (es_sample){.c = 3, .h = l->side, .w = l->side, .u8 = scratch, .label = -1};
  return ES_OK;
}

static es_status open_set(const es_comm *c, es_dataset *ds, const es_data_params *p,
                          uint64_t seed) {
  (void) c;
  leaves *l;
  const int side = p->size > 0 ? (int) p->size : SIDE;
  const size_t pixels = (size_t) side * (size_t) side;
  ES_CHECK(side >= 8 && side <= 4096, ES_ECONFIG,
           "data.size: got %d, expected 8..4096 for deadleaves", side);
  ES_TRY(ES_NEW(1, &l));
  *l = (leaves){.seed = seed, .side = side, .r_max = (float) side / 2};
  l->r_min = es_max_f32((float) side / 64, 1);
  if (strcmp(p->split, "test") == 0) l->first = ES_HELD_OUT;
  const double facts[] = {(double) seed, side};
  ds->checksum = es_hash_bytes(ds->checksum, facts, sizeof facts);
  ds->impl = l;
  ds->size = p->count;
  ds->endless = true;
  ds->c = 3;
  ds->h = ds->w = side;
  ds->largest = (es_largest){.h = side, .w = side, .pixels = (int64_t) side * side};
  ds->scratch = 3 * pixels + 3 + 4 * pixels * sizeof(float) + (size_t) side * sizeof(int);
  return ES_OK;
}

static void close_set(es_dataset *ds) {
  es_free(&ds->impl);
}

const es_dataset_ops es_dataset_deadleaves = {
    .name = "deadleaves",
    .doc = "generated images: overlapping discs of all sizes; needs no file",
    .splits = "train|test",
    .reads = "size|count",
    .mixed = true,
    .held_out = es_split_test,
    .open = open_set,
    .get = get,
    .close = close_set};
